"""From plain scalar functions to compiled ones of a given element type. Every jit option stands here."""
import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any, ParamSpec, TypeVar

import numpy as np

from numoptim.rule.retype import rebuilt
from numoptim.rule.typed import line_at

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


def of_elements(rule: str, function: Any, scalar: Any, count: int, constants: Any) -> Any:
    """A rule's function in an element type, compiled: of so many elements and ``constants``, a tuple of such numbers.

    Raises ValueError where Numba cannot compile it, or computes float32 in double precision on any way through it: a
    dry run takes every branch once, but not every two of them together.
    """
    from numba import from_dtype, typeof
    from numba.core.errors import NumbaError, UnsupportedBytecodeError
    made = specialise(function, scalar, inline)
    try:
        made.compile((*[from_dtype(np.dtype(scalar))] * count, typeof(constants)))
    except (NumbaError, UnsupportedBytecodeError) as error:
        reason = next(line for line in str(error).splitlines() if not line.startswith("Failed in"))
        raise ValueError(f"rule {rule!r}: {function.__name__} is not what Numba compiles: {reason}") from error
    place = _widened(made) if scalar is np.float32 else None
    if place:
        raise ValueError(f"rule {rule!r}: {function.__name__}{line_at(*place)}: float32 elements are computed in "
                         "double precision: what is a float here is an integer on another way through the function")
    return made


def _widened(function: Any, given: Any = None) -> tuple[str, int] | None:
    """File and line where a compiled function, or one that it calls, first makes a float64 of a float32.

    given: the types that it is called with, since other rules may call it with others; None: it is this rule's own.
    """
    from numba import float32, float64, types
    from numba.core import ir
    first = function.py_func.__code__.co_firstlineno
    for signature, compiled in function.overloads.items():
        if float64 in signature or given not in (None, signature):          # of the first its caller has made one
            continue
        kinds, blocks = compiled.type_annotation.typemap, compiled.type_annotation.blocks
        assignments = [each for block in blocks.values() for each in block.find_insts(ir.Assign)]
        # Where ways meet, Numba tells no line but the function's own.
        for each in sorted(assignments, key=lambda each: (each.loc.line <= first, each.loc.line)):
            calls = isinstance(each.value, ir.Expr) and each.value.op == "call"
            called = kinds[each.value.func.name] if calls else None
            place = None
            if isinstance(called, types.Dispatcher):
                place = _widened(called.dispatcher, compiled.type_annotation.calltypes[each.value].args)
            used = [kinds[var.name] for var in each.list_vars() if var is not each.target]
            if not place and kinds[each.target.name] == float64 and float32 in used:
                place = each.loc.filename, each.loc.line
            if place:
                return place
    return None
