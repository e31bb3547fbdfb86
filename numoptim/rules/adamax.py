"""Adamax: Adam with the infinity norm.

Source
    Kingma & Ba, "Adam: a method for stochastic optimization", ICLR 2015, section 7.1, Algorithm 2.
    https://arxiv.org/abs/1412.6980

Update
    m = beta1*m + (1 - beta1)*g
    u = maximum(beta2*u, abs(g))
    w = w - learning_rate / (1 - beta1**t) * m / (u + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    m  (size,) like w   first moment, 0 before t = 1
    u  (size,) like w   decaying maximum of abs(g), 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    the paper and MXNet, which have no epsilon: a zero first gradient gives NaN there; torch and optax, which add
    it to abs(g) inside the maximum; MXNet 1.9.1, which clips after adding wd.
"""
from numoptim.rule import Rule, Slot, maximum, power


def prepare(t, h):
    return 1 - h.beta1, h.learning_rate / (1 - power(h.beta1, t))


def update(w, g, m, u, h):
    m = h.beta1 * m + h.beta1_c * g
    u = maximum(h.beta2 * u, abs(g))
    return w - h.rate * m / (u + h.epsilon), m, u


RULE = Rule(
    name="adamax",
    title="Adamax",
    update=update,
    slots=("m", Slot("u", low=0)),
    hyper={
        "learning_rate": (0.002, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "rate"),
)
