"""Rprop: steps whose sizes grow where the gradient keeps its sign and shrink where it turns.

Source
    Riedmiller & Braun, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm", ICNN 1993,
    https://doi.org/10.1109/ICNN.1993.298623, in the form iRprop- of Igel & Huesken, "Empirical evaluation of the
    improved Rprop learning algorithms", Neurocomputing 50, 2003.  https://doi.org/10.1016/S0925-2312(01)00700-7

Update
    k = sign(g)*sign(g_before)
    s = where(k > 0, minimum(eta_plus*s, max_step), where(k < 0, maximum(eta_minus*s, min_step), s))
    g = where(k < 0, 0, g)
    w = w - s*sign(g)
    g_before = g

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient over all of the data, after rescale and clip: signs of mini-batches turn by chance
    s  (size,) like w   size of the step, learning_rate before t = 1
    g_before  (size,) like w   the gradient of the step before, 0 where that turned and before t = 1

Differs from
    torch, which brings learning_rate between min_step and max_step, too, and finds k by a product that small gradients
    make 0; optax, which makes a step only when the next gradient has come, and has not turned.
    A step with learning_rate 0 changes nothing; else that, times lr_mult, is the first size alone: schedules are
    refused, and lr_mult has no effect on sizes that there are, but that of 0, which freezes.
"""
from numoptim.rule import Rule, Slot, clip, maximum, sign


def init(w, h):
    return h.learning_rate, 0.0


def update(w, g, s, g_before, h):
    to = sign(g)
    k = to * g_before
    longer, shorter = clip(h.eta_plus * s, 0.0, h.max_step), maximum(h.eta_minus * s, h.min_step)
    s = longer if k > 0.0 else shorter if k < 0.0 else s
    return w - s * (0.0 if k < 0.0 else to), s, 0.0 if k < 0.0 else g


RULE = Rule(
    name="rprop",
    update=update,
    slots=(Slot("s", low=0), "g_before"),
    hyper={
        "learning_rate": (0.01, "[0, inf)"),
        "eta_minus": (0.5, "[0, 1]"),
        "eta_plus": (1.2, "[1, inf)"),
        "min_step": (1e-6, "[0, inf)"),
        "max_step": (50.0, "[0, inf)"),
    },
    init=init,
    needs_rate=True,
)
