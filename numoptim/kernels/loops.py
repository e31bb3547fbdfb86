"""The loops around an element: kernels for the processor, as functions of a plan.

A ``span`` updates elements first ... last - 1 of one segment under one set of constants. Indices are unsigned: an index
whose sign LLVM cannot prove keeps a loop scalar.
"""
import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim import random
from numoptim.random import TILE
from numoptim.rule import Rule

from . import abi, element, intrinsics
from .abi import BLOCK, FLOAT, FROZEN
from .check import first_segment
from .compile import cached, each, inline, outline, specialise
from .intrinsics import apart, is_null, rare, unaliased

LANES = 64
ROWS = 16           # sets of constants kept on the stack while segments alternate


View: Any = namedtuple("View", [word.name for word in abi.PLAN])       # type: ignore[misc]


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(plan) -> View``: the plan's words, each of its type."""
    from numba import float64, from_dtype, int64, types
    record, table, number = from_dtype(abi.PLAN_DTYPE), types.CPointer(int64), types.CPointer(from_dtype(FLOAT[dtype]))
    kinds = {"offsets": table, "which": table, "hyper": table,
             "norms": types.CPointer(float64), "buffers": types.Tuple([number] * len(element.roles(rule)))}
    words = each([intrinsics.word(kinds.get(word.name, int64), record, word.name) for word in abi.PLAN])

    def view(plan):
        return View(*words(plan))
    return inline(view)


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

def block_sums(rule: Rule, dtype: str) -> Any:
    """``block(first, last, buffers, h)``: sums of squares over at most BLOCK elements.

    64 lanes and a fixed tree: one order of additions for every vector width.
    """
    from numba import float64
    measured, stack_lanes = element.measured(rule, dtype), intrinsics.stack(float64, LANES)

    def row(start, count, buffers, h, a, b):
        unaliased()
        for lane in range(count):
            x, y = measured(start + np.uintp(lane), buffers, h)
            a[lane] += np.float64(x) * np.float64(x)
            b[lane] += np.float64(y) * np.float64(y)

    add_row = inline(row)

    def block(first, last, buffers, h):
        apart()
        a, b = stack_lanes(), stack_lanes()
        for lane in range(LANES):
            a[lane] = b[lane] = 0.0
        start, rows = np.uintp(first), (last - first) // LANES
        for r in range(rows):
            add_row(start + np.uintp(r * LANES), LANES, buffers, h, a, b)
        add_row(start + np.uintp(rows * LANES), last - first - rows * LANES, buffers, h, a, b)
        half = LANES // 2
        while half > 0:
            for lane in range(half):
                a[lane] += a[lane + half]
                b[lane] += b[lane + half]
            half //= 2
        return a[0], b[0]
    return outline(block)


def ratio(rule: Rule, dtype: str, block: Any) -> Any:
    """``ratio(p, s, values, h)`` of a segment: of the partial sums in the plan; without, of its elements."""
    trust, scalar = element.mathematics(rule, dtype).trust, FLOAT[dtype].type

    def ratio(p, s, values, h):
        first, last, a, b = p.offsets[s], p.offsets[s + 1], 0.0, 0.0
        slot = 2 * (first // BLOCK + s)
        for start in range(first, last, BLOCK):
            if is_null(p.norms):
                x, y = block(start, min(start + BLOCK, last), p.buffers, h)
            else:
                x, y = p.norms[slot], p.norms[slot + 1]
            a, b, slot = a + x, b + y, slot + 2
        return scalar(trust(math.sqrt(a), math.sqrt(b), values))
    return inline(ratio)


# --- kernels

def extra(rule: Rule, dtype: str) -> Any:
    """``extra(p, s, values, h, t)``: what a segment's span takes besides constants."""
    if rule.noisy:
        def given(p, s, values, h, t):
            return values.seed, t, values.offset + p.first
    elif rule.layerwise:
        value = ratio(rule, dtype, block_sums(rule, dtype))

        def given(p, s, values, h, t):
            return (value(p, s, values, h),)
    else:
        def given(p, s, values, h, t):
            return ()
    return inline(given)


def range_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update, of all segments that the plan's range touches."""
    from numba import from_dtype, types
    viewed, read, start = view(rule, dtype), element.values(rule), inline(first_segment)
    prepare, given, rests = element.constants(rule, dtype), extra(rule, dtype), element.rests(rule, dtype)
    span, known = (noisy if rule.noisy else dense)(rule, dtype), element.constants_type(rule)
    rows = intrinsics.stack(types.NamedUniTuple(from_dtype(FLOAT[dtype]), len(known._fields), known), ROWS + 1)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end = p.first + p.count
        # The constants of the first ROWS groups are prepared once, however the segments alternate.
        table, prepared, latest = rows(), 0, FROZEN
        for s in range(start(p.segments, p.offsets, p.first), p.segments):
            if p.offsets[s] >= end:
                break
            group = 0 if is_null(p.which) else p.which[s]
            if group == FROZEN:
                continue
            values, row = read(p.hyper, group), min(group, ROWS)
            if group != latest:
                latest = group
                if (prepared >> row) & 1 != 0:
                    h = table[row]
                else:
                    h = table[row] = prepare(t, values)
                    prepared |= (1 << row) & (2**ROWS - 1)
            first, last = max(p.offsets[s], p.first), min(p.offsets[s + 1], end)
            if first < last and not rests(values):
                span(first - p.first, last - p.first, p.buffers, given(p, s, values, h, t), h)
        return 0
    return kernel


def norms_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """Partial sums of the blocks that begin in the plan's range; buffers must reach to the ends of the blocks."""
    viewed, read, begin = view(rule, dtype), element.values(rule), inline(first_segment)
    block, constants = block_sums(rule, dtype), element.constants(rule, dtype)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end = p.first + p.count
        for s in range(begin(p.segments, p.offsets, p.first), p.segments):
            first, last = p.offsets[s], p.offsets[s + 1]
            if first >= end:
                break
            if p.which[s] == FROZEN:
                continue
            h = constants(t, read(p.hyper, p.which[s]))
            skipped = max(p.first - first + BLOCK - 1, 0) // BLOCK         # blocks that begin before the range
            slot = 2 * (first // BLOCK + s + skipped)
            for start in range(first + skipped * BLOCK, min(last, end), BLOCK):
                stop = min(start + BLOCK, last)
                p.norms[slot], p.norms[slot + 1] = block(start - p.first, stop - p.first, p.buffers, h)
                slot += 2
        return 0
    return kernel


def init_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The first slots of a rule whose slots do not start at 0."""
    viewed, read = view(rule, dtype), element.values(rule)
    initial, constants = element.initial(rule, dtype), element.constants(rule, dtype)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        h = constants(1, read(p.hyper, 0))
        for i in range(np.uintp(p.count)):
            initial(i, p.buffers, h)
        return 0
    return kernel


@cached
def kernels(rule: Rule, dtype: str) -> dict[str, Callable[..., Any]]:
    """A rule's kernels by phase, as plain functions ``kernel(plan, t)`` that Numba compiles."""
    made = {"range": range_kernel, "norms": norms_kernel, "init": init_kernel}
    return {phase: made[phase](rule, dtype) for phase in abi.kernel_phases(rule)}
