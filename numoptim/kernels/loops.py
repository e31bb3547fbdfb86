"""The loops around an element: kernels for the processor, as functions of a plan.

A ``span`` updates elements first ... last - 1 of one segment under one set of constants. Indices are unsigned: an index
whose sign LLVM cannot prove keeps a loop scalar.
"""
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim import random
from numoptim.random import TILE
from numoptim.rule import Reduction, Rule

from . import abi, common, element, intrinsics
from .abi import BLOCK, FLOAT, FROZEN
from .check import first_segment
from .compile import cached, inline, outline, specialise
from .intrinsics import added, apart, each, is_null, load, put, rare, store, unaliased

LANES = 64
ROWS = 16           # sets of constants kept on the stack while segments alternate


# buffers: of elements; numbers: slots over segments and all.
View: Any = namedtuple("View", [*(word.name for word in abi.PLAN), "numbers"])       # type: ignore[misc]


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(plan) -> View``: the plan's words, each of its type."""
    from numba import float64, from_dtype, int64, types
    record, table, numbers = from_dtype(abi.PLAN_DTYPE), types.CPointer(int64), types.CPointer(float64)
    kinds = {"offsets": table, "which": table, "hyper": table, "norms": numbers}
    words = {word.name: intrinsics.word(kinds.get(word.name, int64), record, word.name) for word in abi.PLAN}
    words["buffers"], words["numbers"] = buffers_of(rule, dtype, record)
    read = each(list(words.values()))

    def view(plan):
        return View(*read(plan))
    return inline(view)


def buffers_of(rule: Rule, dtype: str, record: Any) -> tuple[Any, Any]:
    """Functions of a struct with ``buffers``: pointers to those of elements, and to those of slots over the rest."""
    from numba import float64, from_dtype, types
    return (intrinsics.words(types.CPointer(from_dtype(FLOAT[dtype])), record, "buffers",
                             [0, 1, *abi.places(rule, "element")]),
            intrinsics.words(types.CPointer(float64), record, "buffers", abi.places(rule, "segment", "all")))


# --- spans

def dense(rule: Rule, dtype: str) -> Any:
    """``span(first, last, buffers, extra, h)``."""
    update = element.update(rule, dtype)

    def span(first, last, buffers, extra, h):
        apart(), unaliased()
        for j in range(last - first):
            update(np.uintp(first) + np.uintp(j), buffers, extra, h)
    return outline(span)


def noisy(rule: Rule, dtype: str) -> Any:
    """The same for ``extra`` = (seed, t, origin): element i takes normal number origin + i, drawn a tile at a time."""
    from numba import float32, uint32
    update, scalar, fill = element.update(rule, dtype), FLOAT[dtype].type, specialise(random.fill, np.float32, inline)
    stack_normals, stack_words = intrinsics.stack(float32, TILE), intrinsics.stack(uint32, TILE)

    def span(first, last, buffers, extra, h):
        apart(), unaliased()
        normals, words, (seed, t, origin) = stack_normals(), stack_words(), extra
        begin, end = origin + first, origin + last
        for tile in range(begin // TILE, (end + TILE - 1) // TILE):
            fill(normals, words, tile, seed, t)
            start = tile * TILE
            for e in range(max(begin, start), min(end, start + TILE)):
                normal = scalar(normals[np.uintp(e - start)])
                update(np.uintp(e - origin), buffers, (normal,), h)
    return outline(span)


# --- sums

@cached
def block_sums(rule: Rule, dtype: str, reduction: Reduction) -> Any:
    """``block(first, last, buffers, h)``: the sums over at most BLOCK elements.

    64 lanes and a fixed tree: one order of additions for every vector width.
    """
    from numba import float64
    terms, none = element.terms(rule, dtype, reduction), (0.0,) * len(reduction.sums)
    stack_lanes = intrinsics.stacks(float64, LANES, len(none))

    def row(start, count, buffers, h, lanes):
        unaliased()
        for lane in range(count):
            store(lanes, lane, added(load(lanes, lane), terms(start + np.uintp(lane), buffers, h)))

    add_row = inline(row)

    def block(first, last, buffers, h):
        apart()
        lanes = stack_lanes()
        for lane in range(LANES):
            store(lanes, lane, none)
        start, rows = np.uintp(first), (last - first) // LANES
        for r in range(rows):
            add_row(start + np.uintp(r * LANES), LANES, buffers, h, lanes)
        add_row(start + np.uintp(rows * LANES), last - first - rows * LANES, buffers, h, lanes)
        half = LANES // 2
        while half > 0:
            for lane in range(half):
                store(lanes, lane, added(load(lanes, lane), load(lanes, lane + half)))
            half //= 2
        return load(lanes, 0)
    return outline(block)


def segment_sums(rule: Rule, dtype: str, k: int) -> Any:
    """``sums(p, s, h)`` of reduction k over a segment: of the partial sums in the plan; without, of its elements."""
    reduction, width, column = rule.reductions[k], abi.columns(rule)[-1], abi.columns(rule)[k]
    block, none = block_sums(rule, dtype, reduction), (0.0,) * len(reduction.sums)
    partial = intrinsics.neighbours(len(none))

    def sums(p, s, h):
        first, last, total = p.offsets[s], p.offsets[s + 1], none
        slot = width * (first // BLOCK + s) + column
        for start in range(first, last, BLOCK):
            if is_null(p.norms):
                total = added(total, block(start, min(start + BLOCK, last), p.buffers, h))
            else:
                total = added(total, partial(p.norms, slot))
            slot += width
        return total
    return inline(sums)


def over_segment(rule: Rule, dtype: str, k: int) -> Any:
    """``step((p, s), V) -> V`` with the results of reduction k over a segment."""
    sums, narrow = segment_sums(rule, dtype, k), common.narrow(rule, dtype)
    finish = common.finish(rule, rule.reductions[k])

    def step(place, values):
        p, s = place
        return finish(sums(p, s, narrow(values)), values)
    return inline(step)


def over_all(rule: Rule, dtype: str, k: int) -> Any:
    """``step((p, 0), V) -> V`` with the results of reduction k over all segments but frozen ones, in order."""
    sums, narrow = segment_sums(rule, dtype, k), common.narrow(rule, dtype)
    finish = common.finish(rule, rule.reductions[k])
    none = (0.0,) * len(rule.reductions[k].sums)

    def step(place, values):
        p, _ = place
        total, h = none, narrow(values)
        for s in range(p.segments):
            if is_null(p.which) or p.which[s] != FROZEN:
                total = added(total, sums(p, s, h))
        return finish(total, values)
    return inline(step)


def constants(rule: Rule, dtype: str, count: int) -> common.Constants:
    """common.constants, for the first ``count`` reductions, of the sums in the plan or of elements."""
    read = common.values(rule)

    def values_of(p, group):
        return read(p.hyper, group)

    def step_of(k: int) -> Any:
        return (over_all if rule.reductions[k].over == "all" else over_segment)(rule, dtype, k)
    return common.constants(rule, count, inline(values_of), grouped, step_of)


@inline
def grouped(p):
    """Whether segments have groups; else the plan is all there is, and has one."""
    return not is_null(p.which)


# --- kernels

def range_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update of all segments that the plan's range touches; without groups also of slots over them and over all."""
    viewed, read, start = view(rule, dtype), common.values(rule), inline(first_segment)
    _, lead, prepare, complete = constants(rule, dtype, len(rule.reductions))
    begun, ended, rows = rows_of(rule, dtype)
    rests, keep, keep_all = (common.rests(rule, dtype), common.keep(rule, dtype, "segment"),
                             common.keep(rule, dtype, "all"))
    span, given = (noisy if rule.noisy else dense)(rule, dtype), extra(rule.noisy)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end, leading = p.first + p.count, lead(p, t)
        # The constants of the first ROWS groups are prepared once, however the segments alternate.
        table, made, latest = rows(), 0, FROZEN
        for s in range(start(p.segments, p.offsets, p.first), p.segments):
            if p.offsets[s] >= end:
                break
            group = 0 if is_null(p.which) else p.which[s]
            if group == FROZEN:
                continue
            values, row = read(p.hyper, group), min(group, ROWS)
            if group != latest:
                latest = group
                if (made >> row) & 1 != 0:
                    known = table[row]
                else:
                    known = table[row] = begun(prepare(p, t, values, leading))
                    made |= (1 << row) & (2**ROWS - 1)
            first, last = max(p.offsets[s], p.first), min(p.offsets[s + 1], end)
            if first < last and not rests(values):
                own = complete((p, s), known)
                span(first - p.first, last - p.first, p.buffers, given(p, values, t), ended(own))
                if not grouped(p):
                    keep((p, s), own)
        if not grouped(p):
            keep_all((p, 0), leading)
        return 0
    return kernel


def rows_of(rule: Rule, dtype: str) -> tuple[Any, Any, Any]:
    """What is kept of a group: V where segments add to it, else H. Functions from V, to H, and of room for some."""
    from numba import float64, from_dtype, int64, types
    narrow, same = common.narrow(rule, dtype), inline(lambda x: x)
    if any(reduction.over == "segment" for reduction in rule.reductions):
        known = common.values_type(rule)
        integers = [key for key, (default, _) in rule.fields.items() if isinstance(default, int)]
        kinds = [int64 if name in integers else float64 for name in known._fields]
        begun, ended = same, narrow
    else:
        known = common.constants_type(rule)
        kinds = [from_dtype(FLOAT[dtype])] * len(known._fields)
        begun, ended = narrow, same
    return begun, ended, intrinsics.stack(types.BaseTuple.from_types(kinds, known), ROWS + 1)


def advance_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """New values of slots over segments and over all: the plan that begins at 0 writes them, as no other has to."""
    viewed, read = view(rule, dtype), common.values(rule)
    _, lead, prepare, complete = constants(rule, dtype, len(rule.reductions))
    keep, keep_all = common.keep(rule, dtype, "segment"), common.keep(rule, dtype, "all")

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        if p.first != 0:
            return 0
        leading = lead(p, t)
        for s in range(p.segments):
            group = p.which[s]
            if group != FROZEN and p.offsets[s] < p.offsets[s + 1]:
                keep((p, s), complete((p, s), prepare(p, t, read(p.hyper, group), leading)))
        if common.first_group(p, True) != FROZEN:
            keep_all((p, 0), leading)
        return 0
    return kernel


def extra(is_noisy: bool) -> Any:
    """``extra(p, values, t)``: what a span takes besides constants."""
    if is_noisy:
        def given(p, values, t):
            return values.seed, t, values.offset + p.first
    else:
        def given(p, values, t):
            return ()
    return inline(given)


def sums_kernel(rule: Rule, dtype: str, k: int) -> Callable[..., Any]:
    """Partial sums of reduction k, of the blocks that begin in the plan's range; buffers must reach to their ends."""
    viewed, read, begin = view(rule, dtype), common.values(rule), inline(first_segment)
    (_, lead, prepare, complete), narrow = constants(rule, dtype, k), common.narrow(rule, dtype)
    width, column = abi.columns(rule)[-1], abi.columns(rule)[k]
    block = block_sums(rule, dtype, rule.reductions[k])

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end, leading = p.first + p.count, lead(p, t)
        for s in range(begin(p.segments, p.offsets, p.first), p.segments):
            first, last = p.offsets[s], p.offsets[s + 1]
            if first >= end:
                break
            if p.which[s] == FROZEN:
                continue
            h = narrow(complete((p, s), prepare(p, t, read(p.hyper, p.which[s]), leading)))
            skipped = max(p.first - first + BLOCK - 1, 0) // BLOCK         # blocks that begin before the range
            slot = width * (first // BLOCK + s + skipped) + column
            for start in range(first + skipped * BLOCK, min(last, end), BLOCK):
                put(p.norms, slot, block(start - p.first, min(start + BLOCK, last) - p.first, p.buffers, h))
                slot += width
        return 0
    return kernel


def init_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The first slots of a rule whose slots do not start at 0."""
    viewed, read, derive = view(rule, dtype), common.values(rule), common.derive(rule)
    initial, narrow = element.initial(rule, dtype), common.narrow(rule, dtype)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        h = narrow(derive(1, read(p.hyper, 0)))
        for i in range(np.uintp(p.count)):
            initial(i, p.buffers, h)
        return 0
    return kernel


@cached
def kernels(rule: Rule, dtype: str) -> dict[str, Callable[..., Any]]:
    """A rule's kernels by phase, as plain functions ``kernel(plan, t)`` that Numba compiles."""
    made = {phase: sums_kernel(rule, dtype, k) for k, phase in enumerate(abi.sums_phases(rule))}
    made["range"] = range_kernel(rule, dtype)
    if "advance" in abi.phases(rule):
        made["advance"] = advance_kernel(rule, dtype)
    if rule.inits:
        made["init"] = init_kernel(rule, dtype)
    return made
