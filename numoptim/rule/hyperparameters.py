"""Hyper-parameters: their ranges, and the checks and messages made from those."""
import functools
import math
import numbers
import re
from typing import Any, NamedTuple

import numpy as np

INF = math.inf


class Interval(NamedTuple):
    """The values a hyper-parameter may take, written as in a paper: ``[0, 1)``; or ``(0, inf) or 0``, an epsilon's.

    A number must lie in its interval also as the element type rounds it. Within ``[0, inf)`` 1e-46 may become the 0 of
    float32; within ``(0, inf) or 0`` it may not, as 0 stands apart.
    """

    low: float
    high: float
    closed_low: bool
    closed_high: bool
    or_zero: bool

    @classmethod
    @functools.cache
    def parse(cls, text: str) -> "Interval":
        match = re.fullmatch(r"([\[(])\s*(\S+)\s*,\s*(\S+)\s*([\])])( or 0)?", text)
        if match is None:
            raise ValueError(f"interval {text!r}: write it as '[0, 1)', with inf where there is no bound")
        return cls(float(match[2]), float(match[3]), match[1] == "[", match[4] == "]", match[5] is not None)

    def __contains__(self, x: object) -> bool:
        if not isinstance(x, (int, float)):
            return False
        above = self.low <= x if self.closed_low else self.low < x
        below = x <= self.high if self.closed_high else x < self.high
        return (above and below) or (self.or_zero and x == 0)


Hyper = dict[str, tuple[float, str]]
"""Keyword: (default, interval). An int default makes an int64, an infinite one stands for "none"."""

COMMON: Hyper = {
    "wd": (0.0, "[0, inf)"),
    "rescale_grad": (1.0, "(-inf, inf)"),
    "clip_gradient": (INF, "(0, inf]"),
}
COUNT = "[0, 1e18]"     # of steps and of elements: far from where an int64 ends
NOISE: Hyper = {"seed": (0, "(-inf, inf)"), "offset": (0, COUNT)}


def checked_rate(value: Any) -> float:
    """``checked``, of a learning rate."""
    if value.__class__ is float and 0.0 <= value < INF:             # as a schedule gives it in every step
        return float(value)
    return checked("learning_rate", value, 0.01, "[0, inf)")


def checked(key: str, value: Any, default: float, interval: str) -> float:
    """``value`` of a hyper-parameter, None meaning an infinite default: an int where the default is one, else a float.

    0-d arrays, of PyTorch and JAX too, are the number in them. Raises TypeError for what is no number, ValueError for
    NaN, infinity or a number outside ``interval``.
    """
    if value is None and math.isinf(default):
        return default
    value = _scalar(value)
    none = ", or None" if math.isinf(default) else ""
    integer = isinstance(default, int)
    kinds = (numbers.Integral if integer else numbers.Real, np.bool_)
    if not isinstance(value, kinds):
        raise TypeError(f"{key}={value!r}: expected {'an integer' if integer else 'a number'} in {interval}{none}")
    try:
        number: float = int(value) if integer else float(value)   # type: ignore[arg-type]
        float(number)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number not in Interval.parse(interval) or (integer and abs(number) >= 2**63):
        raise ValueError(f"{key}={value!r} is out of range: expected a finite number in {interval}{none}")
    return number


def _scalar(value: Any) -> Any:
    if getattr(value, "shape", None) == () and hasattr(value, "item") and not isinstance(value, np.ma.MaskedArray):
        return value.item()
    return value


def flag(name: str, given: object) -> bool:
    """ValueError for anything but True and False."""
    if not isinstance(given, (bool, np.bool_)):
        raise ValueError(f"{name}={given!r}: expected True or False")
    return bool(given)


def one_of(value: Any, *words: str) -> bool:
    """Whether a value is None or one of the words; arrays do not say so in one word."""
    return value is None or (isinstance(value, str) and value in words)
