"""Sums over segments, or over all of them, and the slots that have as few numbers: kernels for the processor."""
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.rule import Reduction, Rule

from . import abi, common, element, intrinsics
from .abi import BLOCK, FROZEN
from .check import segment_at
from .compile import cached, inline, outline
from .intrinsics import added, apart, is_null, load, put, rare, store, unaliased
from .view import view

LANES = 64


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
    """``sums(p, s, h, total)``: a total and those of reduction k over a segment, block by block.

    They are the partial sums in the plan; without, those of its elements.
    """
    reduction, width, column = rule.reductions[k], abi.columns(rule)[-1], abi.columns(rule)[k]
    block, partial = block_sums(rule, dtype, reduction), intrinsics.neighbours(len(reduction.sums))

    def sums(p, s, h, total):
        first, last = p.offsets[s], p.offsets[s + 1]
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
    finish, none = common.finish(rule, rule.reductions[k]), (0.0,) * len(rule.reductions[k].sums)

    def step(place, values):
        p, s = place
        return finish(sums(p, s, narrow(values), none), values)
    return inline(step)


def over_all(rule: Rule, dtype: str, k: int) -> Any:
    """``step((p, 0), V) -> V`` with the results of reduction k over all segments but frozen ones, in order.

    Blocks are added one after the other, so that a parameter cut at their borders has the sums of the whole.
    """
    sums, narrow = segment_sums(rule, dtype, k), common.narrow(rule, dtype)
    finish = common.finish(rule, rule.reductions[k])
    none = (0.0,) * len(rule.reductions[k].sums)

    def step(place, values):
        p, _ = place
        total, h = none, narrow(values)
        for s in range(p.segments):
            if is_null(p.which) or p.which[s] != FROZEN:
                total = sums(p, s, h, total)
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

def sums_kernel(rule: Rule, dtype: str, k: int) -> Callable[..., Any]:
    """Partial sums of reduction k, of the blocks that begin in the plan's range; buffers must reach to their ends."""
    viewed, read, begin = view(rule, dtype), common.values(rule), segment_at()
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
