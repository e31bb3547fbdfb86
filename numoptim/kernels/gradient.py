"""What every kernel does around a rule, per element: prepare the gradient, store a slot."""
from typing import Any

from numoptim.rule import clip


def raw(w: float, g: float, h: Any) -> float:
    return g


def clipped(w: float, g: float, h: Any) -> float:
    return clip(h.rescale_grad * g, -h.clip_gradient, h.clip_gradient)


def decayed(w: float, g: float, h: Any) -> float:
    g = clipped(w, g, h) + h.wd * w
    return g


def flush(x: float, tiny: float) -> float:
    """0 for a value below the smallest normal number: subnormal slots would slow every later step 20-fold."""
    return 0.0 if abs(x) < tiny else x
