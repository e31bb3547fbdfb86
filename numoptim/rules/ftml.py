"""FTML: follow the moving leader.

Source
    Zheng & Kwok, "Follow the moving leader in deep learning", ICML 2017, Algorithm 1.
    https://proceedings.mlr.press/v70/zheng17a.html

Update
    v = beta2*v + (1 - beta2)*g*g
    d_old = d
    d = (1 - beta1**t) / learning_rate * (sqrt(v / (1 - beta2**t)) + epsilon)
    z = beta1*z + (1 - beta1)*g - (d - beta1*d_old)*w
    w = -z / d

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    d  (size,) like w   denominator, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    z  (size,) like w   0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    MXNet 1.9.1, which clips after adding wd. A step with learning_rate 0 changes nothing, nor does one
    below 2.5e-32 (f32) or 2.5e-293 (f64), whose reciprocal leaves no room for d and z.
"""
import math

from numoptim.rule import Rule, Slot, power


def prepare(t, h):
    scale = (1 - power(h.beta1, t)) / h.learning_rate
    return 1 - h.beta1, 1 - h.beta2, scale / math.sqrt(1 - power(h.beta2, t)), scale * h.epsilon


def update(w, g, d, v, z, h):
    v = h.beta2 * v + h.beta2_c * g * g
    d_new = h.scale * math.sqrt(v) + h.epsilon_t
    z = h.beta1 * z + h.beta1_c * g - (d_new - h.beta1 * d) * w
    return -z / d_new, d_new, v, z


RULE = Rule(
    name="ftml",
    title="FTML",
    update=update,
    slots=(Slot("d", low=0), Slot("v", low=0), "z"),
    hyper={
        "learning_rate": (0.0025, "[0, inf)"),
        "beta1": (0.6, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "scale", "epsilon_t"),
    needs_rate=True,
)
