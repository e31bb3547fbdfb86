"""What a Rule's functions do, found out before anything is compiled: they run on numbers that know their type.

Every branch is taken once. What kernels could not do, or would do in double precision among float32 elements, is one
sentence with the line of the rule.
"""
import inspect
import math
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from numoptim.face.names import nearest

from . import scalar, typed
from .retype import rebuilt
from .typed import CALLS, DOUBLE, ELEMENT, INTEGER, Misuse, Number, Way, checked_element, common, computed, kind_of

typed.OWN.add(__file__)


# --- what rules may call

def _on_elements(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers of one type, which is its result's."""
    def call(*values: Any, **named: Any) -> Any:
        values = inspect.signature(function).bind(*values, **named).args if named else values
        if not any(isinstance(value, Number) for value in values):
            return function(*values)
        kind = common(*values)
        return computed(function, *values, kind=DOUBLE if kind == INTEGER else kind)
    return call


def _power(b: Any, n: Any) -> Any:
    if kind_of(n) != INTEGER:
        raise Misuse("power(b, n) wants an integer n")
    return _on_elements(lambda b: scalar.power(b, min(int(n), 64)))(b)


class Maths:
    """``math``, as far as rules may use it."""

    sqrt = staticmethod(_on_elements(math.sqrt))
    copysign = staticmethod(_on_elements(math.copysign))

    def __getattr__(self, name: str) -> Any:
        if isinstance(getattr(math, name, None), float):
            raise Misuse(f"math.{name} is of float64: write a constant of the module, {name.upper()} = math.{name}")
        own = f": call {name} of numoptim.rule" if hasattr(scalar, name) else ""
        raise Misuse(f"math.{name} is none of what kernels have{own}; {CALLS}")


class Module:
    """Another module."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> Any:
        raise Misuse(f"{self.name}.{name}, by its module, is none of what kernels have; {CALLS}")


def _integer(x: Any) -> Any:
    if not isinstance(x, Number):
        return int(x)
    return Number(int(x.value) if math.isfinite(x.value) else 0, INTEGER, x.way)


def _float64(x: Any) -> Any:
    if not isinstance(x, Number):
        return float(x)
    return Number(float(x), DOUBLE, x.way)


def _range(*ends: Any) -> Any:
    """range, whose end may be any: its loop is gone through at least once."""
    found = [end for end in ends if isinstance(end, Number)]
    if not found:
        return range(*ends)
    return _counted(found[0].way, range(*(end.__index__() for end in ends)))


def _counted(way: Way, numbers: range) -> Iterator[Number]:
    k = 0
    while way.decide(k < len(numbers)):
        yield Number(numbers[k] if k < len(numbers) else 0, INTEGER, way)
        k += 1


class Raised(Misuse):
    """What a rule raises, in its place."""

    def __str__(self) -> str:
        return "kernels raise nothing"


BUILTINS = (abs, bool, len, max, min)
KNOWN: dict[Any, Callable[..., Any]] = {
    int: _integer, float: _float64, range: _range,
    math.sqrt: Maths.sqrt, math.copysign: Maths.copysign, scalar.power: _power,
    **{function: _on_elements(function) for function in
       (scalar.clip, scalar.maximum, scalar.sign, scalar.exp, scalar.log)}}


def _named(constant: Callable[[float], Any] | None) -> Callable[[Any], Any]:
    """What stands for a global of a rule's function."""
    made: dict[Any, Any] = {}

    def named(value: Any) -> Any:
        if isinstance(value, ModuleType):
            return Maths() if value is math else Module(value.__name__)
        if isinstance(value, type) and issubclass(value, BaseException):
            return Raised
        if not callable(value) or any(value is known for known in BUILTINS):
            return value
        if value not in made:
            made[value] = KNOWN.get(value) or _refused(value)       # a function that calls itself meets this
            if value not in KNOWN and isinstance(value, FunctionType):
                made[value] = _lazily(value, constant, named)
        return made[value]
    return named


def _lazily(function: FunctionType, constant: Any, named: Any) -> Callable[..., Any]:
    """A helper, rebuilt when it is called: errors then come from the line that calls it."""
    made: list[FunctionType] = []
    calls: list[FunctionType] = []

    def call(*values: Any, **more: Any) -> Any:
        if calls:
            raise Misuse(f"{function.__name__} calls itself, which kernels do not")
        if not made:
            try:
                made.append(_checked_code(rebuilt(function, constant, named)))
            except TypeError as error:
                raise Misuse(error) from None
        calls.append(function)
        try:
            return made[0](*values, **more)
        finally:
            calls.pop()
    return call


def _checked_code(function: FunctionType) -> FunctionType:
    if function.__code__.co_exceptiontable:
        raise Misuse("try and with are none of what kernels have")
    return function


def _refused(function: Any) -> Callable[..., Any]:
    def call(*_: Any, **__: Any) -> Any:
        raise Misuse(f"{getattr(function, '__name__', function)} is none of what kernels have: {CALLS}")
    return call


# --- a rule

class Hyper(SimpleNamespace):
    """Hyper-parameters as ``h``."""

    def __getattr__(self, name: str) -> Any:
        raise Misuse(f"there is no hyper-parameter {name!r}{nearest(name, vars(self))}")

    def __setattr__(self, name: str, value: Any) -> None:
        raise Misuse(f"h.{name} cannot be set")


def check(rule: Any) -> None:
    """Run all functions of a Rule; ValueError for what they do wrong, TypeError for what are no plain functions."""
    slots, known, own = rule.slots_over("element"), rule.slots_over("all"), rule.slots_over("segment")
    element = 2 + len(slots)
    if rule.prepare is not None:
        _check(rule, "prepare", rule.prepare, 0, rule.derived, known)
    known += rule.derived
    if rule.init is not None:
        _check(rule, "init", rule.init, 1, slots, known, elements=True)
    for reduction in rule.reductions:
        read = known + own * (reduction.over == "segment")
        _check(rule, "terms", reduction.terms, element, reduction.sums, read, elements=True)
        _check(rule, "finish", reduction.finish, len(reduction.sums), reduction.results, read)
        known += reduction.results
    _check(rule, "update", rule.update, element + rule.noisy, ("w", *slots), known + own, elements=True)


def _check(rule: Any, what: str, function: Any, given: int, wanted: tuple[str, ...], known_besides: tuple[str, ...],
           elements: bool = False) -> None:
    """Run one of its functions of so many numbers, and of hyper-parameters and what is ``known_besides``."""
    way = Way()
    kind = ELEMENT if elements else DOUBLE

    def number(value: Any) -> Number:
        return Number(float(value.value if isinstance(value, Number) else value), kind, way)

    known = {key: number(default) if elements or not isinstance(default, int) else Number(int(default), INTEGER, way)
             for key, (default, _) in rule.fields.items()}
    known |= {key: number(0.5) for key in known_besides}
    arguments = [number(0.5 ** k) for k in range(1, 1 + given)]
    arguments += [Number(3, INTEGER, way)] * (what == "prepare")
    constant = number if elements else None
    retyped = rebuilt(function, constant, _named(constant))
    try:
        _checked_code(retyped)
        for result in way.all(lambda: retyped(*arguments, Hyper(**known))):
            _check_result(result, what, wanted, elements)
    except Exception as error:
        if isinstance(error, AssertionError):
            error = Raised().with_traceback(error.__traceback__)
        words = str(error) if isinstance(error, Misuse) else f"{type(error).__name__}: {error}"
        words += f"; {CALLS}" if isinstance(error, TypeError) else ""
        raise ValueError(f"rule {rule.name!r}: {what}{_place(error)}: {words}") from None


def _check_result(result: Any, what: str, wanted: tuple[str, ...], elements: bool) -> None:
    single = len(wanted) == 1 and what == "update"
    if not single and not isinstance(result, tuple):
        raise Misuse(f"it returns one value; expected a tuple of {len(wanted)}: {', '.join(wanted)}")
    values = (result,) if single else result
    if len(values) != len(wanted):
        raise Misuse(f"it returns {len(values)} values; expected {len(wanted)}: {', '.join(wanted)}")
    for name, value in zip(wanted, values, strict=True):
        try:
            (checked_element if elements else kind_of)(value)
        except Misuse as error:
            raise Misuse(f"of what it returns, {name} is wrong: {error}") from None


def _place(error: BaseException) -> str:
    """The line of a rule that an error comes from, or ""."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename not in typed.OWN:
            place = typed.line_at(code.co_filename, trace.tb_lineno)
        trace = trace.tb_next
    return place
