"""What happens to element i of all buffers: the same functions under every loop, on every target.

``buffers`` is a tuple of pointers: weight, gradient, slots.
"""
import functools
from collections import namedtuple
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numoptim import gradient
from numoptim.retype import reached
from numoptim.rule import Reduction, Rule

from .abi import FLOAT, hyper_dtype, least_rate
from .compile import inline, of_elements, specialise
from .intrinsics import each, load, record_at, store


class Role(NamedTuple):
    """What a buffer is to a kernel: its name, whether it is written, and how its numbers are stored."""

    name: str
    written: bool
    encode: Callable[..., Any] | None = None        # from the element type; None: as it is


def roles(rule: Rule) -> tuple[Role, ...]:
    """The buffers of a rule's kernels, in the order of the plan."""
    return Role("w", True), Role("g", False), *(Role(slot, True, gradient.flush) for slot in rule.slots)


def _scalar(rule: Rule, dtype: str, function: Any, count: int) -> Any:
    """A function of so many elements and h, in their type."""
    known, scalar = constants_type(rule), FLOAT[dtype].type
    return of_elements(rule.name, function, scalar, count, known(*[scalar(0)] * len(known._fields)))


def _gradient(rule: Rule, dtype: str) -> Any:
    """``gradient(w, g, h)``: what arrives at the rule as g."""
    return _scalar(rule, dtype, getattr(gradient, rule.gradient), 2)


# --- hyper-parameters, and the constants of a step

@functools.cache
def values_type(rule: Rule) -> Any:
    """A tuple of all hyper-parameters, which prepare and finish get as ``h``."""
    return namedtuple("V", rule.fields)


def values(rule: Rule) -> Any:
    """``values(hyper, k) -> V``: the hyper-parameters in struct k, of a pointer to the first."""
    from numba import from_dtype
    struct_at = record_at(from_dtype(hyper_dtype(rule)))

    def field(name: str) -> Any:
        def value(record):
            return record[name]
        return inline(value)

    known, fields = values_type(rule), each([field(name) for name in rule.fields])

    def values(hyper, k):
        return known(*fields(struct_at(hyper, k)))
    return inline(values)


def constants_of(rule: Rule) -> list[str]:
    """Hyper-parameters, derived constants and results of reductions that the scalar functions of elements read."""
    functions = [getattr(gradient, rule.gradient), rule.update, rule.init, *(each.terms for each in rule.reductions)]
    read = {name for function in reached(functions) for name in function.__code__.co_names}
    found = [name for name in (*rule.fields, *rule.derived, *rule.results) if name in read]
    return found or list(rule.fields)[:1]           # Numba takes no tuple of nothing for a tuple of numbers


@functools.cache
def constants_type(rule: Rule) -> Any:
    """A tuple of those, which the functions of elements get as ``h``."""
    return namedtuple("H", constants_of(rule))


def constants(rule: Rule, dtype: str) -> Any:
    """``constants(t, values) -> H``: what the elements of a step have in common, in their type; results are 0."""
    scalar, known = FLOAT[dtype].type, constants_type(rule)
    prepare = rule.prepare and specialise(rule.prepare, None, inline)

    def cell(group: int, k: int) -> Any:
        def value(numbers):
            return scalar(numbers[group][k])
        return inline(value)

    given = enumerate((rule.fields, rule.derived))
    places = {name: (group, k) for group, names in given for k, name in enumerate(names)}
    places |= dict.fromkeys(rule.results, (2, 0))
    chosen = each([cell(*places[name]) for name in known._fields])
    if prepare is None:
        def constants(t, values):
            return known(*chosen((values, (), (0.0,))))
    else:
        def constants(t, values):
            return known(*chosen((values, prepare(t, values), (0.0,))))
    return inline(constants)


def finished(rule: Rule, dtype: str, reduction: Reduction) -> Any:
    """``finished(h, sums, values) -> H``: constants with the results of a reduction."""
    finish, complete = specialise(reduction.finish, None, inline), with_results(rule, dtype, reduction)

    def finished(h, sums, values):
        return complete(h, finish(*sums, values))
    return inline(finished)


def prepared(rule: Rule, dtype: str, count: int, step_of: Callable[[int], Any]) -> Any:
    """``prepared(p, t, values) -> H``: constants, with results of those of the first ``count`` reductions over all.

    step_of: for the number of a reduction, ``step((p, values), h) -> H`` with its results.
    """
    begin, through = constants(rule, dtype), _chained(rule, "all", count, step_of)

    def prepare(p, t, values):
        return through((p, values), begin(t, values))
    return inline(prepare)


def completed(rule: Rule, count: int, step_of: Callable[[int], Any]) -> Any:
    """``completed((p, s, values), h) -> H``: the same with results over segment s, by ``step((p, s, values), h)``."""
    return _chained(rule, "segment", count, step_of)


def _chained(rule: Rule, over: str, count: int, step_of: Callable[[int], Any]) -> Any:
    """``f(place, h)``: h through the steps of those of the first ``count`` reductions, one after the other."""
    chosen = [k for k in range(count) if rule.reductions[k].over == over]
    if not chosen:
        def same(place, h):
            return h
        return inline(same)
    before, step = _chained(rule, over, chosen[-1], step_of), step_of(chosen[-1])

    def through(place, h):
        return step(place, before(place, h))
    return inline(through)


def with_results(rule: Rule, dtype: str, reduction: Reduction) -> Any:
    """``complete(h, results) -> H``."""
    known, scalar = constants_type(rule), FLOAT[dtype].type

    def cell(k: int, name: str) -> Any:
        if name in reduction.results:
            place = reduction.results.index(name)

            def value(given):
                return scalar(given[1][place])
        else:
            def value(given):
                return given[0][k]
        return inline(value)

    cells = each([cell(k, name) for k, name in enumerate(known._fields)])

    def complete(h, results):
        return known(*cells((h, results)))
    return inline(complete)


def rests(rule: Rule, dtype: str) -> Any:
    """``rests(values)``: whether a step with these hyper-parameters leaves everything as it is (Rule.needs_rate)."""
    least = least_rate(FLOAT[dtype])
    if rule.needs_rate:
        def slow(values):
            return values.learning_rate < least
    else:
        def slow(values):
            return False
    return inline(slow)


# --- one element

def update(rule: Rule, dtype: str) -> Any:
    """``element(i, buffers, extra, h)``: the rule's update; extra: () or what ``update`` receives before ``h``."""
    prepared, written = _gradient(rule, dtype), stored(rule, dtype)
    new = _always_tuple(_scalar(rule, dtype, rule.update, 2 + len(rule.slots) + rule.noisy), bool(rule.slots))

    def element(i, buffers, extra, h):
        old = load(buffers, i)
        values = new((*old[:1], prepared(old[0], old[1], h), *old[2:], *extra, h))
        store(buffers[:1] + buffers[2:], i, written(values))
    return inline(element)


def stored(rule: Rule, dtype: str) -> Any:
    """``stored(values)``: new values of what is written, as their roles store them."""
    return each([_encoded(role, k, dtype) for k, role in enumerate(role for role in roles(rule) if role.written)])


def _encoded(role: Role, k: int, dtype: str) -> Any:
    if role.encode is None:
        def value(values):
            return values[k]
    else:
        encode, tiny = specialise(role.encode, FLOAT[dtype].type, inline), np.finfo(FLOAT[dtype]).tiny

        def value(values):
            return encode(values[k], tiny)
    return inline(value)


def _always_tuple(function: Any, is_tuple: bool) -> Any:
    """A function of the tuple of a rule's arguments, which returns a tuple."""
    if is_tuple:
        def call(arguments):
            return function(*arguments)
    else:
        def call(arguments):
            return (function(*arguments),)
    return inline(call)


def terms(rule: Rule, dtype: str, reduction: Reduction) -> Any:
    """``terms(i, buffers, h)``: what a reduction sums of the element, in float64: numbers or their squares."""
    prepared, summed = _gradient(rule, dtype), _scalar(rule, dtype, reduction.terms, 2 + len(rule.slots))
    widen = each([_widened(k, name in reduction.squares) for k, name in enumerate(reduction.sums)])

    def terms(i, buffers, h):
        old = load(buffers, i)
        return widen(summed(*old[:1], prepared(old[0], old[1], h), *old[2:], h))
    return inline(terms)


def _widened(k: int, square: bool) -> Any:
    if square:
        def value(numbers):
            return np.float64(numbers[k]) * np.float64(numbers[k])
    else:
        def value(numbers):
            return np.float64(numbers[k])
    return inline(value)


def initial(rule: Rule, dtype: str) -> Any:
    """``element(i, buffers, h)``: slots before the first step."""
    init, written = _scalar(rule, dtype, rule.init, 1), stored(rule, dtype)

    def element(i, buffers, h):
        weight = load(buffers[:1], i)
        values = written((*weight, *init(weight[0], h)))
        store(buffers[2:], i, values[1:])
    return inline(element)
