"""SGD: stochastic gradient descent, with or without momentum.

Source
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
    Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
    Nature 323, 1986, eq. 9.  https://doi.org/10.1038/323533a0

Update sgd (momentum = 0)
    w = w - learning_rate*g

Update sgd_momentum
    v = momentum*v - learning_rate*g
    w = w + v

Update sgd_rate_outside (rate_in_velocity = False)
    v = g if t == 1 else momentum*v + (1 - dampening)*g
    w = w - learning_rate*v

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    v  (size,) like w   velocity, 0 before t = 1

Differs from
    torch, which keeps the learning rate outside the velocity, as rate_in_velocity = False does: a change of the rate
    acts at once there, and on later gradients alone here.
"""
from numoptim.rule import Rule


def update(w, g, h):
    return w - h.learning_rate * g


def update_momentum(w, g, v, h):
    v = h.momentum * v - h.learning_rate * g
    return w + v, v


def prepare(t, h):
    return (1.0 if t == 1 else 1 - h.dampening,)


def update_rate_outside(w, g, v, h):
    v = h.momentum * v + h.undamped * g
    return w - h.learning_rate * v, v


RULE = Rule(
    name="sgd",
    update=update,
    hyper={"learning_rate": (0.01, "[0, inf)")},
)
MOMENTUM = Rule(
    name="sgd_momentum",
    update=update_momentum,
    slots=("v",),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "momentum": (0.0, "[0, 1)"),
    },
)
RATE_OUTSIDE = Rule(
    name="sgd_rate_outside",
    update=update_rate_outside,
    slots=("v",),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "momentum": (0.0, "[0, 1)"),
        "dampening": (0.0, "[0, 1]"),
    },
    prepare=prepare,
    derived=("undamped",),
)

RULES = (RULE, MOMENTUM, RATE_OUTSIDE)
