"""From plain scalar functions to compiled ones of a given element type. Every jit option stands here."""
import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

from numoptim.retype import rebuilt

P = ParamSpec("P")
T = TypeVar("T")

# No fastmath, no contraction: one order of IEEE operations gives the same bits on every processor.
OPTIONS: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "nogil": True}
# What only kernels call needs no face towards Python or C.
INTERNAL: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def inline(function: Callable[..., Any]) -> Any:
    """A function for use inside loops: not inlined, it would keep them from being vectorised."""
    from numba import njit
    return njit(forceinline=True, **INTERNAL, **OPTIONS)(function)


def outline(function: Callable[..., Any]) -> Any:
    """A function that stays one (with intrinsics.apart in it), for use inside others."""
    from numba import njit
    return njit(forceinline=False, **INTERNAL, **OPTIONS)(function)


def cached(function: Callable[P, T]) -> Callable[P, T]:
    """functools.cache for what is compiled, apart where that is not to be optimised for this processor (ir.py)."""
    @functools.cache
    def made(level: int, *given: Any) -> Any:
        return function(*given)                                 # type: ignore[call-arg]

    @functools.wraps(function)
    def kept(*given: P.args, **_: P.kwargs) -> T:
        from numba.core import config
        value: T = made(config.OPT, *given)                     # type: ignore[attr-defined]
        return value
    return kept


@cached
def specialise(function: Any, scalar: Any, wrap: Any) -> Any:
    """``function`` in an element type: ``scalar`` made of its float literals and float globals (None: left alone).

    A bare 1.0 would promote a whole float32 expression to double precision. The Python functions it calls are treated
    alike, and the result passed through ``wrap``.
    """
    def named(value: Any) -> Any:
        return specialise(value, scalar, wrap) if isinstance(value, FunctionType) else value
    return wrap(rebuilt(function, scalar, named))
