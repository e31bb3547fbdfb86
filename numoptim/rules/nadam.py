"""Nadam: Adam with Nesterov's momentum.

Source
    Dozat, "Incorporating Nesterov momentum into Adam", ICLR workshop 2016, Algorithm 2, with the
    momentum schedule of Sutskever et al. 2013 as MXNet and torch have it.
    https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ

Update (P is the product of mu over the steps so far, 1 before t = 1)
    mu = beta1*(1 - 0.5*0.96**(t*schedule_decay))
    mu_next = beta1*(1 - 0.5*0.96**((t + 1)*schedule_decay))
    P = P*mu
    m = beta1*m + (1 - beta1)*g
    v = beta2*v + (1 - beta2)*g*g
    m_bar = (1 - mu)*g / (1 - P) + mu_next*m / (1 - P*mu_next)
    w = w - learning_rate*m_bar / (sqrt(v / (1 - beta2**t)) + epsilon)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale, clip and weight decay, read only
    m  (size,) like w   first moment, 0 before t = 1
    v  (size,) like w   second moment, 0 before t = 1
    epsilon  number >= 0     at 0 a weight that has had no gradient becomes 0/0, NaN

Differs from
    MXNet, which multiplies P once per parameter, so that identical parameters diverge; MXNet 1.9.1, which clips
    after adding wd; Keras, whose schedule_decay is 1; optax, whose momentum is constant, as with a schedule_decay of
    1e5 here (0 makes it half of beta1).
    The guide prints a gradient at w + beta1*v: that is no rule over (w, g), and it looks uphill.
"""
import math

from numoptim.rule import Rule, Slot, exp, log, power

LOG = log(0.96)
FAST = 17000.0             # 0.96**FAST is 1e-301, and as far as exp goes
NEGLIGIBLE = 2.0**-60      # a product this small leaves 1 - product as it is; a decay, 1 - 0.5*decay


def prepare(t, h):
    factor = exp(h.schedule_decay * LOG) if h.schedule_decay < FAST else 0.0        # 0.96**schedule_decay
    product, decay, s = 1.0, 1.0, 0
    while s < t and product >= NEGLIGIBLE and decay >= NEGLIGIBLE:     # 53 factors by default
        s += 1
        decay *= factor
        product *= h.beta1 * (1 - 0.5 * decay)
    product *= power(h.beta1, t - s)
    decay = power(factor, t)
    mu = h.beta1 * (1 - 0.5 * decay)
    mu_next = h.beta1 * (1 - 0.5 * decay * factor)
    root = math.sqrt(1 - power(h.beta2, t))
    rate = h.learning_rate * root
    look_g = rate * (1 - mu) / (1 - product)
    look_m = rate * mu_next / (1 - product * mu_next)
    return 1 - h.beta1, 1 - h.beta2, look_g, look_m, h.epsilon * root


def update(w, g, m, v, h):
    m = h.beta1 * m + h.beta1_c * g
    v = h.beta2 * v + h.beta2_c * g * g
    return w - (h.look_g * g + h.look_m * m) / (math.sqrt(v) + h.epsilon_t), m, v


RULE = Rule(
    name="nadam",
    title="Nadam",
    update=update,
    slots=("m", Slot("v", low=0)),
    hyper={
        "learning_rate": (0.001, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.999, "[0, 1)"),
        "epsilon": (1e-8, "(0, inf) or 0"),
        "schedule_decay": (0.004, "[0, inf)"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "look_g", "look_m", "epsilon_t"),
)
