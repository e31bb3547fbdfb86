"""AdaBelief: Adam that divides by how far gradients are from their running mean.

Source
    Zhuang et al., "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", NeurIPS 2020,
    Algorithm 2.  https://arxiv.org/abs/2010.07468

Update (decay decoupled)
    m = beta1*m + (1 - beta1)*g
    s = beta2*s + (1 - beta2)*(g - m)**2 + epsilon
    m_hat = m / (1 - beta1**t)
    s_hat = s / (1 - beta2**t)
    w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(s_hat) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    s  (size,) like w   running mean of (g - m)**2, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    optax, where the epsilon within s is another, eps_root.
"""
import math

from numoptim.rule import Rule, Slot

from .adamw import prepare


def update(w, g, m, s, h):
    m = h.beta1 * m + h.beta1_c * g
    s = h.beta2 * s + h.beta2_c * (g - m) * (g - m) + h.epsilon
    return w - h.decay * w - h.rate * m / (math.sqrt(s) + h.epsilon_t), m, s


RULE = Rule(
    name="adabelief",
    title="AdaBelief",
    update=update,
    slots=("m", Slot("s", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-16, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay", "rate", "epsilon_t"),
    gradient="clipped",
)
