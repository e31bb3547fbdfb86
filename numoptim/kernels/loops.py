"""The loops around an element: kernels for the processor, as functions of a plan.

A ``span`` updates elements first ... last - 1 of one segment under one set of constants. Indices are unsigned: an index
whose sign LLVM cannot prove keeps a loop scalar.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim import random
from numoptim.random import TILE
from numoptim.rule import Rule

from . import abi, common, element, intrinsics
from .abi import FLOAT, FROZEN
from .check import first_segment
from .compile import cached, inline, outline, specialise
from .intrinsics import apart, rare, unaliased
from .sums import advance_kernel, constants, grouped, sums_kernel
from .view import view

ROWS = 16           # sets of constants kept on the stack while segments alternate


# --- spans

@cached
def span(rule: Rule, dtype: str) -> Any:
    """A rule's ``span(first, last, buffers, extra, h)``."""
    return outline((noisy if rule.noisy else dense)(rule, dtype))


def dense(rule: Rule, dtype: str) -> Any:
    """``span(first, last, buffers, extra, h)``."""
    update = element.update(rule, dtype)

    def span(first, last, buffers, extra, h):
        apart(), unaliased()
        for j in range(last - first):
            update(np.uintp(first) + np.uintp(j), buffers, extra, h)
    return span


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
    return span


# --- kernels

def range_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update of all segments that the plan's range touches; without groups also of slots over them and over all."""
    viewed, read, start = view(rule, dtype), common.values(rule), inline(first_segment)
    _, lead, prepare, complete = constants(rule, dtype, len(rule.reductions))
    begun, ended, rows = rows_of(rule, dtype)
    rests, keep, keep_all = (common.rests(rule, dtype), common.keep(rule, dtype, "segment"),
                             common.keep(rule, dtype, "all"))
    update, given = span(rule, dtype), extra(rule.noisy)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        end, leading = p.first + p.count, lead(p, t)
        # The constants of the first ROWS groups are prepared once, however the segments alternate.
        table, made, latest = rows(), 0, FROZEN
        for s in range(start(p.segments, p.offsets, p.first), p.segments):
            if p.offsets[s] >= end:
                break
            group = p.which[s] if grouped(p) else 0
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
                update(first - p.first, last - p.first, p.buffers, given(p, values, t), ended(own))
                if not grouped(p):
                    keep((p, s), own)
        if not grouped(p):
            keep_all((p, 0), leading)
        return 0
    return kernel


def whole_kernel(rule: Rule, dtype: str) -> Callable[..., Any]:
    """The update of all elements of the buffers under one set of hyper-parameters, where a step is one pass."""
    viewed, read, rests = view(rule, dtype), common.values(rule), common.rests(rule, dtype)
    derived, narrow = common.derive(rule), common.narrow(rule, dtype)
    update, given = span(rule, dtype), extra(rule.noisy)

    def kernel(plan, t):
        rare()
        p = viewed(plan)
        values = read(p.hyper, 0)
        if not rests(values):
            update(np.int64(0), p.count, p.buffers, given(p, values, t), narrow(derived(t, values)))
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
