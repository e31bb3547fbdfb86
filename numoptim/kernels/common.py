"""What the elements of a step have in common, on every target.

It is known as a tuple V of float64, in which it is worked out, and as a tuple H in the type of the elements, whose
functions get it as ``h``.
"""
import functools
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from numoptim.rule import SCOPES, Reduction, Rule, Scope
from numoptim.rule.retype import reached

from . import gradient
from .abi import FLOAT, FROZEN, hyper_dtype, least_rate
from .compile import inline, specialise
from .intrinsics import load, picked, record_at, second, store, words


@functools.cache
def values_type(rule: Rule) -> Any:
    """A tuple V of float64: hyper-parameters (an int64 where the default is an int), slots, derived and results.

    prepare and finish get it as ``h``.
    """
    return namedtuple("V", dict.fromkeys((*rule.fields, *rule.slots_over("segment", "all"), *rule.derived,
                                          *rule.results)))


def begin(rule: Rule) -> Any:
    """``begin(fields) -> V`` of a tuple of hyper-parameters: slots are where they start, and what is to come is 0."""
    known = values_type(rule)
    starts = {slot: slot.start for slot in rule.slots_over("segment", "all")}
    rest = tuple(starts.get(name, 0.0) for name in known._fields[len(rule.fields):])

    def begin(fields):
        return known(*fields, *rest)
    return inline(begin)


def values(rule: Rule) -> Any:
    """``values(hyper, k) -> V``: that of struct k, of a pointer to the first."""
    from numba import from_dtype
    record, begun = from_dtype(hyper_dtype(rule)), begin(rule)
    struct_at = record_at(record)
    fields = words([(record.typeof(name), record.offset(name)) for name in rule.fields])

    def values(hyper, k):
        return begun(fields(struct_at(hyper, k)))
    return inline(values)


def replaced(known: Any, names: Sequence[str], among: Sequence[str] = (), kind: Any = np.float64) -> Any:
    """``f(old, new)``: a tuple of type ``known``, where it has one of ``names`` as ``kind`` of that in a tuple ``new``.

    among: what there is in ``new``, in order; else it is ``names``.
    """
    from numba import from_dtype
    number, count = from_dtype(np.dtype(kind)), len(known._fields)
    chosen = picked([(count + (among or names).index(name), number) if name in names else (k, None)
                     for k, name in enumerate(known._fields)], known)

    def replace(old, new):
        return chosen((old, new))
    return inline(replace)


def derive(rule: Rule) -> Any:
    """``derive(t, V) -> V`` with what prepare derives."""
    if rule.prepare is None:
        return second
    prepare, with_derived = specialise(rule.prepare, None, inline), replaced(values_type(rule), rule.derived)

    def derive(t, values):
        return with_derived(values, prepare(t, values))
    return inline(derive)


def finish(rule: Rule, reduction: Reduction) -> Any:
    """``finish(sums, V) -> V`` with the results of a reduction."""
    own, with_results = specialise(reduction.finish, None, inline), replaced(values_type(rule), reduction.results)

    def finish(sums, values):
        return with_results(values, own(*sums, values))
    return inline(finish)


def pointers(rule: Rule, scope: Scope) -> Any:
    """``pointers(p)``: those to the slots of a scope."""
    scoped = rule.slots_over("segment", "all")
    chosen = picked([(scoped.index(slot), None) for slot in rule.slots_over(scope)])

    def pointers(p):
        return chosen(p.numbers)
    return inline(pointers)


def recall(rule: Rule, scope: Scope, known: Any, kind: Any = np.float64) -> Any:
    """``recall((p, s), x) -> x``, a tuple of type ``known``, with the slots of a scope; s: of which segment, or 0."""
    if not rule.slots_over(scope):
        return second
    of_scope, with_slots = pointers(rule, scope), replaced(known, rule.slots_over(scope), kind=kind)

    def recall(place, values):
        p, s = place
        return with_slots(values, load(of_scope(p), s))
    return inline(recall)


def keep(rule: Rule, dtype: str, scope: Scope) -> Any:
    """``keep((p, s), V)``: write the slots of a scope."""
    if not rule.slots_over(scope):
        return second
    of_scope, known, resting = pointers(rule, scope), values_type(rule), rests(rule, dtype)
    chosen = picked([(known._fields.index(slot), None) for slot in rule.slots_over(scope)])

    def keep(place, values):
        p, s = place
        if not resting(values):
            store(of_scope(p), s, chosen(values))
        return values
    return inline(keep)


def chained(steps: Sequence[Any]) -> Any:
    """``f(place, x)``: x through steps ``x = step(place, x)``, one after the other."""
    some = [step for step in steps if step is not second]
    if len(some) < 2:
        return some[0] if some else second
    before, last = chained(some[:-1]), some[-1]

    def through(place, x):
        return last(place, before(place, x))
    return inline(through)


@inline
def first_group(p, grouped):
    """The group of the first segment that is not frozen, where segments have groups; FROZEN where all are."""
    if not grouped:
        return 0
    for s in range(p.segments):
        if p.which[s] >= 0 and p.which[s] < p.groups:
            return p.which[s]
    return FROZEN


def of_groups(rule: Rule) -> "Constants":
    """Constants of groups alone: nothing is over all, or over segments."""
    derived = derive(rule)

    def lead(p, t):
        return ()

    def prepare(p, t, values, lead):
        return derived(t, values)
    return Constants(inline(lead), inline(lead), inline(prepare), second)


class Constants(NamedTuple):
    """How what the elements of a segment have in common comes about.

    first: ``first(p, t) -> V``, of the first group: what is over all is by its hyper-parameters.
    lead: the same where something is over all; else it returns ().
    prepare: ``prepare(p, t, V, lead) -> V``, of a group's hyper-parameters.
    complete: ``complete((p, s), V) -> V``, of segment s, of a prepared V of its group.
    """

    first: Any
    lead: Any
    prepare: Any
    complete: Any


def constants(rule: Rule, count: int, values_of: Any, grouped: Any, step_of: Callable[[int], Any]) -> Constants:
    """Those that the first ``count`` reductions have a part in.

    values_of: ``values_of(p, group) -> V``. grouped: ``grouped(p)``, whether segments have groups. step_of: for the
    number of a reduction, ``step((p, s), V) -> V`` with its results.
    """
    known, derived = values_type(rule), derive(rule)
    steps = {scope: [step_of(k) for k in range(count) if rule.reductions[k].over == scope] for scope in SCOPES}
    complete = chained([recall(rule, "segment", known), *steps["segment"]])
    over_all = [*rule.slots_over("all"), *(name for each in rule.reductions[:count] if each.over == "all"
                                           for name in each.results)]
    recalled, through = recall(rule, "all", known), chained(steps["all"])
    with_lead = replaced(known, over_all, known._fields)
    begun, zeros = begin(rule), tuple(0 if isinstance(default, int) else 0.0 for default, _ in rule.fields.values())

    def first(p, t):
        group = first_group(p, grouped(p))
        if group == FROZEN:                         # there may be no hyper-parameters
            return begun(zeros)
        return through((p, 0), derived(t, recalled((p, 0), values_of(p, group))))

    def prepare(p, t, values, lead):
        return with_lead(derived(t, recalled((p, 0), values)), lead)

    if not over_all:
        return of_groups(rule)._replace(first=inline(first), complete=complete)
    return Constants(inline(first), inline(first), inline(prepare), complete)


def constants_of(rule: Rule) -> list[str]:
    """What the scalar functions of elements read of V."""
    functions = [getattr(gradient, rule.gradient), rule.update, rule.init, *(each.terms for each in rule.reductions)]
    read = {name for function in reached(functions) for name in function.__code__.co_names}
    found = [name for name in values_type(rule)._fields if name in read]
    return found or list(rule.fields)[:1]           # Numba takes no tuple of nothing for a tuple of numbers


@functools.cache
def constants_type(rule: Rule) -> Any:
    """A tuple H of that, in the type of the elements, whose functions get it as ``h``."""
    return namedtuple("H", constants_of(rule))


def narrow(rule: Rule, dtype: str) -> Any:
    """``narrow(V) -> H``."""
    from numba import from_dtype
    known, number = constants_type(rule), from_dtype(FLOAT[dtype])
    return picked([(values_type(rule)._fields.index(name), number) for name in known._fields], known)


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
