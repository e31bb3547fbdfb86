"""The kernels of sums over segments.

Each 64 threads take a block of 4,096 elements, one lane a thread. Then one block of threads for each segment adds the
segment's partial sums in their order and puts its ratio in the first one's place.
"""
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.kernels import element
from numoptim.kernels.abi import BLOCK
from numoptim.kernels.compile import inline
from numoptim.kernels.intrinsics import is_null
from numoptim.kernels.loops import LANES

from . import intrinsics
from .intrinsics import barrier, block, blocks, thread, threads
from .loops import THREADS, Parts, group_of, has_row, kernel

PIECE = 512         # partial sums in shared memory at a time
BLOCK_BITS = BLOCK.bit_length() - 1


def norms_kernel(parts: Parts) -> Callable[..., Any]:
    """Partial sums of all blocks of elements."""
    from numba import float64
    measured = element.measured(parts.rule, parts.dtype)
    shared_a, shared_b = (intrinsics.shared_array(float64, THREADS, f"shared_{name}_norms") for name in "ab")

    def segment_of_sum(place, p):
        # The last segment whose partial sums begin at or before this place among all.
        low, high = 0, p.segments
        while high - low > 1:
            middle = (low + high) // 2
            if (p.offsets[middle] >> BLOCK_BITS) + middle <= place:
                low = middle
            else:
                high = middle
        return low

    def add(i, buffers, h, a, b):
        x, y = measured(i, buffers, h)
        return a + np.float64(x) * np.float64(x), b + np.float64(y) * np.float64(y)

    segment_at, plus = inline(segment_of_sum), inline(add)

    def sum_lane(i, last, buffers, h):
        a = b = 0.0
        while i + 3 * LANES < last:
            a, b = plus(i, buffers, h, a, b)
            a, b = plus(i + LANES, buffers, h, a, b)
            a, b = plus(i + 2 * LANES, buffers, h, a, b)
            a, b = plus(i + 3 * LANES, buffers, h, a, b)
            i += 4 * LANES
        while i < last:
            a, b = plus(i, buffers, h, a, b)
            i += LANES
        return a, b

    def add_lanes(a, b, lane):
        barrier()
        half = LANES // 2
        while half > 0:
            if lane < half:
                a[thread()] += a[thread() + half]
                b[thread()] += b[thread() + half]
            barrier()
            half //= 2

    lane_sums, tree = inline(sum_lane), inline(add_lanes)

    def sweep(page, groups, p, t, table, ready):
        a, b = shared_a(), shared_b()
        teams, team, lane = threads() // LANES, thread() // LANES, thread() & (LANES - 1)
        sums = (p.size >> BLOCK_BITS) + p.segments
        base = block() * teams
        while base < sums:
            place, mine = base + team, False
            a[thread()] = b[thread()] = 0.0
            if place < sums:
                s = segment_at(place, p)
                first = p.offsets[s] + ((place - s - (p.offsets[s] >> BLOCK_BITS)) << BLOCK_BITS)
                last = min(first + BLOCK, p.offsets[s + 1])
                group = group_of(s, p)
                mine = first < last and has_row(group, page, groups, ready)
                if mine:
                    a[thread()], b[thread()] = lane_sums(first + lane, last, p.buffers, table[group - page])
            tree(a, b, lane)
            if mine and lane == 0:
                p.norms[2 * place], p.norms[2 * place + 1] = a[thread()], b[thread()]
            base += blocks() * teams
    return kernel(parts, "_norms", inline(sweep))


def trust_kernel(parts: Parts) -> Callable[..., Any]:
    """The ratio of every segment, of its partial sums."""
    from numba import float64
    viewed, values_of, usable, scalar = parts.view, parts.values_of, parts.usable, parts.scalar
    trust = element.mathematics(parts.rule, parts.dtype).trust
    shared_a, shared_b = (intrinsics.shared_array(float64, PIECE, f"shared_{name}_trust") for name in "ab")

    def sum_blocks(count, first, norms):
        # Threads fetch a piece of the partial sums, the first one adds it.
        a, b, x, y = shared_a(), shared_b(), 0.0, 0.0
        for start in range(0, count, PIECE):
            k, end = thread(), min(PIECE, count - start)
            while k < end:
                a[k], b[k] = norms[first + 2 * (start + k)], norms[first + 2 * (start + k) + 1]
                k += threads()
            barrier()
            if thread() == 0:
                for j in range(end):
                    x += a[j]
                    y += b[j]
            barrier()
        return x, y

    sums = inline(sum_blocks)

    def kernel(given):
        p = viewed(given)
        t = p.t if is_null(p.step) else p.step[0]
        groups = 1 if is_null(p.hyper) else p.groups
        s = block()
        while s < p.segments:
            first = 2 * ((p.offsets[s] >> BLOCK_BITS) + s)
            count = (p.offsets[s + 1] - p.offsets[s] + BLOCK - 1) >> BLOCK_BITS
            group = group_of(s, p)
            if group < 0 or group >= groups:                      # a frozen segment has no partial sums
                count = 0
            x, y = sums(count, first, p.norms)
            if thread() == 0 and count > 0:
                values = values_of(p, group)
                if usable(values, t):
                    p.norms[first] = scalar(trust(math.sqrt(x), math.sqrt(y), values))
            s += blocks()
        return 0
    return kernel
