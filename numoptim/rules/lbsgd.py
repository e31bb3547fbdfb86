"""LBSGD: SGD for large batches made of micro-batches, with a warm-up.

Source
    You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017.
    https://arxiv.org/abs/1708.03888; warm-up strategies as Apache MXNet's LBSGD has them.

Update accumulate (every micro-step; w is the running sum, g the raw gradient)
    w = w + rescale_grad*g

Update lbsgd_lars (every batch_scale-th micro-step with warmup_strategy 'lars'; g is the running sum)
    mean = rescale_grad*g
    mult = clip(sqrt(norm(w)**2 / (norm(mean)**2 + wd*norm(w)**2 + 1e-18)), 0.01, 100)
    v = momentum*v - learning_rate*mult*(clip(mean, -clip_gradient, clip_gradient) + wd*w)
    w = w + v

Symbols
    w  (size,) f32|f64  weights (accumulate: sum of the rescaled micro-batch gradients, 0 at first), in/out
    g  (size,) like w   gradient (lbsgd_lars: that sum), read only
    v  (size,) like w   velocity, 0 before t = 1

The other strategies apply the rules of SGD to the mean, with learning_rate times a number between 1 and
batch_scale that grows during warm-up. num_epochs has no effect, as in MXNet.

Differs from
    MXNet, which multiplies a discarded gradient by 0 (an infinity poisons the weight) and leaves
    rescale_grad out of the norm, so that its ratio depends on the batch size.
"""
import math

from numoptim.rule import Reduction, Rule, clip


def accumulate(w, g, h):
    return w + h.rescale_grad * g


def terms(w, g, v, h):
    return w, h.rescale_grad * g


def trust(ww, gg, h):
    norm_w, norm_g = math.sqrt(ww), math.sqrt(gg)
    square_w = norm_w * norm_w
    return (clip(math.sqrt(square_w / (norm_g * norm_g + h.wd * square_w + 1e-18)), 0.01, 100.0),)


def update(w, g, v, h):
    g = clip(h.rescale_grad * g, -h.clip_gradient, h.clip_gradient) + h.wd * w
    v = h.momentum * v - h.learning_rate * h.mult * g
    return w + v, v


ACCUMULATE = Rule(
    name="accumulate",
    update=accumulate,
    gradient="raw",
)
LARS = Rule(
    name="lbsgd_lars",
    update=update,
    slots=("v",),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "momentum": (0.0, "[0, 1)"),
    },
    gradient="raw",
    reductions=(Reduction(terms, trust, results=("mult",), squares=("ww", "gg")),),
)

RULES = (ACCUMULATE, LARS)
