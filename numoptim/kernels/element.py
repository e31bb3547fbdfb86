"""What happens to element i of all buffers: the same functions under every loop, on every target.

``buffers`` is a tuple of pointers: weight, gradient, slots over elements.
"""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numoptim.rule import Reduction, Rule

from . import gradient
from .abi import FLOAT
from .common import constants_type
from .compile import inline, of_elements, specialise
from .intrinsics import each, load, store


class Role(NamedTuple):
    """What a buffer is to a kernel: name, type of its numbers, whether they are written, and how they are stored."""

    name: str
    dtype: "np.dtype[Any]"
    written: bool
    encode: Callable[..., Any] | None = None        # from the element type; None: as it is


def roles(rule: Rule, dtype: str) -> tuple[Role, ...]:
    """The buffers with a number for each element, in the order of the plan."""
    number, slots = FLOAT[dtype], rule.slots_over("element")
    return (Role("w", number, written=True), Role("g", number, written=False),
            *(Role(slot, number, written=True, encode=gradient.flush) for slot in slots))


def _scalar(rule: Rule, dtype: str, function: Any, count: int) -> Any:
    """A function of so many elements and h, in their type."""
    known, scalar = constants_type(rule), FLOAT[dtype].type
    return of_elements(rule.name, function, scalar, count, known(*[scalar(0)] * len(known._fields)))


def _gradient(rule: Rule, dtype: str) -> Any:
    """``gradient(w, g, h)``: what arrives at the rule as g."""
    return _scalar(rule, dtype, getattr(gradient, rule.gradient), 2)


def update(rule: Rule, dtype: str) -> Any:
    """``element(i, buffers, extra, h)``: the rule's update; extra: () or what ``update`` receives before ``h``."""
    prepared, written = _gradient(rule, dtype), stored(rule, dtype)
    count = len(roles(rule, dtype))
    new = _always_tuple(_scalar(rule, dtype, rule.update, count + rule.noisy), count > 2)

    def element(i, buffers, extra, h):
        old = load(buffers, i)
        values = new((*old[:1], prepared(old[0], old[1], h), *old[2:], *extra, h))
        store(buffers[:1] + buffers[2:], i, written(values))
    return inline(element)


def stored(rule: Rule, dtype: str) -> Any:
    """``stored(values)``: new values of what is written, as their roles store them."""
    return each([_encoded(role, k) for k, role in enumerate(role for role in roles(rule, dtype) if role.written)])


def _encoded(role: Role, k: int) -> Any:
    if role.encode is None:
        def value(values):
            return values[k]
    else:
        encode, tiny = specialise(role.encode, role.dtype.type, inline), np.finfo(role.dtype).tiny

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
    prepared, summed = _gradient(rule, dtype), _scalar(rule, dtype, reduction.terms, len(roles(rule, dtype)))
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
    """``element(i, buffers, h)``: slots over elements before the first step."""
    written, scalar = stored(rule, dtype), FLOAT[dtype].type
    if rule.init:
        init = _scalar(rule, dtype, rule.init, 1)
    else:
        with np.errstate(over="ignore"):
            starts = tuple(scalar(slot.start) for slot in rule.slots_over("element"))
        if not all(map(np.isfinite, starts)):
            raise ValueError(f"rule {rule.name!r}: slots {rule.slots} start beyond {scalar.__name__}")

        def constant(w, h):
            return starts
        init = inline(constant)

    def element(i, buffers, h):
        weight = load(buffers[:1], i)
        values = written((*weight, *init(weight[0], h)))
        store(buffers[2:], i, values[1:])
    return inline(element)
