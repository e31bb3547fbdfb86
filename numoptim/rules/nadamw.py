"""NAdamW: Nadam with decoupled weight decay.

Source
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, Algorithm 2, with the
    momentum schedule of Sutskever et al. 2013 as torch has it.
    https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    Decoupled decay: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
    https://arxiv.org/abs/1711.05101

Update (P is the product of mu over the steps so far, 1 before t = 1)
    mu = beta1*(1 - 0.5*0.96**(t*schedule_decay))
    mu_next = beta1*(1 - 0.5*0.96**((t + 1)*schedule_decay))
    P = P*mu
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    m_bar = (1 - mu)*g / (1 - P) + mu_next*m / (1 - P*mu_next)
    w = w - learning_rate*wd*w - learning_rate*m_bar / (sqrt(v / (1 - beta2**t)) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    torch, whose NAdam does this with decoupled_weight_decay=True and rounds P to float32 by default; optax, whose
    momentum is constant, as with a schedule_decay of 1e5 here.
"""
import math

from numoptim.rule import Rule, Slot

from .nadam import prepare as nadam


def prepare(t, h):
    return *nadam(t, h), h.learning_rate * h.wd


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return w - h.decay * w - (h.look_g * g + h.look_m * m) / (math.sqrt(v) + h.epsilon_t), m, v


RULE = Rule(
    name="nadamw",
    title="NAdamW",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.002, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
        "schedule_decay": (0.004, "[0, inf)"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "look_g", "look_m", "epsilon_t", "decay"),
    gradient="clipped",
)
