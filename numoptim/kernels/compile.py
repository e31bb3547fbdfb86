"""From plain scalar functions to compiled ones of a given element type. Every jit option stands here."""
import builtins
import functools
import linecache
import math
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

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
def specialise(function: Any, scalar: Any, wrap: Any, maths: Any = math) -> Any:
    """``function`` with its float literals and float globals turned into ``scalar`` (None: left alone).

    A bare 1.0 would promote a whole float32 expression to double precision. The Python functions it
    calls are treated alike, ``math`` is replaced by ``maths``, and the result passed through ``wrap``.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"a rule is made of plain Python functions, not {function!r}")
    if function.__closure__:
        raise TypeError(f"{function.__qualname__} refers to local variables {function.__code__.co_freevars}: "
                        "rules are functions of their arguments and of module-level constants")

    def retype(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(retype, value))
        return scalar(value) if scalar is not None and isinstance(value, float) else value

    code = function.__code__
    code = code.replace(co_consts=tuple(map(retype, code.co_consts)))
    names = {name: (specialise(value, scalar, wrap, maths) if isinstance(value, FunctionType)
                    else maths if value is math else retype(value))
             for name, value in function.__globals__.items() if name in code.co_names}
    return wrap(FunctionType(code, {"__builtins__": builtins, **names}, function.__name__))


def define(name: str, text: str, names: dict[str, Any]) -> None:
    """Execute generated definitions so that tracebacks and ``inspect`` show its source."""
    file = f"<numoptim {name}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), names)
