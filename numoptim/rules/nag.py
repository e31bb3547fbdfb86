"""NAG: Nesterov's accelerated gradient.

Source
    Sutskever, Martens, Dahl & Hinton, "On the importance of initialization and momentum in deep
    learning", ICML 2013, eqs 3-4.  https://proceedings.mlr.press/v28/sutskever13.html

Update nag (the stored weight is the look-ahead point y = w + momentum*v of the paper)
    v = momentum*v - learning_rate*g
    w = w + momentum*v - learning_rate*g

Update nag_rate_outside (rate_in_velocity = False)
    v = momentum*v + g
    w = w - learning_rate*(g + momentum*v)

Symbols
    w  (size,) f32|f64  weights at the look-ahead point, in/out
    g  (size,) like w   gradient there, after rescale, clip and weight decay, read only
    v  (size,) like w   velocity, 0 before t = 1

Differs from
    MXNet 1.9.1, whose buffers alias when wd != 0; torch, which keeps the learning rate outside v, as
    rate_in_velocity = False does: the two part once the rate changes.
    The guide prints the gradient at the look-ahead point: in terms of that point it is this rule.
"""
from numoptim.rule import Rule


def update(w, g, v, h):
    v = h.momentum * v - h.learning_rate * g
    return w + h.momentum * v - h.learning_rate * g, v


def update_rate_outside(w, g, v, h):
    v = h.momentum * v + g
    return w - h.learning_rate * (g + h.momentum * v), v


HYPER = {
    "learning_rate": (0.01, "[0, inf)"),
    "momentum": (0.0, "[0, 1)"),
}
RULE = Rule(
    name="nag",
    update=update,
    slots=("v",),
    hyper=HYPER,
)
RATE_OUTSIDE = Rule(
    name="nag_rate_outside",
    update=update_rate_outside,
    slots=("v",),
    hyper=HYPER,
)

RULES = (RULE, RATE_OUTSIDE)
