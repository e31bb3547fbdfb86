"""Gradient norm: what steps are clipped by; it leaves weights as they are.

Source
    Pascanu, Mikolov & Bengio, "On the difficulty of training recurrent neural networks", ICML 2013, Algorithm 1.
    https://arxiv.org/abs/1211.5063

Update (before another rule's step, which takes g times min(1, bound/norm); sum: over all weights that step)
    norm = sqrt(sum(g*g))
    w = w

Symbols
    w     (size,) f32|f64  weights of all parameters, as they are
    g     (size,) like w   gradient after rescale and clip, read only
    norm  (1,) f64         of all gradients: squares are formed and summed in float64

Differs from
    torch, whose clip_grad_norm_ sums in the gradients' type, parameter by parameter, and divides by norm + 1e-6.
"""
import math

from numoptim.rule import Reduction, Rule, Slot


def terms(w, g, h):
    return (g,)


def root(gg, h):
    return (math.sqrt(gg),)


def update(w, g, h):
    return w


RULE = Rule(
    name="gradient_norm",
    update=update,
    slots=(Slot("norm", over="all", low=0),),
    gradient="clipped",
    reductions=(Reduction(terms, root, results=("norm",), squares=("gg",), over="all"),),
)
