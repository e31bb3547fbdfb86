"""The loops around an element: kernels for the processor, as functions of a plan.

A ``span`` updates elements first ... last - 1 of one segment under one set of constants. Indices are unsigned: an index
whose sign LLVM cannot prove keeps a loop scalar.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.rule import Rule

from . import abi, common, element, intrinsics, random
from .abi import FLOAT, FROZEN
from .check import segment_at
from .compile import cached, inline, outline, specialise
from .intrinsics import apart, is_null, itself, numbers, rare, shifted, unaliased
from .random import TILE
from .sums import advance_kernel, constants, sums_kernel
from .view import view

ROWS = 16           # sets of constants kept on the stack while segments alternate
EVERY_ROW = 2**ROWS - 1


# --- spans

@cached
def span(rule: Rule, dtype: str) -> Any:
    """A rule's ``span(first, last, buffers, extra, row)``, where ``row`` points to its h."""
    return outline((noisy if rule.noisy else dense)(rule, dtype))


def dense(rule: Rule, dtype: str) -> Any:
    update = element.update(rule, dtype)

    def span(first, last, buffers, extra, row):
        apart(), unaliased()
        h = numbers(row)
        for j in range(last - first):
            update(np.uintp(first) + np.uintp(j), buffers, extra, h)
    return span


def noisy(rule: Rule, dtype: str) -> Any:
    """The same for ``extra`` = (seed, t, origin): element i takes normal number origin + i, drawn a tile at a time."""
    from numba import float32, uint32
    update, scalar, fill = element.update(rule, dtype), FLOAT[dtype].type, specialise(random.fill, np.float32, inline)
    stack_normals, stack_words = intrinsics.stack(float32, TILE), intrinsics.stack(uint32, TILE)

    def span(first, last, buffers, extra, row):
        apart(), unaliased()
        h = numbers(row)
        normals, words, (seed, t, origin) = stack_normals(), stack_words(), extra
        begin, end = origin + first, origin + last
        for tile in range(begin // TILE, (end + TILE - 1) // TILE):
            fill(normals, words, tile, seed, t)
            start = tile * TILE
            for e in range(max(begin, start), min(end, start + TILE)):
                normal = scalar(normals[np.uintp(e - start)])
                update(np.uintp(e - origin), buffers, (normal,), h)
    return span


# --- kernels

def range_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update of all segments that the plan's range touches; without groups also of slots over them and over all."""
    viewed, read, start = view(rule, dtype), common.values(rule), segment_at()
    _, lead, prepare, _ = constants(rule, dtype, len(rule.reductions))
    (stack_rows, begun, ended), stack_row = rows_of(rule, dtype), intrinsics.stack(row_type(rule, dtype), 1)
    rests, keep_all = common.rests(rule, dtype), common.keep(rule, dtype, "all")
    update, given = span(rule, dtype), extra(rule.noisy)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end, leading = p.first + p.count, lead(p, t)
        # The constants of the first ROWS groups are prepared once, however the segments alternate.
        rows, row, made, latest = stack_rows(), stack_row(), 0, FROZEN
        for s in range(start(p.segments, p.offsets, p.first), p.segments):
            if p.offsets[s] >= end:
                break
            group = 0 if is_null(p.which) else p.which[s]
            if group == FROZEN:
                continue
            values, k = read(p.hyper, group), group if group < ROWS else ROWS
            if group != latest and (made >> k) & 1 == 0:
                rows[k] = begun(prepare(p, t, values, leading))
                made, latest = made | (1 << k) & EVERY_ROW, group
            first, last = p.offsets[s] - p.first, p.offsets[s + 1] - p.first
            first, last = 0 if first < 0 else first, p.count if last > p.count else last
            if first < last and not rests(values):
                update(first, last, p.buffers, given(p, values, t), ended((p, s), rows, k, row))
        if is_null(p.which):
            keep_all((p, 0), leading)
        return 0
    return kernel


def whole_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update of all elements of the buffers under one set of hyper-parameters, where a step is one pass."""
    viewed, read, rests = view(rule, dtype), common.values(rule), common.rests(rule, dtype)
    derived, narrow = common.derive(rule), common.narrow(rule, dtype)
    update, given, stack_row = span(rule, dtype), extra(rule.noisy), intrinsics.stack(row_type(rule, dtype), 1)

    def kernel(plan, t):
        rare()
        p, row = viewed(plan), stack_row()
        values = read(p.hyper, 0)
        if not rests(values):
            row[0] = narrow(derived(t, values))
            update(np.int64(0), p.count, p.buffers, given(p, values, t), row)
        return 0
    return kernel


def row_type(rule: Rule, dtype: str) -> Any:
    """H, to Numba."""
    from numba import from_dtype, types
    known = common.constants_type(rule)
    return types.BaseTuple.from_types([from_dtype(FLOAT[dtype])] * len(known._fields), known)


def rows_of(rule: Rule, dtype: str) -> tuple[Any, Any, Any]:
    """What is kept of a group: V where segments add to it, else H.

    Functions of room for rows, of what is kept of a V, and ``ended((p, s), rows, k, row)``: a pointer to the H of a
    segment, in ``row`` where it is its own.
    """
    from numba import float64, int64, types
    narrow = common.narrow(rule, dtype)
    if not any(reduction.over == "segment" for reduction in rule.reductions):
        return intrinsics.stack(row_type(rule, dtype), ROWS + 1), narrow, inline(_of_group)
    known, complete = common.values_type(rule), constants(rule, dtype, len(rule.reductions)).complete
    integers = [key for key, (default, _) in rule.fields.items() if isinstance(default, int)]
    kinds = [int64 if name in integers else float64 for name in known._fields]
    keep = common.keep(rule, dtype, "segment")

    def ended(place, rows, k, row):
        own = complete(place, rows[k])
        if is_null(place[0].which):
            keep(place, own)
        row[0] = narrow(own)
        return row
    return intrinsics.stack(types.BaseTuple.from_types(kinds, known), ROWS + 1), itself, inline(ended)


def _of_group(place, rows, k, row):
    return shifted(rows, k)


def extra(is_noisy: bool) -> Any:
    """``extra(p, values, t)``: what a span takes besides constants."""
    if is_noisy:
        def given(p, values, t):
            return values.seed, t, values.offset + p.first
    else:
        def given(p, values, t):
            return ()
    return inline(given)


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
    if "whole" in abi.kernel_phases(rule):
        made["whole"] = whole_kernel(rule, dtype)
    if rule.inits:
        made["init"] = init_kernel(rule, dtype)
    return made
