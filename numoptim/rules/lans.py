"""LANS: layer-wise adaptive Nesterov steps, of LAMB, for large batches.

Source
    Zheng, Lin, Zha & Li, "Accelerated large batch optimization of BERT pretraining in 54 minutes", 2020,
    Algorithm 2.  https://arxiv.org/abs/2006.13484

Update (s = 1 where norm(g) is 0; a = 1 where norm_w or norm(r) is 0; b = 1 where norm_w or norm(c) is 0)
    s = 1 / norm(g)
    g = s*g
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    root = sqrt(v / (1 - beta2**t)) + epsilon
    r = m / (1 - beta1**t) / root + wd*w
    c = g / root + wd*w
    norm_w = clip(norm(w), lower_bound, upper_bound)
    a = norm_w / norm(r)
    b = norm_w / norm(c)
    w = w - learning_rate*(beta1*a*r + (1 - beta1)*b*c)

Symbols
    w  (size,) f32|f64  weights of all parameters, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment of the normalised gradient, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    norm(x)  number     Euclidean, over one parameter
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN, and all of its parameter

Differs from
    Nothing known; the bounds are LAMB's.
"""
import math

from numoptim.rule import INF, Reduction, Rule, Slot, clip, power


def prepare(t, h):
    root = math.sqrt(1 - power(h.beta2, t))
    return 1 - h.beta1, 1 - h.beta2, root, root / (1 - power(h.beta1, t)), h.epsilon * root


def terms_of_gradient(w, g, m, v, h):
    return (g,)


def scale_of_gradient(gg, h):
    return (1.0 if gg == 0.0 else 1 / math.sqrt(gg),)


def directions(w, g, m, v, h):
    g = h.scale_g * g
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    root = math.sqrt(v) + h.epsilon_t
    return h.scale_m * m / root + h.wd * w, h.root * g / root + h.wd * w, m, v


def terms(w, g, m, v, h):
    r, c, m, v = directions(w, g, m, v, h)
    return w, r, c


def trust(ww, rr, cc, h):
    norm_w, norm_r, norm_c = clip(math.sqrt(ww), h.lower_bound, h.upper_bound), math.sqrt(rr), math.sqrt(cc)
    ratio_r = 1.0 if norm_w == 0.0 or norm_r == 0.0 else norm_w / norm_r
    ratio_c = 1.0 if norm_w == 0.0 or norm_c == 0.0 else norm_w / norm_c
    return h.beta1 * ratio_r, (1 - h.beta1) * ratio_c


def update(w, g, m, v, h):
    r, c, m, v = directions(w, g, m, v, h)
    return w - h.learning_rate * (h.ratio_r * r + h.ratio_c * c), m, v


RULE = Rule(
    name="lans",
    title="LANS",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-6, "(0, inf) or 0"),
        "lower_bound": (-INF, "[-inf, inf)"),
        "upper_bound": (INF, "(0, inf]"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "root", "scale_m", "epsilon_t"),
    gradient="clipped",
    reductions=(
        Reduction(terms_of_gradient, scale_of_gradient, results=("scale_g",), squares=("gg",)),
        Reduction(terms, trust, results=("ratio_r", "ratio_c"), squares=("ww", "rr", "cc")),
    ),
)
