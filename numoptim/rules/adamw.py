"""AdamW: Adam with decoupled weight decay, with or without the maximum of AMSGrad.

Source
    Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019, Algorithm 2.
    https://arxiv.org/abs/1711.05101
    amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
    https://openreview.net/forum?id=ryQu7f-RZ

Update adamw
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)

Update adamw_amsgrad (amsgrad=True)
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    v_max = maximum(v_max, v)
    m_hat = m / (1 - beta1**t)
    v_hat = v_max / (1 - beta2**t)
    w = w - learning_rate*wd*w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    v_max  (size,) like w   largest v so far, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    MXNet 2, which takes the decay off after the step, and multiplies it with the bias correction; the paper, whose
    decay is wd alone, times the schedule's factor; with amsgrad from optax, which takes the maximum of the corrected v.
"""
import math

from numoptim.rule import Rule, Slot, maximum, power


def prepare(t, h):
    root = math.sqrt(1 - power(h.beta2, t))
    rate = h.learning_rate * root / (1 - power(h.beta1, t))
    return 1 - h.beta1, 1 - h.beta2, h.learning_rate * h.wd, rate, h.epsilon * root


# decay*w is taken off by itself: 1 - decay would round to float32 alike in every step, and be off by it in all.
def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return w - h.decay * w - h.rate * m / (math.sqrt(v) + h.epsilon_t), m, v


def update_amsgrad(w, g, m, v, v_max, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    v_max = maximum(v_max, v)
    return w - h.decay * w - h.rate * m / (math.sqrt(v_max) + h.epsilon_t), m, v, v_max


HYPER = {
    "learning_rate": (0.001, "[0, inf)"),
    "beta1": (0.9, "[0, 1)"),
    "beta2": (0.999, "[0, 1)"),
    "epsilon": (1e-8, "(0, inf) or 0"),
    "wd": (0.01, "[0, inf)"),
}
RULE = Rule(
    name="adamw",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper=HYPER,
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay", "rate", "epsilon_t"),
    gradient="clipped",
)
AMSGRAD = Rule(
    name="adamw_amsgrad",
    update=update_amsgrad,
    slots=("m", Slot("v", low=0), Slot("v_max", low=0)),
    hyper=HYPER,
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay", "rate", "epsilon_t"),
    gradient="clipped",
)

RULES = (RULE, AMSGRAD)
