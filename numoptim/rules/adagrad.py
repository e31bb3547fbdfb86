"""AdaGrad: adaptive subgradient method.

Source
    Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011, eq. 1 with a diagonal matrix.  https://jmlr.org/papers/v12/duchi11a.html

Update
    n = n + g*g
    w = w - learning_rate*g / sqrt(n + eps)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    n  (size,) like w   sum of squared gradients, 0 or initial before t = 1
    eps  number >= 0    at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    torch and MXNet 2, which add eps outside the root; MXNet 1.9.1, which decouples wd.
"""
import math

from numoptim.rule import Rule, Slot


def update(w, g, n, h):
    n = n + g * g
    return w - h.learning_rate * g / math.sqrt(n + h.eps), n


RULE = Rule(
    name="adagrad",
    update=update,
    slots=(Slot("n", low=0),),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "eps": (1e-7, "(0, inf) or 0"),
    },
)
