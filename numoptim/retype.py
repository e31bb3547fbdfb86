"""A plain function again, with other constants and other globals: how one text computes in several types."""
import builtins
from collections.abc import Callable
from types import FunctionType
from typing import Any


def rebuilt(function: Any, constant: Callable[[float], Any] | None, named: Callable[[Any], Any]) -> FunctionType:
    """``function`` with its float literals, defaults and float globals passed through ``constant`` (None: left alone).

    ``float`` is ``constant``, too, within it. Other globals, the functions that it calls among them, are what
    ``named`` makes of them. TypeError for what is no plain function of its arguments and of globals.
    """
    if not isinstance(function, FunctionType):
        raise TypeError(f"a rule is made of plain Python functions, not {function!r}")
    if function.__closure__:
        raise TypeError(f"{function.__qualname__} refers to local variables {function.__code__.co_freevars}: "
                        "rules are functions of their arguments and of module-level constants")

    def retyped(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(retyped, value))
        return constant(value) if constant is not None and isinstance(value, float) else value

    def renamed(value: Any) -> Any:
        new = retyped(value)
        return named(value) if new is value else new

    code, known = function.__code__, {**vars(builtins), **function.__globals__}
    names = {name: renamed(known[name]) for name in code.co_names if name in known}
    if constant is not None and names.get("float") is float:
        names["float"] = constant
    return FunctionType(code.replace(co_consts=retyped(code.co_consts)), {"__builtins__": builtins, **names},
                        function.__name__, retyped(function.__defaults__))
