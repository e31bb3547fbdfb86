"""The loop of noisy rules.

A thread takes four lanes of a tile, 16 elements in four runs 64 apart: four counters give their numbers and no others.
Tiles lie as the first group's offset has them; elements of a group that has them elsewhere, or that vectors cannot
take, each draw their own.
"""
from typing import Any

import numpy as np

from numoptim.kernels import element
from numoptim.kernels.compile import inline, specialise
from numoptim.kernels.random import LANES, TILE

from . import intrinsics, noise
from .intrinsics import block, blocks, thread, threads
from .loops import THREADS, Parts, group_of, has_row, vector

RUN = 4             # neighbours among the elements that a thread draws noise for
NEXT, UNITS = THREADS * RUN, LANES // RUN


@inline
def start_of(unit, shift):
    """The first element of a thread's unit."""
    return unit // UNITS * TILE - shift + RUN * (unit & (UNITS - 1))


def noisy(parts: Parts, complete: Any) -> Any:
    """The sweep of a noisy rule; complete: as in ``dense``."""
    from numba import float32
    update, scalar, width, segment_of, values_of = element.update(parts.rule, parts.dtype), parts.scalar, parts.width, \
        parts.segment_of, parts.values_of
    normals, normal = (specialise(function, np.float32, inline) for function in (noise.normals, noise.normal))
    shared_noise = intrinsics.shared_array(float32, 4 * RUN * THREADS, "shared_noise")

    def with_noise(i, buffers, extra, h):
        drawn, first = extra
        update(i, buffers, (scalar(drawn[first + THREADS * i]),), h)

    whole = vector(parts, inline(with_noise))

    def draw(drawn, counter, seed, t):
        # Number k of a thread stands at drawn[THREADS * k], where no two threads' numbers meet in one bank.
        for lane in range(RUN):
            k = thread() + THREADS * lane
            drawn[k], drawn[k + NEXT], drawn[k + 2 * NEXT], drawn[k + 3 * NEXT] = normals(counter + lane, seed, t)

    draw_all = inline(draw)

    def runs(start, buffers, h, own, t):
        drawn, place = shared_noise(), own.offset + start
        draw_all(drawn, place // TILE * LANES + (place & (LANES - 1)), own.seed, t)
        for run in range(4):
            for k in range(0, RUN, width):
                whole(start + LANES * run + k, buffers, (drawn, thread() + NEXT * run + THREADS * k), h)

    def single(i, page, groups, p, t, table, ready):
        s, last = segment_of(i, p)
        group = group_of(s, p)
        if i < last and has_row(group, page, groups, ready):
            own = values_of(p, group)
            h = complete((p, s), table[group - page])
            update(i, p.buffers, (scalar(normal(own.offset + i, own.seed, t)),), h)

    all_runs, one = inline(runs), inline(single)

    def sweep(page, groups, p, t, table, ready):
        shift = values_of(p, 0).offset & (TILE - 1)
        units, stride = (p.size + shift + TILE - 1) // TILE * UNITS, threads() * blocks()
        unit = threads() * block() + thread()
        while unit < units:
            start = start_of(unit, shift)
            s, last = segment_of(max(start, 0), p)
            group = group_of(s, p)
            if has_row(group, page, groups, ready):
                h, own = complete((p, s), table[group - page]), values_of(p, group)
                if p.vectors != 0 and shift & (RUN - 1) == 0 and (own.offset - shift) & (TILE - 1) == 0:
                    while start >= 0 and start + 3 * LANES + RUN <= last:
                        all_runs(start, p.buffers, h, own, t)
                        unit += stride
                        start = start_of(unit, shift)
            else:
                while start >= 0 and start + 3 * LANES + RUN <= last:
                    unit += stride
                    start = start_of(unit, shift)
            if start < last or start >= p.size:
                for e in range(4 * RUN):
                    i = start + e // RUN * LANES + (e & (RUN - 1))
                    if i >= 0 and i < p.size:
                        one(i, page, groups, p, t, table, ready)
                unit += stride
    return inline(sweep)
