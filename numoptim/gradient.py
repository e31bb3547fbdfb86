"""What every kernel does around a rule, per element: prepare the gradient, store a slot."""
from numoptim.rule import clip


def raw(w, g, h):
    return g


def clipped(w, g, h):
    return clip(h.rescale_grad * g, -h.clip_gradient, h.clip_gradient)


def decayed(w, g, h):
    return clipped(w, g, h) + h.wd * w


def flush(x, tiny):
    """0 for a value below the smallest normal number: subnormal slots would slow every later step 20-fold."""
    return 0.0 if abs(x) < tiny else x
