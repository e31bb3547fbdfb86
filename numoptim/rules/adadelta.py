"""AdaDelta: adaptive steps in the unit of the weights.

Source
    Zeiler, "ADADELTA: an adaptive learning rate method", 2012, Algorithm 1.
    https://arxiv.org/abs/1212.5701

Update (the paper has learning_rate = 1, the default)
    a = rho*a + (1 - rho)*g*g
    d = sqrt(u + epsilon) / sqrt(a + epsilon) * g
    u = rho*u + (1 - rho)*d*d
    w = w - learning_rate*d

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    a  (size,) like w   running mean of g*g, 0 before t = 1
    u  (size,) like w   running mean of d*d, 0 before t = 1
    epsilon  number >= 0     at 0 no weight moves, as u stays 0; a weight that has had no gradient becomes 0/0, NaN

Differs from
    MXNet 1.9.1, which ignores the learning rate and decouples wd.
"""
import math

from numoptim.rule import Rule, Slot


def prepare(t, h):
    return (1 - h.rho,)


def update(w, g, a, u, h):
    a = h.rho * a + h.rho_c * g * g
    d = math.sqrt((u + h.epsilon) / (a + h.epsilon)) * g
    u = h.rho * u + h.rho_c * d * d
    return w - h.learning_rate * d, a, u


RULE = Rule(
    name="adadelta",
    title="AdaDelta",
    update=update,
    slots=(Slot("a", low=0), Slot("u", low=0)),
    hyper={
        "learning_rate": (1.0, "[0, inf)"),
        "rho": (0.9, "[0, 1)"),
        "epsilon": (1e-5, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("rho_c",),
)
