"""Functions of a number, or of each of an array with the same bits: NumPy's where those are exact, else libm's."""
import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

Updates = Any           # an update number, or an array of some that follow one another
Rates = Any             # a number, or an array with one for each


def _each(function: Callable[..., float]) -> Callable[..., Rates]:
    def of_each(*given: Any) -> Rates:
        if not any(isinstance(x, np.ndarray) for x in given):
            return function(*given)
        columns = [x.tolist() if isinstance(x, np.ndarray) else itertools.repeat(x) for x in given]
        return np.fromiter(map(function, *columns), float)
    return of_each


cos, power, sqrt = _each(math.cos), _each(operator.pow), _each(math.sqrt)


def at_least(x: Any, bound: float) -> Any:
    return np.maximum(x, bound) if isinstance(x, np.ndarray) else max(x, bound)


def at_most(x: Any, bound: float) -> Any:
    return np.minimum(x, bound) if isinstance(x, np.ndarray) else min(x, bound)


def where(condition: Any, a: Any, b: Any) -> Any:
    if isinstance(condition, np.ndarray):
        return np.where(condition, a, b)
    return a if condition else b
