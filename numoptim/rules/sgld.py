"""SGLD: stochastic gradient Langevin dynamics, a sampler.

Source
    Welling & Teh, "Bayesian learning via stochastic gradient Langevin dynamics", ICML 2011, eq. 4.
    https://www.stats.ox.ac.uk/~teh/research/compstats/WelTeh2011a.pdf
    (The guide cites Patterson & Teh 2013, which is the Riemannian variant.)

Update (normal: a standard normal number per element, a function of seed, t and offset + element alone)
    g = n_data*g + wd*w
    w = w - learning_rate/2*g + sqrt(learning_rate*temperature)*normal

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only; n_data scales a mini-batch mean to
                        the sum over the data that a posterior needs

Differs from
    MXNet, whose noise depends on how often the generator was called before.
"""
import math

from numoptim.rule import Rule


def prepare(t, h):
    return 0.5 * h.learning_rate, math.sqrt(h.learning_rate * h.temperature)


def update(w, g, normal, h):
    g = h.n_data * g + h.wd * w
    return w - h.half_rate * g + h.spread * normal


RULE = Rule(
    name="sgld",
    title="SGLD",
    update=update,
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "n_data": (1.0, "(0, inf)"),
        "temperature": (1.0, "[0, inf)"),
    },
    prepare=prepare,
    derived=("half_rate", "spread"),
    gradient="clipped",
    noisy=True,
)
