"""Ftrl: follow the (proximally) regularised leader, for sparse online learning.

Source
    McMahan et al., "Ad click prediction: a view from the trenches", KDD 2013, Algorithm 1 with
    alpha = learning_rate, lambda1 = lamda1, lambda2 = wd.  https://doi.org/10.1145/2487575.2488200

Update
    sigma = (sqrt(n + g*g) - sqrt(n)) / learning_rate
    z = z + g - sigma*w
    n = n + g*g
    w = -sign(z)*maximum(abs(z) - lamda1, 0) / ((beta + sqrt(n)) / learning_rate + wd)

Symbols
    w  (size,) f32|f64  weights, in/out; exactly 0 where abs(z) <= lamda1
    g  (size,) like w   gradient after rescale and clip, read only
    z  (size,) like w   0 before t = 1: the first step forgets w; a warm start keeps it
    n  (size,) like w   sum of squared gradients, 0 or initial before t = 1
    beta  number >= 0   at 0 (and wd = 0) a weight that has had no gradient is 0, not 0/0

Differs from
    the guide, which prints z without the gradient and with the other sign: that never moves from 0.
    A step with learning_rate 0 changes nothing, nor does one below 2.5e-32 (f32) or 2.5e-293 (f64), whose
    reciprocal leaves no room for z.
"""
import math

from numoptim.rule import INF, Rule, Slot, clip, sign


def init(w, h):
    """The warm start: slots for which the next w is the present one."""
    return -w * (h.beta / h.learning_rate + h.wd) - h.lamda1 * sign(w), 0.0


def prepare(t, h):
    return (1 / h.learning_rate,)


def update(w, g, z, n, h):
    n_new = n + g * g
    root = math.sqrt(n_new)
    z = z + g - (root - math.sqrt(n)) * h.rate_inverse * w
    shrunk = clip(abs(z) - h.lamda1, 0.0, INF)
    denominator = (h.beta + root) * h.rate_inverse + h.wd
    w = math.copysign(shrunk, -z) / denominator
    return 0.0 if denominator == 0.0 else w, z, n_new


RULE = Rule(
    name="ftrl",
    update=update,
    slots=("z", Slot("n", low=0)),
    hyper={
        "learning_rate": (0.1, "[0, inf)"),
        "lamda1": (0.01, "[0, inf)"),
        "beta": (1.0, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("rate_inverse",),
    gradient="clipped",
    init=init,
    needs_rate=True,
)
