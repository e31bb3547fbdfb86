"""Rule: the scalar mathematics of one update.

A rule is plain Python over single numbers. It knows no arrays, dtypes, devices or options: kernels
apply it to every element of flat buffers, and check, prepare and document it from the fields below.
"""
import inspect
import keyword
import os
import re
import sys
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, Self, get_args

from . import dry_run
from .hyperparameters import COMMON, INF, NOISE, Hyper, Interval, checked
from .retype import parameters
from .scalar import clip, exp, log, maximum, power, sign

__all__ = ["INF", "Reduction", "Rule", "Slot", "clip", "exp", "log", "maximum", "power", "sign"]


MOST_SLOTS = 6          # a plan has room for weights, gradients and these
Scope = Literal["element", "segment", "all"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


def _as_tuple(key: str, value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"{key}={value!r}: expected a tuple")
    return tuple(value)


class Slot(str):
    """The name of a slot, which also knows how many numbers there are of it, and which.

    over: "element", one for each weight, of its type; "segment", one for each parameter; or "all", one for all that a
        step changes together. Those of the latter two are float64, and read as ``h.<name>``. Their new value is what
        a reduction of the same scope, or ``prepare`` for one over all, gives under their name: where that has been
        computed it is what ``h`` has, before and in there it is what the latest step left.
    low: the least value that the rule gives it, which tests and readers rely on; nothing looks after it.
    start: its value before the first step, where the rule has no ``init`` that says it.

    Raises TypeError for a name that is no string and for what is no number, ValueError for another scope, and for a
    start below ``low`` or without end.
    """

    over: Scope
    low: float
    start: float

    def __new__(cls, name: str, over: Scope = "element", low: float = -INF, start: float = 0.0) -> Self:
        if type(name) is not str:
            raise TypeError(f"a slot's name is a string, not {name!r}")
        if type(over) is not str or over not in SCOPES:
            raise ValueError(f"slot {name!r} is over {' or '.join(map(repr, SCOPES))}, not {over!r}")
        slot = super().__new__(cls, name)
        unbounded = isinstance(low, float) and low == -INF
        slot.over, slot.low = over, -INF if unbounded else checked("low", low, 0.0, "(-inf, inf)")
        slot.start = checked("start", start, 0.0, f"[{slot.low}, inf)")
        return slot

    def __repr__(self) -> str:
        given = {"over": (self.over, "element"), "low": (self.low, -INF), "start": (self.start, 0.0)}
        more = [f"{key}={value!r}" for key, (value, usual) in given.items() if value != usual]
        return f"Slot({', '.join([super().__repr__(), *more])})" if more else super().__repr__()


@dataclass(frozen=True)
class Reduction:
    """Sums over elements that a rule needs before it updates them, and what it makes of them.

    terms: ``terms(w, g, *slots, h) -> (number, ...)`` for one element: those of ``values``, then of ``squares``.
    finish: ``finish(*sums, h) -> (result, ...)``, float64, of the sums by their names, and of all that is known of the
        step by then: hyper-parameters, what ``prepare`` derived, results of the reductions before, slots of its scope.
    results: names of what it returns; ``update`` and the reductions behind read them as ``h.<name>``. One that is a
        slot's is the slot's new value.
    values, squares: names of the sums of numbers as they are, and of their squares. Both are taken in float64.
    over: "segment", sums of one parameter each; or "all", of every parameter that a step changes: all of a Trainer's,
        the one of ``optimizer.update``. Those over all come first; what they give is one number for all, by the
        hyper-parameters of the first parameter that is not frozen.
    """

    terms: Callable[..., Any]
    finish: Callable[..., Any]
    results: tuple[str, ...]
    values: tuple[str, ...] = ()
    squares: tuple[str, ...] = ()
    over: Literal["segment", "all"] = "segment"

    def __post_init__(self) -> None:
        for key in ("results", "values", "squares"):
            object.__setattr__(self, key, _as_tuple(key, getattr(self, key)))

    @property
    def sums(self) -> tuple[str, ...]:
        return (*self.values, *self.squares)


@dataclass(frozen=True, eq=False)
class Rule:
    """One update rule: everything numoptim knows about an optimizer's mathematics.

    name: identifier of the rule; C functions are called ``numoptim_<name>_<f32|f64>``.
    update: ``update(w, g, *slots, h) -> (w, *slots)`` for one element, with the slots over elements (``-> w`` without
        any). A noisy rule receives a standard normal number before ``h``.
    slots: the state between steps: names of buffers with one number per weight each, or Slots, which may have fewer.
    hyper: ``{keyword: (default, interval)}``, besides COMMON which every rule has, and to which it may give other
        defaults; an interval is such as ``[0, 1)``, or ``(0, inf) or 0`` where 0 is accepted, but no number that an
        element type rounds to 0. Where the default is an int, ``prepare`` and ``finish`` get an int64, as ``t`` is one:
        arithmetic of these wraps at 64 bits.
    prepare, derived: ``prepare(t, h)``, float64, once per step: what the elements have in common, one
        value for each name in ``derived``; ``update`` reads them as ``h.<name>``. Steps count from 1. One that is
        a slot's over all is its new value.
    title: name of the Python class made from the rule alone; "" where a class chooses between rules.
    gradient: what arrives as ``g``: "decayed" (rescaled, clipped, ``wd*w`` added), "clipped" or "raw".
    init: ``init(w, h) -> (*slots,)`` where slots over elements do not start at a constant.
    reductions: sums over elements that come before, in order: a rule with some is layer-wise.
    noisy: ``update`` receives a standard normal number; adds the hyper-parameters in NOISE.
    needs_rate: the rule divides by ``learning_rate``: a step with rate 0 leaves everything as it is, and so
        does one whose rate is so small that its reciprocal comes within a factor of 1/eps of the largest number
        of the element type (2.5e-32 in float32, 2.5e-293 in float64).

    Raises ValueError where the parts contradict each other, or do what kernels cannot (``dry_run``).
    """

    name: str
    update: Callable[..., Any]
    slots: tuple[Slot | str, ...] = ()
    hyper: Hyper = field(default_factory=dict)
    prepare: Callable[..., Any] | None = None
    derived: tuple[str, ...] = ()
    title: str = ""
    gradient: Literal["decayed", "clipped", "raw"] = "decayed"
    init: Callable[..., Any] | None = None
    reductions: tuple[Reduction, ...] = ()
    noisy: bool = False
    needs_rate: bool = False

    def __post_init__(self) -> None:
        for key in ("slots", "derived", "reductions"):
            object.__setattr__(self, key, _as_tuple(key, getattr(self, key)))
        slots = tuple(slot if isinstance(slot, Slot) else Slot(slot) for slot in self.slots)
        object.__setattr__(self, "slots", slots)
        self._check_names()
        self._check_scopes()
        element = 3 + len(self.slots_over("element"))
        arities = [("update", self.update, element + self.noisy), ("prepare", self.prepare, 2), ("init", self.init, 2)]
        for reduction in self.reductions:
            arities += [("terms", reduction.terms, element), ("finish", reduction.finish, 1 + len(reduction.sums))]
        for what, function, count in arities:
            if function is not None and len(parameters(function)) != count:
                raise ValueError(f"rule {self.name!r}: {what} takes {count} arguments, "
                                 f"not {inspect.signature(function)}")
        self._check_reductions()
        for key, (default, interval) in self.fields.items():
            if default not in Interval.parse(interval):
                raise ValueError(f"rule {self.name!r}: the default {key}={default} is not in {interval}")
        for key in COMMON.keys() & self.hyper.keys():
            default, interval = self.hyper[key]
            if not isinstance(default, float) or interval != COMMON[key][1]:
                raise ValueError(f"rule {self.name!r}: {key} is every rule's, a float in {COMMON[key][1]}: only its "
                                 f"default may differ, not {self.hyper[key]}")
        dry_run.check(self)
        _known[_parts(self._values())] = self
        self._know_as(os.urandom(16).hex())

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, each.name) for each in fields(self))

    def _know_as(self, token: str) -> None:
        vars(self)["_token"] = token
        _known[token] = self

    # A rule cannot change: copied it is itself, and so it is where it is unpickled and known already, by the token that
    # its pickles have. Functions that come by value (cloudpickle) are new ones: their code would not tell two rules
    # apart that differ in the constants which it uses.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        return _restored, (vars(self)["_token"], *self._values())

    def _check_names(self) -> None:
        scoped = self.slots_over("segment", "all")
        given = [name for name in (*self.derived, *self.results) if name not in scoped]
        names = [self.name, *self.slots, *self.fields, *given]
        for name in names:
            if not name.isidentifier() or keyword.iskeyword(name):
                raise ValueError(f"rule {self.name!r}: {name!r} is not a usable name")
        for name in (*scoped, *self.fields, *given):
            if name.startswith("_"):
                raise ValueError(f"rule {self.name!r}: {name!r} begins with an underscore")
        if len(self.slots) > MOST_SLOTS:
            raise ValueError(f"rule {self.name!r} has {len(self.slots)} slots: expected at most {MOST_SLOTS}")
        if len(set(names[1:]) | {"w", "g", "t", "h"}) != len(names) + 3:
            raise ValueError(f"rule {self.name!r}: names repeat, or shadow w, g, t or h: {', '.join(names[1:])}")
        if self.gradient not in ("decayed", "clipped", "raw"):
            raise ValueError(f"rule {self.name!r}: gradient is 'decayed', 'clipped' or 'raw', not {self.gradient!r}")
        if (self.prepare is None) != (not self.derived):
            raise ValueError(f"rule {self.name!r}: prepare and derived come together")
        if self.needs_rate and "learning_rate" not in self.hyper:
            raise ValueError(f"rule {self.name!r}: needs_rate without a learning_rate")

    def _check_scopes(self) -> None:
        """ValueError unless each slot over a segment, or over all, gets its new value once in a step."""
        for scope in ("segment", "all"):
            given = [name for each in self.reductions if each.over == scope for name in each.results]
            given += self.derived if scope == "all" else ()
            for slot in self.slots_over(scope):
                if (*self.derived, *self.results).count(slot) != 1 or slot not in given:
                    raise ValueError(f"rule {self.name!r}: slot '{slot}' is over {scope!r}: its new value is a result "
                                     f"of one reduction over {scope!r}{', or derived' * (scope == 'all')}")
        if self.init and any(slot.start for slot in self.slots_over("element")):
            raise ValueError(f"rule {self.name!r}: init says where slots over elements start, and they do, too")

    def _check_reductions(self) -> None:
        scopes = [reduction.over for reduction in self.reductions]
        if set(scopes) - {"segment", "all"} or sorted(scopes) != scopes:
            raise ValueError(f"rule {self.name!r}: reductions are over 'segment' or 'all', and those over 'all' come "
                             f"first, not {scopes}")
        for reduction in self.reductions:
            given = parameters(reduction.finish)
            if not reduction.sums or given != (*reduction.sums, "h"):
                raise ValueError(f"rule {self.name!r}: finish takes the sums by their names, "
                                 f"({', '.join((*reduction.sums, 'h'))}), not ({', '.join(given)})")

    @property
    def layerwise(self) -> bool:
        return bool(self.reductions)

    def slots_over(self, *scopes: Scope) -> tuple[Slot, ...]:
        """The slots of these scopes, in order."""
        return tuple(slot for slot in self.slots if isinstance(slot, Slot) and slot.over in scopes)

    @property
    def inits(self) -> bool:
        """Whether slots over elements start elsewhere than at 0."""
        return self.init is not None or any(slot.start for slot in self.slots_over("element"))

    @property
    def results(self) -> tuple[str, ...]:
        """What the reductions give, by name."""
        return tuple(name for reduction in self.reductions for name in reduction.results)

    @cached_property
    def fields(self) -> Hyper:
        """Every hyper-parameter, in the order of the C struct."""
        return {**self.hyper, **COMMON, **self.hyper, **(NOISE if self.noisy else {})}

    @property
    def doc(self) -> str:
        """Docstring of the module that defines the rule."""
        module = sys.modules.get(self.update.__module__)
        return inspect.cleandoc(module.__doc__) if module and module.__doc__ else ""

    def section(self, heading: str) -> str:
        """Text under a heading of the docstring; ``heading <name>`` first, where rules share a file."""
        sections: dict[str, list[str]] = {}
        for line in self.doc.splitlines():
            if line and not line[0].isspace():
                block: list[str] = []
                sections[line.partition(" (")[0]] = block
            elif sections:
                block.append(line)
        return inspect.cleandoc("\n".join(sections.get(f"{heading} {self.name}") or sections.get(heading, [])))

    def remark(self, heading: str) -> str:
        """What stands in brackets behind a heading of the docstring."""
        match = re.search(rf"^{heading}(?: {self.name})? \((.*)\)$", self.doc, re.MULTILINE)
        return match[1] if match else ""

    def __repr__(self) -> str:
        return f"<Rule {self.name}>"


_known: "weakref.WeakValueDictionary[Any, Rule]" = weakref.WeakValueDictionary()


def _parts(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Equal for rules of the very same functions, as pickles that name their functions find them."""
    def parts(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple(value.items())
        return (value, *vars(value).values()) if isinstance(value, Slot) else value
    return tuple(tuple(map(parts, value)) if isinstance(value, tuple) else parts(value) for value in values)


def _restored(token: str, *values: Any) -> Rule:
    known = _known.get(token) or _known.get(_parts(values))
    if known is None:
        known = Rule(*values)
        known._know_as(token)
    return known
