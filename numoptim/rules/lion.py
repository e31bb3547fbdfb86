"""Lion: steps along the sign of a momentum that looks ahead to the gradient.

Source
    Chen et al., "Symbolic discovery of optimization algorithms", NeurIPS 2023, Algorithm 2.
    https://arxiv.org/abs/2302.06675

Update (decay decoupled)
    u = sign(beta1*m + (1 - beta1)*g)
    m = beta2*m + (1 - beta2)*g
    w = w - learning_rate*wd*w - learning_rate*u

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   running mean of g, 0 before t = 1

Differs from
    DeepSpeed's for the processor, which takes a sign of 0 as 1 or -1, so that weights without gradients drift.
"""
from numoptim.rule import Rule, sign


def prepare(t, h):
    return 1 - h.beta1, 1 - h.beta2, h.learning_rate * h.wd


def update(w, g, m, h):
    u = sign(h.beta1 * m + h.beta1_c * g)
    m = h.beta2 * m + h.beta2_c * g
    return w - h.decay * w - h.learning_rate * u, m


RULE = Rule(
    name="lion",
    title="Lion",
    update=update,
    slots=("m",),
    hyper={
        "learning_rate": (1e-4, "[0, inf)"),
        "beta1": (0.9, "[0, 1)"),
        "beta2": (0.99, "[0, 1)"),
    },
    prepare=prepare,
    derived=("beta1_c", "beta2_c", "decay"),
    gradient="clipped",
)
