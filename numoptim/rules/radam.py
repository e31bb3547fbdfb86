"""RAdam: Adam that divides only once its second moment has seen enough gradients, and by less at first.

Source
    Liu et al., "On the variance of the adaptive learning rate and beyond", ICLR 2020, Algorithm 2.
    https://arxiv.org/abs/1908.03265

Update (decay decoupled)
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    m_hat = m / (1 - beta1**t)
    rho_inf = 2/(1 - beta2) - 1
    rho = rho_inf - 2*t*beta2**t / (1 - beta2**t)
    r = sqrt((rho - 4)*(rho - 2)*rho_inf / ((rho_inf - 4)*(rho_inf - 2)*rho)) if rho > 5 else 0
    u = r*m_hat*sqrt(1 - beta2**t) / (sqrt(v) + epsilon) if rho > 5 else m_hat
    w = w - learning_rate*wd*w - learning_rate*u

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    rho  number         of how many gradients v is the simple mean, as it were
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    the paper, which divides where rho > 4; the authors' code, torch and optax: where rho > 5. optax adds epsilon to the
    corrected root, torch to that of v, as here.
"""
import math

from numoptim.rule import INF, Rule, Slot, clip, power


def prepare(t, h):
    left = power(h.beta2, t)
    rho_inf = 2 / (1 - h.beta2) - 1
    rho = rho_inf - 2 * t * left / (1 - left)
    rate = h.learning_rate / (1 - power(h.beta1, t))
    most, floor = 0.0, 1.0                         # divides by 1, whatever v is
    if rho > 5:
        r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        rate *= r * math.sqrt(1 - left)
        most, floor = INF, h.epsilon
    return 1 - h.beta1, 1 - h.beta2, h.learning_rate * h.wd, rate, most, floor


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return w - h.decay * w - h.rate * m / (clip(math.sqrt(v), 0.0, h.most) + h.floor), m, v


RULE = Rule(
    name="radam",
    title="RAdam",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay", "rate", "most", "floor"),
    gradient="clipped",
)
