"""LARS: layer-wise adaptive rate scaling.

Source
    You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017, Algorithm 1.
    https://arxiv.org/abs/1708.03888

Update (norm: over one parameter; r = 1 where norm(w) or norm(g) is 0)
    r = eta*norm(w) / (norm(g) + wd*norm(w) + epsilon)
    v = momentum*v - learning_rate*r*(g + wd*w)
    w = w + v

Symbols
    w  (size,) f32|f64  weights of all parameters, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    v  (size,) like w   velocity, 0 before t = 1
    epsilon  number >= 0     of the denominator, which is not 0 without it where r is not 1

Differs from
    MXNet, which takes the norm before clipping and skips parameters by their names' endings.
"""
import math

from numoptim.rule import Reduction, Rule


def terms(w, g, v, h):
    return w, g


def trust(ww, gg, h):
    norm_w, norm_g = math.sqrt(ww), math.sqrt(gg)
    if norm_w == 0.0 or norm_g == 0.0:
        return (1.0,)
    return (h.eta * norm_w / (norm_g + h.wd * norm_w + h.epsilon),)


def update(w, g, v, h):
    v = h.momentum * v - h.learning_rate * h.r * (g + h.wd * w)
    return w + v, v


RULE = Rule(
    name="lars",
    title="LARS",
    update=update,
    slots=("v",),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "momentum": (0.0, "[0, 1)"),
        "eta": (0.001, "(0, inf)"),
        "epsilon": (0.0, "(0, inf) or 0"),
    },
    gradient="clipped",
    reductions=(Reduction(terms, trust, results=("r",), squares=("ww", "gg")),),
)
