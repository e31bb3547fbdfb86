"""Yogi: Adam whose second moment moves by what the gradient has, not by what is left of itself.

Source
    Zaheer, Reddi, Sachan, Kale & Kumar, "Adaptive methods for nonconvex optimization", NeurIPS 2018, Algorithm 2.
    https://papers.nips.cc/paper/8186

Update (decay decoupled; moments corrected as Adam's)
    m = beta1*m + (1 - beta1)*g
    v = v - (1 - beta2)*sign(v - g*g)*g*g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, initial before t = 1
    epsilon  number >= 0     at 0, where initial is too, a weight that has had no gradient becomes 0/0, NaN

Differs from
    TensorFlow Addons and optax, which begin m at initial, too; the paper, which corrects nothing.
"""
import math

from numoptim.rule import Rule, Slot, sign

from .adamw import prepare


def init(w, h):
    return 0.0, h.initial


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = v - h.beta2_c * sign(v - g * g) * g * g
    return w - h.decay * w - h.rate * m / (math.sqrt(v) + h.epsilon_t), m, v


RULE = Rule(
    name="yogi",
    title="Yogi",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-3, "(0, inf) or 0"),
        "initial": (1e-6, "[0, inf)"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay", "rate", "epsilon_t"),
    gradient="clipped",
    init=init,
)
