"""What a Rule's functions do, found out before anything is compiled: they run on numbers that know their type.

Every branch is taken once. What kernels could not do, or would do in double
precision among float32 elements, is one sentence with the line of the rule.
"""
import linecache
import math
import operator
import sys
from collections.abc import Callable, Iterator
from functools import partialmethod
from types import FunctionType, SimpleNamespace
from typing import Any

from . import scalar
from .hyperparameters import nearest
from .retype import rebuilt

LONGEST = 2_000         # decisions on a way through a function: enough
ELEMENT, DOUBLE, INTEGER = "element", "double", "integer"
CALLS = "rules call math.sqrt, math.copysign, abs and the functions of numoptim.rule"
POWER = "** has other bits on other processors: multiply, or call power(x, n) of numoptim.rule"


class Misuse(Exception):
    """What a rule does and may not, in words."""


class Way:
    """One way through a function: what every condition on it decides."""

    def __init__(self) -> None:
        self.forced: tuple[bool, ...] = ()
        self.taken: list[bool] = []
        self.waiting: list[tuple[bool, ...]] = [()]
        self.seen: set[Any] = set()                 # places in code, with what was decided there

    def decide(self, natural: bool) -> bool:
        k = len(self.taken)
        if k > LONGEST:
            raise TimeoutError("it comes to no end")
        place, choice = _place_of_decision(), self.forced[k] if k < len(self.forced) else natural
        self.seen.add((place, choice))
        if (place, not choice) not in self.seen:
            self.seen.add((place, not choice))
            self.waiting.append((*self.taken, not choice))
        self.taken.append(choice)
        return choice

    def all(self, run: Callable[[], Any]) -> Iterator[Any]:
        """What ``run`` returns on the way that its values lead it, then on ways where other branches are taken."""
        while self.waiting:
            self.forced, self.taken = self.waiting.pop(0), []
            try:
                yield run()
            except (UnboundLocalError, TimeoutError, ArithmeticError, LookupError):
                if not self.forced:                 # other ways need not be possible
                    raise


def _place_of_decision() -> Any:
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


class Number:
    """A value with its type: ELEMENT (that of the weights), DOUBLE (float64) or INTEGER (int64)."""

    __array_ufunc__ = None                          # NumPy's functions refuse it

    def __init__(self, value: Any, kind: str, way: Way) -> None:
        self.value, self.kind, self.way = value, kind, way

    def __bool__(self) -> bool:
        return self.way.decide(bool(self.value))

    def __float__(self) -> float:
        if self.kind == ELEMENT:
            raise Misuse(CALLS)
        return float(self.value)

    def __index__(self) -> int:
        if self.kind != INTEGER:
            raise Misuse("a float is no integer here: write int(x)")
        return int(self.value)

    def __int__(self) -> int:
        return int(self.value) if math.isfinite(self.value) else 0

    def __pow__(self, other: Any) -> Any:
        raise Misuse(POWER)

    __rpow__ = __pow__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):                   # Python and NumPy look for what need not be there
            raise AttributeError(name)
        raise Misuse(f"a number has no attribute {name!r}")


def kind_of(value: Any) -> str:
    """The type of a value in a rule; Misuse for what is no number."""
    if isinstance(value, Number):
        return value.kind
    if type(value) not in (bool, int, float):
        raise Misuse(f"{value!r} of type {type(value).__name__} is not a number that kernels have")
    return DOUBLE if isinstance(value, float) else INTEGER


def checked_element(value: Any) -> None:
    """Misuse for a value of another type than the elements'."""
    if kind_of(value) != ELEMENT:
        shown = value.value if isinstance(value, Number) else value
        number = f"the integer {shown}: write it as a float" if kind_of(value) == INTEGER else f"{shown!r}, of float64"
        raise Misuse(f"float32 elements are computed in double precision because of {number}")


def _common(*values: Any) -> str:
    """The type of what is computed from these."""
    kinds = [kind_of(value) for value in values]
    if ELEMENT in kinds:
        for value in values:
            checked_element(value)
        return ELEMENT
    return DOUBLE if DOUBLE in kinds else INTEGER


def _way(*values: Any) -> Way:
    return next(value.way for value in values if isinstance(value, Number))


def _computed(operation: Callable[..., Any], *values: Any, kind: str = "") -> Number:
    """``operation`` of numbers of one type."""
    kind, plain = kind or _common(*values), [v.value if isinstance(v, Number) else v for v in values]
    try:
        value = operation(*plain)
    except (ArithmeticError, ValueError, TypeError):                # as with x / 0, or integers' operations on NaN
        value = math.nan if kind != INTEGER else 0
    return Number(value, kind, _way(*values))


def _computed_of(a: Any, operation: Callable[..., Any]) -> Number:
    return _computed(operation, a)


def _arithmetic(name: str, sign: str) -> None:
    operation = getattr(operator, f"__{name}__")

    def apply(a: Any, b: Any) -> Number:
        kind = _common(a, b)
        if sign not in "+-*/" and kind != INTEGER:
            raise Misuse(f"{sign} of floats is not what every processor has")
        return _computed(operation, a, b, kind=DOUBLE if sign == "/" and kind == INTEGER else kind)

    setattr(Number, f"__{name}__", apply)
    setattr(Number, f"__r{name}__", lambda a, b: apply(b, a))


def _comparison(name: str) -> None:
    operation = getattr(operator, name)

    def compare(a: Any, b: Any) -> Any:
        return a.way.decide(bool(_computed(operation, a, b).value))

    setattr(Number, f"__{name}__", compare)


for _name, _sign in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("floordiv", "//"), ("mod", "%"),
                     ("and", "&"), ("or", "|"), ("xor", "^"), ("lshift", "<<"), ("rshift", ">>")):
    _arithmetic(_name, _sign)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_name)
for _name in ("neg", "pos", "abs"):
    setattr(Number, f"__{_name}__", partialmethod(_computed_of, getattr(operator, _name)))


# --- what rules may call

def _on_elements(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of numbers of one type, which is its result's."""
    def call(*values: Any) -> Any:
        if not any(isinstance(value, Number) for value in values):
            return function(*values)
        kind = _common(*values)
        return _computed(function, *values, kind=DOUBLE if kind == INTEGER else kind)
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
        own = f"numoptim.rule.{name}" if hasattr(scalar, name) else ""
        raise Misuse(f"math.{name} has other bits on other processors{own and ': call ' + own}; {CALLS}")


BUILTINS = (abs, bool, float, int, len, max, min, range)
KNOWN: dict[Any, Callable[..., Any]] = {
    math.sqrt: Maths.sqrt, math.copysign: Maths.copysign, scalar.power: _power,
    **{function: _on_elements(function) for function in
       (scalar.clip, scalar.maximum, scalar.sign, scalar.exp, scalar.log)}}


def _named(constant: Callable[[float], Any] | None) -> Callable[[Any], Any]:
    """What stands for a global of a rule's function."""
    made: dict[Any, Any] = {}

    def named(value: Any) -> Any:
        if value is math:
            return Maths()
        if value in BUILTINS or not callable(value):
            return value
        if value not in made:
            made[value] = (KNOWN[value] if value in KNOWN else rebuilt(value, constant, named)
                           if isinstance(value, FunctionType) else _refused(value))
        return made[value]
    return named


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
    slots, layers = rule.slots, ["norm_a", "norm_b"]
    extra = ["normal" if rule.noisy else "ratio"] * (rule.noisy or rule.layerwise)
    element = ["w", "g", *slots]
    for what, given, wanted in (("prepare", [], rule.derived), ("update", element + extra, ("w", *slots)),
                                ("init", ["w"], slots), ("measure", element, ("a number", "another")),
                                ("trust", layers, ("the ratio",))):
        if getattr(rule, what) is not None:
            _check(rule, what, given, tuple(wanted), what not in ("prepare", "trust"))


def _check(rule: Any, what: str, given: list[str], wanted: tuple[str, ...], elements: bool) -> None:
    way, function = Way(), getattr(rule, what)
    kind = ELEMENT if elements else DOUBLE

    def number(value: float) -> Number:
        return Number(float(value), kind, way)

    known = {key: number(default) if elements or not isinstance(default, int) else Number(int(default), INTEGER, way)
             for key, (default, _) in rule.fields.items()}
    known |= {key: number(0.5) for key in rule.derived} if elements else {}
    arguments = [number(0.5 ** k) for k in range(1, 1 + len(given))]
    arguments += [Number(3, INTEGER, way)] * (what == "prepare")
    constant = number if elements else None
    retyped = rebuilt(function, constant, _named(constant))
    try:
        for result in way.all(lambda: retyped(*arguments, Hyper(**known))):
            _check_result(result, what, wanted, elements)
    except Exception as error:
        words = str(error) if isinstance(error, Misuse) else f"{type(error).__name__}: {error}"
        words += f"; {CALLS}" if isinstance(error, TypeError) else ""
        raise ValueError(f"rule {rule.name!r}: {what}{_place(error)}: {words}") from None


def _check_result(result: Any, what: str, wanted: tuple[str, ...], elements: bool) -> None:
    single = len(wanted) == 1 and what in ("update", "trust")
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
        if code.co_filename != __file__:
            line = linecache.getline(code.co_filename, trace.tb_lineno).strip()
            place = f", {code.co_filename}:{trace.tb_lineno}" + (f" ({line})" if line else "")
        trace = trace.tb_next
    return place
