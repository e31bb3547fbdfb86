"""Signum: steps along the sign of the gradient (SignSGD) or of its running mean.

Source
    Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for non-convex
    problems", ICML 2018, Algorithm 2.  https://arxiv.org/abs/1802.04434
    Decoupled decay wd_lh: Loshchilov & Hutter, "Decoupled weight decay regularization", ICLR 2019.
    https://arxiv.org/abs/1711.05101

Update signsgd (momentum = 0)
    w = (1 - learning_rate*wd_lh)*w - learning_rate*sign(g)

Update signum
    m = momentum*m + (1 - momentum)*g
    w = (1 - learning_rate*wd_lh)*w - learning_rate*sign(m)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    m  (size,) like w   running mean of g, 0 before t = 1

Differs from
    MXNet, which for momentum = 0 decouples wd; here wd is always inside the sign, wd_lh never.
"""
from numoptim.rule import Rule, sign


def prepare(t, h):
    return (1 - h.learning_rate * h.wd_lh,)


def update(w, g, h):
    return h.keep * w - h.learning_rate * sign(g)


def prepare_momentum(t, h):
    return 1 - h.momentum, 1 - h.learning_rate * h.wd_lh


def update_momentum(w, g, m, h):
    m = h.momentum * m + h.momentum_c * g
    return h.keep * w - h.learning_rate * sign(m), m


SIGNSGD = Rule(
    name="signsgd",
    update=update,
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "wd_lh": (0.0, "[0, inf)"),
    },
    prepare=prepare,
    derived=("keep",),
)
RULE = Rule(
    name="signum",
    update=update_momentum,
    slots=("m",),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "momentum": (0.9, "[0, 1)"),
        "wd_lh": (0.0, "[0, inf)"),
    },
    prepare=prepare_momentum,
    derived=("momentum_c", "keep"),
)

RULES = (RULE, SIGNSGD)
