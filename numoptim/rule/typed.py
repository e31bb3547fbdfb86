"""Numbers that know their type, and the ways through a function of them: what a Rule's dry run computes with."""
import linecache
import math
import operator
import sys
from collections.abc import Callable, Iterator
from functools import partialmethod
from typing import Any

LONGEST = 20_000        # decisions on a way through a function: enough
ELEMENT, DOUBLE, INTEGER = "element", "double", "integer"
CALLS = "rules call math.sqrt, math.copysign, abs and functions imported from numoptim.rule"
POWER = "** has other bits on other processors: multiply, or call power(x, n) of numoptim.rule"
OWN = {__file__}        # files whose frames are no rule's


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
            raise TimeoutError(f"more than {LONGEST:,} decisions, it comes to no end")
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
    while frame.f_code.co_filename in OWN and frame.f_back is not None:
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


class Number:
    """A value with its type: ELEMENT (that of the weights), DOUBLE (float64) or INTEGER (int64)."""

    __slots__ = "kind", "value", "way"
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

    def __pow__(self, other: Any) -> Any:
        raise Misuse(POWER)

    __rpow__ = __pow__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):                   # Python and NumPy look for what need not be there
            raise AttributeError(name)
        raise Misuse(f"a number has no attribute {name!r}")


def line_at(file: str, line: int) -> str:
    """Where in a rule something stands, for a message."""
    text = linecache.getline(file, line).strip()
    return f", {file}:{line}" + (f" ({text})" if text else "")


def kind_of(value: Any) -> str:
    """The type of a value in a rule; Misuse for what is no number."""
    if type(value) is Number:
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


def common(*values: Any) -> str:
    """The type of what is computed from these."""
    kinds = set(map(kind_of, values))
    if len(kinds) == 1:
        return kinds.pop()
    if ELEMENT in kinds:
        for value in values:
            checked_element(value)
    return DOUBLE


def computed(operation: Callable[..., Any], *values: Any, kind: str = "") -> Number:
    """``operation`` of numbers of one type."""
    kind = kind or common(*values)
    ways = [each.way for each in values if type(each) is Number]
    try:
        value = operation(*[each.value if type(each) is Number else each for each in values])
    except (ArithmeticError, ValueError, TypeError):                # as with x / 0, or integers' operations on NaN
        value = math.nan if kind != INTEGER else 0
    return Number(value, kind, ways[0])


def _of_one(a: Any, operation: Callable[..., Any]) -> Number:
    return computed(operation, a)


def _arithmetic(name: str, sign: str) -> None:
    operation = getattr(operator, f"__{name}__")

    def apply(a: Any, b: Any) -> Number:
        kind = common(a, b)
        if sign not in "+-*/" and kind != INTEGER:
            raise Misuse(f"{sign} of floats is not what every processor has")
        return computed(operation, a, b, kind=DOUBLE if sign == "/" and kind == INTEGER else kind)

    setattr(Number, f"__{name}__", apply)
    setattr(Number, f"__r{name}__", lambda a, b: apply(b, a))


def _comparison(name: str) -> None:
    operation = getattr(operator, name)

    def compare(a: Any, b: Any) -> Any:
        return a.way.decide(bool(computed(operation, a, b).value))

    setattr(Number, f"__{name}__", compare)


for _name, _sign in (("add", "+"), ("sub", "-"), ("mul", "*"), ("truediv", "/"), ("floordiv", "//"), ("mod", "%"),
                     ("and", "&"), ("or", "|"), ("xor", "^"), ("lshift", "<<"), ("rshift", ">>")):
    _arithmetic(_name, _sign)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    _comparison(_name)
for _name in ("neg", "pos", "abs"):
    setattr(Number, f"__{_name}__", partialmethod(_of_one, getattr(operator, _name)))
