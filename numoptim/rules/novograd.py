"""NovoGrad: momentum of gradients that are divided by a moving average of their norm, layer by layer.

Source
    Ginsburg et al., "Stochastic gradient methods with layer-wise adaptive moments for training of deep networks",
    2019, Algorithm 1.  https://arxiv.org/abs/1905.11286

Update
    v = norm(g)**2 if t == 1 else beta2*v + (1 - beta2)*norm(g)**2
    m = beta1*m + g / (sqrt(v) + epsilon) + wd*w
    w = w - learning_rate*m

Symbols
    w  (size,) f32|f64  weights of all parameters, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   momentum, 0 before t = 1
    v  (segments,) f64  second moment, a number for each parameter, 0 before t = 1
    norm(x)  number     Euclidean, over one parameter
    epsilon  number >= 0     at 0 a parameter that has had no gradient becomes 0/0, NaN

Differs from
    NVIDIA's implementations: there v is the first squared norm that is not 0, at whatever step that comes.
"""
import math

from numoptim.rule import Reduction, Rule, Slot


def prepare(t, h):
    return 0.0 if t == 1 else h.beta2, 1.0 if t == 1 else 1 - h.beta2


def terms(w, g, m, h):
    return (g,)


def second_moment(gg, h):
    v = h.beta2_t * h.v + h.beta2_c * gg
    return v, 1 / (math.sqrt(v) + h.epsilon)


def update(w, g, m, h):
    m = h.beta1 * m + h.scale * g + h.wd * w
    return w - h.learning_rate * m, m


RULE = Rule(
    name="novograd",
    title="NovoGrad",
    update=update,
    slots=("m", Slot("v", over="segment", low=0)),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "beta1": (0.95, "[0, 1)"),
        "beta2": (0.98, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta2_t", "beta2_c"),
    gradient="clipped",
    reductions=(Reduction(terms, second_moment, results=("v", "scale"), squares=("gg",)),),
)
