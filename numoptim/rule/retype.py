"""A plain function again, with other constants and other globals: how one text computes in several types."""
import builtins
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from opcode import opmap
from types import CodeType, FunctionType
from typing import Any

LOAD_GLOBAL, EXTENDED_ARG = opmap["LOAD_GLOBAL"], opmap["EXTENDED_ARG"]


def globals_of(code: CodeType) -> set[str]:
    """Names that a function's code, and code within it, takes from its module or from Python: no attributes."""
    return set(_global_names(code))


def _global_names(code: CodeType) -> Iterator[str]:
    operations, arguments = code.co_code[::2], code.co_code[1::2]
    k = operations.find(LOAD_GLOBAL)
    while k >= 0:
        high = arguments[k - 1] if k > 0 and operations[k - 1] == EXTENDED_ARG else 0
        yield code.co_names[(high << 8 | arguments[k]) >> 1]
        k = operations.find(LOAD_GLOBAL, k + 1)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


def reached(functions: Iterable[Any]) -> Iterator[FunctionType]:
    """Those of these that are plain functions, and all that they call by their names."""
    waiting, seen = list(functions), set[Any]()
    while waiting:
        function = waiting.pop()
        if isinstance(function, FunctionType) and function not in seen:
            seen.add(function)
            waiting += [function.__globals__.get(name) for name in globals_of(function.__code__)]
            yield function


def parameters(function: Any) -> tuple[str, ...]:
    """Their names. TypeError for what is no plain function of its arguments and of globals."""
    if not isinstance(function, FunctionType):
        raise TypeError(f"a rule is made of plain Python functions, not {function!r}")
    if function.__closure__:
        raise TypeError(f"{function.__qualname__} refers to local variables {function.__code__.co_freevars}: "
                        "rules are functions of their arguments and of module-level constants")
    if function.__code__.co_kwonlyargcount:
        raise TypeError(f"{function.__qualname__} has arguments by name alone, which kernels do not know")
    return function.__code__.co_varnames[:function.__code__.co_argcount]


def rebuilt(function: Any, constant: Callable[[float], Any] | None, named: Callable[[Any], Any]) -> FunctionType:
    """``function`` with its float literals, defaults and float globals passed through ``constant`` (None: left alone).

    ``float`` is ``constant``, too, within it. Other globals, the functions that it calls among them, are what
    ``named`` makes of them. TypeError for what is no plain function of its arguments and of globals.
    """
    parameters(function)

    def retyped(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(retyped, value))
        if isinstance(value, CodeType):
            return value.replace(co_consts=retyped(value.co_consts))
        return constant(value) if constant is not None and isinstance(value, float) else value

    def renamed(value: Any) -> Any:
        new = retyped(value)
        return named(value) if new is value else new

    found = ChainMap(function.__globals__, vars(builtins))
    names = {name: renamed(found[name]) for name in globals_of(function.__code__) if name in found}
    if constant is not None and found["float"] is float:
        names["float"] = constant
    return FunctionType(retyped(function.__code__), {"__builtins__": builtins, **names}, function.__name__,
                        retyped(function.__defaults__))
