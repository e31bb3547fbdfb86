"""AdEMAMix: Adam with a second, much slower mean of the gradients beside its first moment.

Source
    Pagliardini, Ablin & Grangier, "The AdEMAMix optimizer: better, faster, older", ICLR 2025, Algorithm 1.
    https://arxiv.org/abs/2409.03137

Update (decay decoupled; k is not corrected: it is to fill slowly)
    a = alpha*t / maximum(t, alpha_warmup)
    x = t / maximum(t, beta3_warmup)
    b = minimum(exp(log(beta1)*log(beta3) / ((1 - x)*log(beta3) + x*log(beta1))), beta3)
    m = beta1*m + (1 - beta1)*g
    k = b*k + (1 - b)*g
    v = beta2*v + (1 - beta2)*g*g
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    w = w - learning_rate*wd*w - learning_rate*(m_hat + a*k) / (sqrt(v_hat) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    k  (size,) like w   slow mean of the gradients, 0 before t = 1
    alpha_warmup, beta3_warmup  steps in which a grows from 0 to alpha, b from beta1 to beta3; 0: at once
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    optax, which takes warm-ups as functions of steps counted from 0.
"""
import math

from numoptim.rule import Rule, Slot, exp, log, maximum, power

SHORTEST = 1 / 700         # exp goes no further than to -700: 1e-304


def span(beta):
    """Of how many gradients, about, a mean with this beta is: 1/log(1/beta)."""
    return -1 / log(beta) if beta > 0 else 0.0


def slow_beta(t, h):
    """beta3, to which its warm-up goes from beta1: in steps of the span, which are equal."""
    if t >= h.beta3_warmup:
        return h.beta3
    x = t / h.beta3_warmup
    mixed = (1 - x) * span(h.beta1) + x * span(h.beta3)
    b = exp(-1 / mixed) if mixed > SHORTEST else 0.0
    return b if b < h.beta3 else h.beta3


def prepare(t, h):
    root = math.sqrt(1 - power(h.beta2, t))
    rate = h.learning_rate * root
    b, a = slow_beta(t, h), h.alpha * t / maximum(t, h.alpha_warmup)
    return (1 - h.beta1, 1 - h.beta2, b, 1 - b, h.learning_rate * h.wd, rate / (1 - power(h.beta1, t)), rate * a,
            h.epsilon * root)


def update(w, g, m, v, k, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    k = h.b * k + h.b_c * g
    return w - h.decay * w - (h.rate * m + h.slow_rate * k) / (math.sqrt(v) + h.epsilon_t), m, v, k


RULE = Rule(
    name="ademamix",
    title="AdEMAMix",
    update=update,
    slots=("m", Slot("v", low=0), "k"),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "beta3": (0.9999, "[0, 1)"),
        "alpha": (5.0, "[0, inf)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
        "alpha_warmup": (0, "[0, 1e18]"),
        "beta3_warmup": (0, "[0, 1e18]"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "b", "b_c", "decay", "rate", "slow_rate", "epsilon_t"),
    gradient="clipped",
)
