"""The kernels of sums over segments, or over all of them, and of slots that have as few numbers.

Each 64 threads take a block of 4,096 elements, one lane a thread. Then one block of threads for each segment adds the
segment's partial sums in their order and puts what they give, or their sum over all, in the first ones' place.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.kernels import abi, common, element
from numoptim.kernels.abi import BLOCK, FROZEN
from numoptim.kernels.compile import inline, specialise
from numoptim.kernels.intrinsics import added, is_null, load, neighbours, put, store
from numoptim.kernels.sums import LANES

from . import intrinsics
from .intrinsics import barrier, block, blocks, thread, threads
from .loops import THREADS, Parts, group_of, has_row, kernel

PIECE = 512         # partial sums in shared memory at a time
BLOCK_BITS = BLOCK.bit_length() - 1


def place_of(parts: Parts, k: int) -> Any:
    """``place(block)``: where the numbers of reduction k, of a block of elements, begin in ``norms``."""
    width, column = abi.columns(parts.rule)[-1], abi.columns(parts.rule)[k]

    def place(block):
        return width * block + column
    return inline(place)


def results_of(parts: Parts, k: int, known: Any, kind: Any) -> Any:
    """``step((p, s), x) -> x``, a tuple of type ``known``, with the results of reduction k that ``trust_kernel`` wrote.

    s: the segment, or 0 where the reduction is over all.
    """
    results, place = parts.rule.reductions[k].results, place_of(parts, k)
    read, with_results = neighbours(len(results)), common.replaced(known, results, kind=kind)

    def step(where, x):
        p, s = where
        return with_results(x, read(p.norms, place((p.offsets[s] >> BLOCK_BITS) + s)))
    return inline(step)


def constants(parts: Parts, count: int) -> common.Constants:
    """common.constants, for the first ``count`` reductions."""
    known = common.values_type(parts.rule)
    return common.constants(parts.rule, count, parts.values_of, grouped,
                             lambda k: results_of(parts, k, known, np.float64))


def completed(parts: Parts, count: int) -> Any:
    """``completed((p, s), H) -> H``: what ``Constants.complete`` adds, to what is kept of a group as H."""
    known, reductions = common.constants_type(parts.rule), parts.rule.reductions[:count]
    return common.chained([common.recall(parts.rule, "segment", known, parts.scalar),
                            *(results_of(parts, k, known, parts.scalar) for k, reduction in enumerate(reductions)
                              if reduction.over == "segment")])


@inline
def grouped(p):
    return not is_null(p.hyper)


@inline
def segment_of_sum(place, p):
    """The last segment whose partial sums begin at or before this place among all."""
    low, high = 0, p.segments
    while high - low > 1:
        middle = (low + high) // 2
        if (p.offsets[middle] >> BLOCK_BITS) + middle <= place:
            low = middle
        else:
            high = middle
    return low


@inline
def add_lanes(lanes, lane):
    """Leave the sums of LANES neighbouring threads with the first of them."""
    barrier()
    half = LANES // 2
    while half > 0:
        if lane < half:
            store(lanes, thread(), added(load(lanes, thread()), load(lanes, thread() + half)))
        barrier()
        half //= 2


def norms_kernel(parts: Parts, k: int, suffix: str) -> Callable[..., Any]:
    """Partial sums of reduction k, of all blocks of elements."""
    from numba import float64
    terms = element.terms(parts.rule, parts.dtype, parts.rule.reductions[k])
    none = (0.0,) * len(parts.rule.reductions[k].sums)
    complete, place_of_block = completed(parts, k), place_of(parts, k)
    shared_lanes = intrinsics.shared_arrays(float64, THREADS, [f"shared_{c}{suffix}" for c in range(len(none))])

    def sum_lane(i, last, buffers, h):
        total = none
        while i + 3 * LANES < last:
            total = added(total, terms(i, buffers, h))
            total = added(total, terms(i + LANES, buffers, h))
            total = added(total, terms(i + 2 * LANES, buffers, h))
            total = added(total, terms(i + 3 * LANES, buffers, h))
            i += 4 * LANES
        while i < last:
            total = added(total, terms(i, buffers, h))
            i += LANES
        return total

    lane_sums = inline(sum_lane)

    def sweep(page, groups, p, t, table, ready):
        lanes, teams, team, lane = shared_lanes(), threads() // LANES, thread() // LANES, thread() & (LANES - 1)
        sums = (p.size >> BLOCK_BITS) + p.segments
        base = block() * teams
        while base < sums:
            place, mine = base + team, False
            store(lanes, thread(), none)
            if place < sums:
                s = segment_of_sum(place, p)
                first = p.offsets[s] + ((place - s - (p.offsets[s] >> BLOCK_BITS)) << BLOCK_BITS)
                last = min(first + BLOCK, p.offsets[s + 1])
                group = group_of(s, p)
                mine = first < last and has_row(group, page, groups, ready)
                if mine:
                    h = complete((p, s), table[group - page])
                    store(lanes, thread(), lane_sums(first + lane, last, p.buffers, h))
            add_lanes(lanes, lane)
            if mine and lane == 0:
                put(p.norms, place_of_block(place), load(lanes, thread()))
            base += blocks() * teams
    return kernel(parts, suffix, inline(sweep), constants(parts, k), summable(parts, k))


def summable(parts: Parts, k: int) -> Any:
    """Whose elements reduction k sums: one over all has a part of segments that the step leaves as they are."""
    return parts.summable if parts.rule.reductions[k].over == "all" else parts.usable


def trust_kernel(parts: Parts, k: int, suffix: str) -> Callable[..., Any]:
    """What the partial sums of reduction k give for every segment, or for all, in the place of the first ones."""
    from numba import float64
    viewed, values_of, usable, reduction = parts.view, parts.values_of, summable(parts, k), parts.rule.reductions[k]
    finish, over_all = specialise(reduction.finish, None, inline), reduction.over == "all"
    first_of_all, lead, prepare, complete = constants(parts, k)
    none, partial, place = (0.0,) * len(reduction.sums), neighbours(len(reduction.sums)), place_of(parts, k)
    shared = intrinsics.shared_arrays(float64, PIECE, [f"shared_{c}{suffix}" for c in range(len(none))])

    def sum_blocks(blocks_of_segment, first, p, own):
        # Threads fetch a piece of the partial sums, the first one adds it.
        pieces = shared()
        for start in range(0, blocks_of_segment, PIECE):
            j, end = thread(), min(PIECE, blocks_of_segment - start)
            while j < end:
                store(pieces, j, partial(p.norms, place(first + start + j)))
                j += threads()
            barrier()
            if thread() == 0:
                for j in range(end):
                    own = added(own, load(pieces, j))
            barrier()
        return own

    sums = inline(sum_blocks)

    def kernel(given):
        p = viewed(given)
        t = p.t if is_null(p.step) else p.step[0]
        groups = 1 if is_null(p.hyper) else p.groups
        s, stride, total = (0, 1, none) if over_all else (block(), blocks(), none)
        while s < p.segments and (not over_all or block() == 0):
            first = (p.offsets[s] >> BLOCK_BITS) + s
            count = (p.offsets[s + 1] - p.offsets[s] + BLOCK - 1) >> BLOCK_BITS
            group = group_of(s, p)
            if group < 0 or group >= groups:                      # a frozen segment has no partial sums
                count = 0
            own = sums(count, first, p, total)
            if thread() == 0 and count > 0 and usable(values_of(p, group), t):
                if over_all:
                    total = own
                else:
                    values = values_of(p, group)
                    known = complete((p, s), prepare(p, t, values, lead(p, t)))
                    put(p.norms, place(first), finish(*own, known))
            s += stride
        if over_all and block() == 0:
            barrier()
            if thread() == 0:
                put(p.norms, place(0), finish(*total, first_of_all(p, t)))
        return 0
    return kernel


def advance_kernel(parts: Parts) -> Callable[..., Any]:
    """The new values of slots over segments and over all, by the first block; without elements they stay."""
    viewed, values_of, usable, layerwise = parts.view, parts.values_of, parts.usable, parts.rule.layerwise
    _, lead, prepare, complete = constants(parts, len(parts.rule.reductions))
    keep, keep_all = (common.keep(parts.rule, parts.dtype, scope) for scope in ("segment", "all"))

    def kernel(given):
        p = viewed(given)
        if block() != 0 or p.size == 0:            # another block would read what the first one writes
            return 0
        t = p.t if is_null(p.step) else p.step[0]
        groups = 1 if is_null(p.hyper) else p.groups
        leading, s = lead(p, t), thread()
        while layerwise and s < p.segments:
            group = group_of(s, p)
            if group >= 0 and group < groups and p.offsets[s] < p.offsets[s + 1]:
                values = values_of(p, group)
                if usable(values, t):
                    keep((p, s), complete((p, s), prepare(p, t, values, leading)))
            s += threads()
        barrier()
        if thread() == 0:
            group = common.first_group(p, grouped(p))
            if group != FROZEN and usable(values_of(p, group), t):
                keep_all((p, 0), leading)
        return 0
    return kernel
