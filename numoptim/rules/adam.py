"""Adam: adaptive moment estimation, with or without the maximum of AMSGrad.

Source
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, Algorithm 1.
    https://arxiv.org/abs/1412.6980
    amsgrad: Reddi, Kale & Kumar, "On the convergence of Adam and beyond", ICLR 2018, Algorithm 2.
    https://openreview.net/forum?id=ryQu7f-RZ

Update adam
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)

Update adam_amsgrad (amsgrad=True)
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    v_max = maximum(v_max, v)
    m_hat = m / (1 - beta1**t)
    v_hat = v_max / (1 - beta2**t)
    w = w - learning_rate*m_hat / (sqrt(v_hat) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    v_max  (size,) like w   largest v so far, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    MXNet, TensorFlow, Keras, scikit-learn and ensmallen, which add epsilon to sqrt(v) before its correction;
    MXNet 1.9.1, which clips after adding wd; with amsgrad from optax, which takes the maximum of the corrected v
    (torch and Keras: of v, as here), and the paper, which corrects nothing.
"""
import math

from numoptim.rule import Rule, Slot, maximum, power


def prepare(t, h):
    root = math.sqrt(1 - power(h.beta2, t))
    rate = h.learning_rate * root / (1 - power(h.beta1, t))
    return 1 - h.beta1, 1 - h.beta2, rate, h.epsilon * root


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return w - h.rate * m / (math.sqrt(v) + h.epsilon_t), m, v


def update_amsgrad(w, g, m, v, v_max, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    v_max = maximum(v_max, v)
    return w - h.rate * m / (math.sqrt(v_max) + h.epsilon_t), m, v, v_max


HYPER = {
    "learning_rate": (0.001, "[0, inf)"),
    "beta1": (0.9, "[0, 1)"),
    "beta2": (0.999, "[0, 1)"),
    "epsilon": (1e-8, "(0, inf) or 0"),
}
RULE = Rule(
    name="adam",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper=HYPER,
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "rate", "epsilon_t"),
)
AMSGRAD = Rule(
    name="adam_amsgrad",
    update=update_amsgrad,
    slots=("m", Slot("v", low=0), Slot("v_max", low=0)),
    hyper=HYPER,
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "rate", "epsilon_t"),
)

RULES = (RULE, AMSGRAD)
