"""RMSProp: gradients divided by a running average of their magnitude; plain, with momentum, or centred.

Source
    Tieleman & Hinton, "Lecture 6.5-rmsprop", COURSERA: Neural networks for machine learning, 2012.
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf
    Centred: Graves, "Generating sequences with recurrent neural networks", 2013, eqs 38-45.
    https://arxiv.org/abs/1308.0850

Update rmsprop
    n = gamma1*n + (1 - gamma1)*g*g
    w = clip(w - learning_rate*g / sqrt(n + epsilon), -clip_weights, clip_weights)

Update rmsprop_momentum
    n = gamma1*n + (1 - gamma1)*g*g
    v = momentum*v - learning_rate*g / sqrt(n + epsilon)
    w = clip(w + v, -clip_weights, clip_weights)

Update rmsprop_centered (s is Graves' n - m*m, kept itself: that difference cancels and goes negative)
    s = gamma1*(s + (1 - gamma1)*(g - m)**2)
    m = gamma1*m + (1 - gamma1)*g
    v = gamma2*v - learning_rate*g / sqrt(s + epsilon)
    w = clip(w + v, -clip_weights, clip_weights)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    n  (size,) like w   running mean of g*g, 0 or initial before t = 1
    m  (size,) like w   running mean of g, 0 before t = 1
    s  (size,) like w   running variance of g, 0 or initial before t = 1
    v  (size,) like w   velocity, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    torch and ensmallen, which add epsilon outside the root (optax and Keras: inside, too); torch, which keeps the
    learning rate outside the velocity; MXNet 1.9.1, which clips after adding wd. torch, optax, Keras and MXNet form s
    as n - m*m, which goes non-finite on constant gradients.
"""
import math

from numoptim.rule import INF, Rule, Slot, clip


def prepare(t, h):
    return (1 - h.gamma1,)


def update(w, g, n, h):
    n = h.gamma1 * n + h.gamma1_c * g * g
    w = w - h.learning_rate * g / math.sqrt(n + h.epsilon)
    return clip(w, -h.clip_weights, h.clip_weights), n


def update_momentum(w, g, n, v, h):
    n = h.gamma1 * n + h.gamma1_c * g * g
    v = h.momentum * v - h.learning_rate * g / math.sqrt(n + h.epsilon)
    return clip(w + v, -h.clip_weights, h.clip_weights), n, v


def update_centered(w, g, m, s, v, h):
    s = h.gamma1 * (s + h.gamma1_c * (g - m) * (g - m))
    m = h.gamma1 * m + h.gamma1_c * g
    v = h.gamma2 * v - h.learning_rate * g / math.sqrt(s + h.epsilon)
    return clip(w + v, -h.clip_weights, h.clip_weights), m, s, v


HYPER = {
    "learning_rate": (0.001, "[0, inf)"),
    "gamma1": (0.9, "[0, 1)"),
    "epsilon": (1e-8, "(0, inf) or 0"),
    "clip_weights": (INF, "(0, inf]"),
}
RULE = Rule(
    name="rmsprop",
    update=update,
    slots=(Slot("n", low=0),),
    hyper=HYPER,
    prepare=prepare,
    derived=("gamma1_c",),
)
MOMENTUM = Rule(
    name="rmsprop_momentum",
    update=update_momentum,
    slots=(Slot("n", low=0), "v"),
    hyper={**HYPER, "momentum": (0.0, "[0, 1)")},
    prepare=prepare,
    derived=("gamma1_c",),
)
CENTERED = Rule(
    name="rmsprop_centered",
    update=update_centered,
    slots=("m", Slot("s", low=0), "v"),
    hyper={**HYPER, "gamma2": (0.9, "[0, 1)")},
    prepare=prepare,
    derived=("gamma1_c",),
)

RULES = (RULE, MOMENTUM, CENTERED)
