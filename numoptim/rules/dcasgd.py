"""DCASGD: asynchronous SGD with delay compensation, with or without momentum.

Source
    Zheng et al., "Asynchronous stochastic gradient descent with delay compensation", ICML 2017,
    eq. 10.  https://arxiv.org/abs/1609.08326

Update dcasgd (momentum = 0)
    d = g + wd*w + lamda*g*g*(w - w_bak)
    w_bak = w
    w = w - learning_rate*d

Update dcasgd_momentum
    d = g + wd*w + lamda*g*g*(w - w_bak)
    v = momentum*v - learning_rate*d
    w_bak = w
    w = w + v

Symbols
    w      (size,) f32|f64  weights, in/out
    g      (size,) like w   gradient after rescale and clip, read only
    v      (size,) like w   velocity, 0 before t = 1
    w_bak  (size,) like w   the weight this worker last pulled (alone: before the last update); w at first

Differs from
    MXNet, which keeps one w_bak for all workers and raises with momentum.
"""
from numoptim.rule import Rule


def init(w, h):
    return (w,)


def direction(w, g, w_bak, h):
    return g + h.wd * w + h.lamda * g * g * (w - w_bak)


def update(w, g, w_bak, h):
    return w - h.learning_rate * direction(w, g, w_bak, h), w


def init_momentum(w, h):
    return 0.0, w


def update_momentum(w, g, v, w_bak, h):
    v = h.momentum * v - h.learning_rate * direction(w, g, w_bak, h)
    return w + v, v, w


HYPER = {
    "learning_rate": (0.01, "[0, inf)"),
    "lamda": (0.04, "[0, inf)"),
}
RULE = Rule(
    name="dcasgd",
    update=update,
    slots=("w_bak",),
    hyper=HYPER,
    gradient="clipped",
    init=init,
)
MOMENTUM = Rule(
    name="dcasgd_momentum",
    update=update_momentum,
    slots=("v", "w_bak"),
    hyper={**HYPER, "momentum": (0.0, "[0, 1)")},
    gradient="clipped",
    init=init_momentum,
)

RULES = (RULE, MOMENTUM)
