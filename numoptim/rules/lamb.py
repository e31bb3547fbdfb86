"""LAMB: layer-wise adaptive moments for large batches.

Source
    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", ICLR 2020,
    Algorithm 2.  https://arxiv.org/abs/1904.00962

Update (norm: over one parameter; c1 = c2 = 1 without bias_correction; r = 1 where norm_w or norm(u) is 0)
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    c1, c2 = (1 - beta1**t, 1 - beta2**t) if bias_correction else (1.0, 1.0)
    u = m / c1 / (sqrt(v / c2) + epsilon) + wd*w
    norm_w = clip(norm(w), lower_bound, upper_bound)
    r = norm_w / norm(u)
    w = w - learning_rate*r*u

Symbols
    w  (size,) f32|f64  weights of all parameters, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN, and all of its parameter

Differs from
    torch-optimizer's LAMB, which has no bias correction and clips norm(w) at 10.
"""
import math

from numoptim.rule import INF, Reduction, Rule, Slot, clip, power


def prepare(t, h):
    root, scale = 1.0, 1.0
    if h.bias_correction != 0:
        root = math.sqrt(1 - power(h.beta2, t))
        scale = root / (1 - power(h.beta1, t))
    return 1 - h.beta1, 1 - h.beta2, scale, h.epsilon * root


def direction(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return h.scale * m / (math.sqrt(v) + h.epsilon_t) + h.wd * w, m, v


def terms(w, g, m, v, h):
    u, m, v = direction(w, g, m, v, h)
    return w, u


def trust(ww, uu, h):
    norm_w, norm_u = clip(math.sqrt(ww), h.lower_bound, h.upper_bound), math.sqrt(uu)
    if norm_w == 0.0 or norm_u == 0.0:
        return (1.0,)
    return (norm_w / norm_u,)


def update(w, g, m, v, h):
    u, m, v = direction(w, g, m, v, h)
    return w - h.learning_rate * h.r * u, m, v


RULE = Rule(
    name="lamb",
    title="LAMB",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-6, "(0, inf) or 0"),
        "lower_bound": (-INF, "[-inf, inf)"),
        "upper_bound": (INF, "(0, inf]"),
        "bias_correction": (True, "[0, 1]"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "scale", "epsilon_t"),
    gradient="clipped",
    reductions=(Reduction(terms, trust, results=("r",), squares=("ww", "uu")),),
)
