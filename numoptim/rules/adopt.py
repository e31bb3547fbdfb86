"""ADOPT: Adam whose second moment leaves the present gradient out, so that it converges with any beta2.

Source
    Taniguchi et al., "ADOPT: modified Adam can converge with any beta2 with the optimal rate", NeurIPS 2024,
    Algorithm 2 (of the second version, which clips).  https://arxiv.org/abs/2411.02853

Update (the first step sets v alone)
    c = (t - 1)**0.25
    m = 0*g if t == 1 else beta1*m + (1 - beta1)*clip(g / maximum(sqrt(v), epsilon), -c, c)
    w = w if t == 1 else w - learning_rate*wd*w - learning_rate*m
    v = g*g if t == 1 else beta2*v + (1 - beta2)*g*g

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   mean of clipped, scaled gradients, 0 before t = 1
    v  (size,) like w   second moment of the steps before, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    the paper's first version, which does not clip; optax, which has no wd there.
"""
import math

from numoptim.rule import Rule, Slot, clip, maximum


def prepare(t, h):
    bound = float(t - 1)
    for _ in range(2):                             # one root in the code: on a GPU two take registers from the elements
        bound = math.sqrt(bound)
    if t == 1:                                     # m stays 0 by the bound, and w as it is
        return 1 - h.beta1, bound, 1.0, 0.0, 0.0, 1.0
    return 1 - h.beta1, bound, h.epsilon, h.learning_rate * h.wd, h.beta2, 1 - h.beta2


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * clip(g / maximum(math.sqrt(v), h.floor), -h.bound, h.bound)
    return w - h.decay * w - h.learning_rate * m, m, h.beta2_t * v + h.beta2_c * g * g


RULE = Rule(
    name="adopt",
    title="ADOPT",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.9999, "[0, 1)"),
        "epsilon": (1e-6, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "bound", "floor", "decay", "beta2_t", "beta2_c"),
    gradient="clipped",
)
