"""Prodigy: Adam that finds its learning rate: it estimates how far the weights are from where they should be.

Source
    Mishchenko & Defazio, "Prodigy: an expeditiously adaptive parameter-free learner", ICML 2024, Algorithm 4, with the
    bias correction of Adam, as the authors' code has it by ``use_bias_correction=True``.
    https://arxiv.org/abs/2306.06101

Update (sum: over all weights that the step changes)
    d = maximum(d, d0)
    rate = d*learning_rate*sqrt(1 - beta2**t)/(1 - beta1**t)
    s_rate = d if safeguard_warmup else rate
    q = sqrt(beta2)*q + d/d0*rate*sum(g*(w0 - w))
    m = beta1*m + (1 - beta1)*d*g
    v = beta2*v + (1 - beta2)*(d*g)**2
    s = sqrt(beta2)*s + s_rate*d/d0*g
    w = w - lr_mult*rate*(wd*w + m/(sqrt(v) + d*epsilon))
    d = maximum(d, d_coef*q/sum(abs(s))) if sum(abs(s)) > 0 else d

Symbols
    w   (size,) f32|f64  weights of all parameters, in/out
    g   (size,) like w   gradient after rescale and clip, read only
    m   (size,) like w   first moment, 0 before t = 1
    v   (size,) like w   second moment, 0 before t = 1
    s   (size,) like w   weighted sum of gradients, 0 before t = 1
    w0  (size,) like w   the weights before t = 1
    d   (1,) f64         estimate of the distance, the same for all; 0 before t = 1, which is taken for d0
    q   (1,) f64         its numerator, 0 before t = 1
    learning_rate  number >= 0   before multipliers, a factor of d: leave it at 1, or let a schedule end at 0
    lr_mult        number >= 0   the parameter's own factor, which the estimate does not heed
    safeguard_warmup             True where a warm-up of the rate begins near 0

With ``optimizer.update`` each array is all, and has a d of its own.

Differs from
    The authors' code, which by default corrects no bias; it and optax take the new d beside epsilon; optax becomes NaN
    where all of the first gradient is 0, here d stays as it is.
"""
import math

from numoptim.rule import Reduction, Rule, Slot, maximum, power


def prepare(t, h):
    d = maximum(h.d, h.d0)
    rate = d * h.learning_rate * math.sqrt(1 - power(h.beta2, t)) / (1 - power(h.beta1, t))
    s_rate = d if h.safeguard_warmup != 0 else rate
    return (d, d / h.d0 * rate, math.sqrt(h.beta2), s_rate * d / h.d0, (1 - h.beta1) * d, 1 - h.beta2, d * h.epsilon,
            h.lr_mult * rate)


def terms(w, g, m, v, s, w0, h):
    return g * (w0 - w), abs(h.beta_s * s + h.scale_s * g)


def distance(gw, ss, h):
    q = h.beta_s * h.q + h.scale_q * gw
    return maximum(h.d_t, h.d_coef * q / ss) if ss > 0 else h.d_t, q


def update(w, g, m, v, s, w0, h):
    dg = h.d_t * g
    m = h.beta1 * m + h.scale_m * g
    v = h.beta2 * v + h.beta2_c * (dg * dg)
    s = h.beta_s * s + h.scale_s * g
    return w - h.step * (h.wd * w + m / (math.sqrt(v) + h.epsilon_d)), m, v, s, w0


def init(w, h):
    return 0.0, 0.0, 0.0, w


RULE = Rule(
    name="prodigy",
    title="Prodigy",
    update=update,
    slots=("m", Slot("v", low=0), "s", "w0", Slot("d", over="all", low=0), Slot("q", over="all")),
    hyper={
        "learning_rate": (1.0, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
        "d0": (1e-6, "(0, inf)"),
        "d_coef": (1.0, "(0, inf)"),
        "safeguard_warmup": (False, "[0, 1]"),
        "lr_mult": (1.0, "[0, inf)"),
    },
    prepare=prepare,
    derived=("d_t", "scale_q", "beta_s", "scale_s", "scale_m", "beta2_c", "epsilon_d", "step"),
    gradient="clipped",
    init=init,
    reductions=(Reduction(terms, distance, results=("d", "q"), values=("gw", "ss"), over="all"),),
)
