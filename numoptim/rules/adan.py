"""Adan: adaptive Nesterov momentum, with the differences of successive gradients as a third moment.

Source
    Xie, Zhou, Li, Lin & Yan, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models",
    IEEE TPAMI 46, 2024, Algorithm 1, whose betas are 1 minus these, with bias corrections as the authors' code has
    them.  https://arxiv.org/abs/2208.06677

Update
    d = 0*g if t == 1 else g - g_before
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*d
    n = beta3*n + (1 - beta3)*(g + beta2*d)**2
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    n_hat = n / (1 - beta3**t)
    w = (w - learning_rate*(m_hat + beta2*v_hat) / (sqrt(n_hat) + epsilon)) / (1 + learning_rate*wd)
    g_before = g

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   mean of gradients, 0 before t = 1
    v  (size,) like w   mean of their differences, 0 before t = 1
    n  (size,) like w   second moment of the look-ahead gradient, 0 before t = 1
    g_before  (size,) like w   the gradient of the step before, 0 before t = 1
    epsilon  number >= 0       at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    optax, which multiplies d and v_hat by 1 - beta2 where the paper has (in these betas) beta2, adds 1e-8 inside the
    root, too, and subtracts the decay.
"""
import math

from numoptim.rule import Rule, Slot, power


def prepare(t, h):
    root = math.sqrt(1 - power(h.beta3, t))
    rate_m = h.learning_rate * root / (1 - power(h.beta1, t))
    rate_v = h.learning_rate * root * h.beta2 / (1 - power(h.beta2, t))
    later = 0.0 if t == 1 else 1.0                 # there is no gradient before the first, so no difference
    decay = h.learning_rate * h.wd / (1 + h.learning_rate * h.wd)
    return 1 - h.beta1, later * (1 - h.beta2), 1 - h.beta3, later * h.beta2, rate_m, rate_v, h.epsilon * root, decay


def update(w, g, m, v, n, g_before, h):
    d = g - g_before
    ahead = g + h.look * d
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * d
    n = h.beta3 * n + h.beta3_c * ahead * ahead
    w = w - (h.rate_m * m + h.rate_v * v) / (math.sqrt(n) + h.epsilon_t)
    return w - h.decay * w, m, v, n, g


RULE = Rule(
    name="adan",
    title="Adan",
    update=update,
    slots=("m", "v", Slot("n", low=0), "g_before"),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.98, "[0, 1)"),
        "beta2": (0.92, "[0, 1)"),
        "beta3": (0.99, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "beta3_c", "look", "rate_m", "rate_v", "epsilon_t", "decay"),
    gradient="clipped",
)
