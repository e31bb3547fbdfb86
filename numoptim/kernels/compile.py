"""From plain scalar functions to compiled ones of a given element type. Every jit option stands here."""
import functools
import linecache
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from numoptim.retype import rebuilt

# No fastmath, no contraction: one order of IEEE operations gives the same bits on every processor.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "nogil": True}
# What only kernels call needs no face towards Python or C.
INTERNAL: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
FLOAT: dict[str, np.dtype[Any]] = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}


def inline(function: Callable[..., Any]) -> Any:
    """A scalar function for use inside loops: not inlined, it would keep them from being vectorised."""
    from numba import njit
    return njit(forceinline=True, **INTERNAL, **OPTIONS)(function)


def callee(function: Callable[..., Any]) -> Any:
    """A function for use inside others: inlined, unless it keeps itself ``shared()`` (intrinsics)."""
    from numba import njit
    return njit(forceinline="shared" not in function.__code__.co_names, **INTERNAL, **OPTIONS)(function)


@functools.cache
def specialise(function: Any, scalar: Any, wrap: Any) -> Any:
    """``function`` in an element type: ``scalar`` made of its float literals and float globals (None: left alone).

    A bare 1.0 would promote a whole float32 expression to double precision. The Python functions it calls are treated
    alike, and the result passed through ``wrap``.
    """
    def named(value: Any) -> Any:
        return specialise(value, scalar, wrap) if isinstance(value, FunctionType) else value
    return wrap(rebuilt(function, scalar, named))


def define(name: str, text: str, names: dict[str, Any]) -> None:
    """Execute generated definitions so that tracebacks and ``inspect`` show its source."""
    file = f"<numoptim {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), names)
