"""Every rule against the machine's limit: a kernel that only reads and writes what the rule reads and writes.

    python bench/roofline.py [--quick] [--json]

The limit of an element-wise rule is one loop that adds the gradient to the weights and to every slot. A layer-wise
rule has before it a pass that reads what its norms read. SGLD's limit draws the noise and copies. Both run on the same
buffers, cut into the same pieces on the same threads. ``ratio`` = limit / rule: 1 is the machine's limit. ``gb_s`` is
what the rule moves, ``bytes`` how much that is for each element.

From about a million elements on memory binds and a ratio near 1 is all there is. In cache it is arithmetic that binds:
there hand.py compares with C. Before anything is timed, a step of each rule is compared with its own Python functions.
"""
import functools
import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from common import Row, Timed, compared, measure, run, stepper, times
from numba import carray, cfunc, from_dtype, njit, types

from numoptim.kernels import gradient
from numoptim.kernels.compile import OPTIONS, inline
from numoptim.kernels.intrinsics import at_address, called, each
from numoptim.native import processors
from numoptim.native.arrays import aligned_zeros
from numoptim.native.plan import KERNEL, Pass, Plan, pieces
from numoptim.rule import Rule
from numoptim.rules import RULES

# How many buffers their norms are of.
NORMS_READ = {"lars": 2, "lbsgd_lars": 2, "lamb": 4, "lans": 5, "novograd": 1, "prodigy": 4, "gradient_norm": 1}
MEASURED = [rule for rule in RULES if rule.name != "gradient_norm"]             # which writes no element
SIZES = (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
QUICK = (10_000, 10_000_000)
IN_LOOP = 200_000                              # below, a call from Python would show


def buffers(rule: Rule, size: int, dtype: type) -> list[np.ndarray]:
    """Weights, gradients, slots. Gradients are positive: the limit adds them to slots that roots are taken of."""
    made = [aligned_zeros(size, dtype) for _ in "wg"]
    made += [aligned_zeros(size, dtype) if slot.over == "element" else aligned_zeros(1, float) for slot in rule.slots]
    made[0][:], made[1][:] = np.linspace(-1, 1, size), np.linspace(1e-3, 1, size)
    return made


def of_elements(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Those with a number for each element: others cost nothing."""
    return [array for array in arrays if array.size == arrays[0].size]


def plan(rule: Rule, arrays: list[np.ndarray], threads: int, **given: float) -> Plan:
    values = {key: default for key, (default, _) in rule.fields.items()} | given
    whole = np.array([0, arrays[0].size])
    made = Plan(Pass(rule, ("w", "g", *rule.slots)), arrays, whole, np.zeros(1, np.int64), 1, threads)
    made.fill([{**values, "lr_mult": 1.0, "wd_mult": 1.0}])
    made.set(1, values.get("learning_rate", 0.0), 1.0)
    return made


@njit(**OPTIONS)
def repeat(count, entries, plans):
    """Calls entries, C functions by address, with their plans, one after the other and all ``count`` times."""
    for _ in range(count):
        for k in range(len(entries)):
            called(entries[k], plans[k], 1000)


def step(made: Plan, size: int) -> Timed:
    """The rule's step; on small buffers from a jitted loop."""
    if size >= IN_LOOP:
        return times(stepper(made, 999))
    entries, plans = (np.ascontiguousarray(made.passes[:, k]) for k in (4, 5))
    return lambda count, alive=made: repeat(count, entries, plans)


def added(k: int) -> Any:
    def add(given):
        arrays, i = given
        arrays[k][i] += arrays[1][i]
        return 0
    return inline(add)


@functools.cache
def copies(count: int) -> Callable[..., int]:
    """``f(times, w, g, *slots)`` for ``count - 2`` slots: adds g to w and to the slots, so many times."""
    add = each([added(k) for k in range(count) if k != 1])

    @njit(**OPTIONS)
    def copy(arrays):
        for i in range(arrays[0].size):
            add((arrays, i))

    @njit(**OPTIONS)
    def copies(times, *arrays):
        for _ in range(times):
            copy(arrays)
        return 0
    return copies


@njit(**OPTIONS)
def reads(count, words):
    """Passes that only read."""
    total = words[0]
    for _ in range(count):
        for i in range(words.size):
            total |= words[i]
    return total


@functools.cache
def entry(work: Callable[..., int], count: int, scalar: np.dtype) -> Any:
    """A C function ``f(plan, t)`` that does ``work`` once; a plan: size, addresses of ``count`` arrays."""
    pointer = at_address(types.CPointer(from_dtype(scalar)))

    def array(k: int) -> Any:
        return inline(lambda plan: carray(pointer(plan[k]), (plan[0],)))

    arrays = each([array(k) for k in range(1, count + 1)])

    def entry(plan, t):
        return work(1, *arrays(plan)) == 3
    return cfunc(types.int32(types.CPointer(types.int64), types.int64), **OPTIONS)(entry)


def noise(w, g, normal, h):
    return g - w + normal


NOISE = Rule(name="noise", update=noise, noisy=True, gradient="raw")


def limit(rule: Rule, arrays: list[np.ndarray], threads: int) -> Timed:
    """The limit's step on the same buffers, cut as the rule's."""
    size = arrays[0].size
    arrays = of_elements(arrays)
    if rule.noisy:
        return step(plan(NOISE, arrays, threads), size)
    words = [array.view(f"i{array.itemsize}") for array in arrays[:NORMS_READ.get(rule.name, 0)]]
    copy = copies(len(arrays))
    if size < IN_LOOP:
        def serial(count: int) -> None:
            for each in words:
                reads(count, each)
            copy(count, *arrays)
        return serial
    phases = [passes(reads, [each], threads) for each in words] + [passes(copy, arrays, threads)]

    def parallel() -> None:
        for phase in phases:
            phase()
    return times(parallel)


def passes(work: Callable[..., int], arrays: list[np.ndarray], threads: int) -> Callable[[], None]:
    """``work`` on arrays cut into pieces, on threads as a rule's step is."""
    plans = np.array([(count, *(array[first:].ctypes.data for array in arrays))
                      for first, count in pieces(arrays[0].size, threads)])
    address, jobs = entry(work, len(arrays), arrays[0].dtype).address, len(plans)
    words = KERNEL, 1, 0, 0, address, plans.ctypes.data, plans.strides[0], jobs, threads
    return stepper(SimpleNamespace(passes=np.array([words]), plans=plans, small=False, check=(0, 0)))


def check(rule: Rule, dtype: type) -> None:
    """One step on 1,003 elements against the rule's own functions on Python floats; SGLD's noise aside."""
    arrays = buffers(rule, 1003, dtype)
    given = {"d0": 1.0} if "d0" in rule.fields else {}             # Prodigy's first steps are else lost in rounding
    h = SimpleNamespace(**{**{key: default for key, (default, _) in rule.fields.items()}, **given})
    vars(h).update({slot: slot.start for slot in rule.slots_over("segment", "all")})
    if rule.derived:
        vars(h).update(zip(rule.derived, rule.prepare(1, h), strict=True))
    own = of_elements(arrays)
    elements = [[float(x) for x in element] for element in zip(*own, strict=True)]
    raw = [(w, getattr(gradient, rule.gradient)(w, g, h), *slots) for w, g, *slots in elements]
    extra = [0.0] if rule.noisy else []
    for reduction in rule.reductions:
        terms = np.array([reduction.terms(*element, h) for element in raw])
        sums = [x.sum() for x in terms.T[:len(reduction.values)]] + [x @ x for x in terms.T[len(reduction.values):]]
        vars(h).update(zip(reduction.results, reduction.finish(*sums, h), strict=True))
    expected = np.array([rule.update(*element, *extra, h) for element in raw]).reshape(len(raw), -1)
    stepper(plan(rule, arrays, 1, **given))()
    if not rule.noisy:
        for found, wanted in zip([own[0], *own[2:]], expected.T, strict=True):
            np.testing.assert_allclose(found, wanted, 1e-4 if dtype is np.float32 else 1e-9, 1e-6, err_msg=rule.name)


def rows(quick: bool) -> Iterator[Row]:
    types = (np.float32,) if quick else (np.float32, np.float64)
    for rule, dtype, size in itertools.product(MEASURED, types, QUICK if quick else SIZES):
        if size == min(QUICK):
            check(rule, dtype)
        arrays = buffers(rule, size, dtype)
        moved = (len(of_elements(arrays)) * 2 - 1 + NORMS_READ.get(rule.name, 0)) * arrays[0].itemsize
        for threads in (1, 2):
            if (threads > 1 and len(pieces(size, threads)) == 1) or threads > processors.usable():
                continue
            calls = {"numoptim": step(plan(rule, arrays, threads), size), "limit": limit(rule, arrays, threads)}
            rounds = 5 if quick else 7 if size > 10_000_000 else 15
            for row in compared(measure(calls, rounds), case=rule.name, dtype=np.dtype(dtype).name, n=size,
                                threads=threads):
                yield {**row, "bytes": moved, "gb_s": round(moved * size / row["ns"], 2)}


if __name__ == "__main__":
    run(rows, __doc__)
