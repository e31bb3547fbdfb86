"""The loops of GPU kernels around an element, as functions of a kernel's parameters.

Every kernel of a rule has the same parameters. Its threads go through the buffers with a stride of the whole grid,
so that any grid computes the same bits.

A step's constants stand in shared memory, one row for each of ROWS groups: each thread prepares rows, in float64.
Where there are more groups, the buffers are gone through once for each page of them.
"""
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.kernels import abi, common, element
from numoptim.kernels.abi import FLOAT
from numoptim.kernels.check import segment_at, within
from numoptim.kernels.compile import inline
from numoptim.kernels.intrinsics import each, is_null
from numoptim.rule import Rule

from . import intrinsics
from .intrinsics import barrier, block, blocks, thread, threads
from .parameters import view

THREADS = 256       # of a block, at most
ROWS = 64           # groups whose constants are in shared memory at a time
VECTOR = 16         # bytes of the widest access


class Parts:
    """What the kernels of a rule for one type are made of."""

    def __init__(self, rule: Rule, dtype: str) -> None:
        from numba import from_dtype
        self.rule, self.scalar, self.number = rule, FLOAT[dtype].type, from_dtype(FLOAT[dtype])
        self.dtype, self.width = dtype, VECTOR // FLOAT[dtype].itemsize
        self.view, self.lift = view(rule, dtype), intrinsics.lift(self.width)
        self.values_of, self.segment_of = values_of(rule), segment_of(rule.layerwise)
        self.usable, self.summable = usable(rule, dtype), usable(rule, dtype, resting=True)


def values_of(rule: Rule) -> Any:
    """``values_of(p, group)``: the kernel's own hyper-parameters, or those of one C struct in an array of them."""
    read = common.values(rule)

    def values(p, group):
        if is_null(p.hyper):
            return p.own
        return read(p.hyper, group)
    return inline(values)


def usable(rule: Rule, dtype: str, resting: bool = False) -> Any:
    """``usable(values, t)``: whether a step with these numbers is made; resting: also one that changes nothing."""
    rests = inline(lambda values: False) if resting else common.rests(rule, dtype)
    fits = each([_fits(k, *row) for k, row in enumerate(abi.bounds(rule, dtype, "range").tolist())])

    def usable(values, t):
        good = t >= 1 and not rests(values)
        for one_fits in fits(values):
            good = good and one_fits
        return good
    return inline(usable)


def _fits(k: int, least: int, most: int, flip: int, zero: int) -> Any:
    """Whether number k lies between its bounds."""
    lies = inline(within)
    if flip:
        def fits(values):
            return lies(np.float64(values[k]).view(np.int64), least, most, flip, zero)
    else:
        def fits(values):
            return lies(values[k], least, most, flip, zero)
    return inline(fits)


def segment_of(several: bool) -> Any:
    """``segment_of(i, p)``: the segment of element i, and where it ends: beyond i, so that no table keeps a thread.

    several: there is a table of segments without groups, too.
    """
    start = segment_at()

    def segment(i, p):
        if not several and is_null(p.hyper):
            return 0, p.size
        s = start(p.segments, p.offsets, i)
        return s, max(min(p.offsets[s + 1], p.size), i + 1)
    return inline(segment)


@inline
def group_of(s, p):
    return 0 if is_null(p.hyper) else p.which[s]


@inline
def has_row(group, page, groups, ready):
    return page <= group and group < min(groups, page + ROWS) and ready[group - page] != 0


def kernel(parts: Parts, suffix: str, sweep: Any, constants: common.Constants,
           usable: Any, one_step: bool = False) -> Callable[..., Any]:
    """A kernel: ``sweep(page, groups, p, t, table, ready)`` is what it does under one page of constants.

    usable: of which groups. one_step: the number of the step plays no part.
    """
    from numba import int32, types
    known, narrow = common.constants_type(parts.rule), common.narrow(parts.rule, parts.dtype)
    _, lead, prepare, _ = constants
    viewed, values_of = parts.view, parts.values_of
    rows = types.NamedUniTuple(parts.number, len(known._fields), known)
    # Every kernel has its own, or each would occupy what all of a rule take.
    shared_table = intrinsics.shared_array(rows, ROWS, f"shared_table{suffix}")
    shared_flags = intrinsics.shared_array(int32, ROWS, f"shared_flags{suffix}")

    def kernel(given):
        p = viewed(given)
        t = p.t if is_null(p.step) else p.step[0]
        groups = 1 if is_null(p.hyper) else p.groups
        prepared_for = 1 if one_step else t
        leading = lead(p, prepared_for)
        table, ready = shared_table(), shared_flags()
        for page in range(0, groups, ROWS):
            row, end = thread(), min(groups - page, ROWS)
            while row < end:
                values = values_of(p, page + row)
                ready[row] = np.int32(0)
                if usable(values, prepared_for):
                    table[row] = narrow(prepare(p, prepared_for, values, leading))
                    ready[row] = np.int32(1)
                row += threads()
            barrier()
            sweep(page, groups, p, t, table, ready)
            barrier()
        return 0
    return kernel


# --- elements: a vector of ``width`` elements, 128 bits, at a time; one by one where a vector crosses a border of
# segments or of the buffers, or buffers are not aligned to 16 bytes

def repeated(one: Any, count: int) -> Any:
    """``f(buffers, extra, h)``: ``one(i, buffers, extra, h)`` for i = 0 ... count - 1."""
    if count == 0:
        def nothing(buffers, extra, h):
            pass
        return inline(nothing)
    before, last = repeated(one, count - 1), count - 1

    def several(buffers, extra, h):
        before(buffers, extra, h)
        one(last, buffers, extra, h)
    return inline(several)


def vector(parts: Parts, one: Any, kept: int = 0) -> Any:
    """``vector(at, buffers, extra, h)``: ``one`` for a vector. kept: how many of the first buffers it only reads."""
    lift, elements = parts.lift, repeated(one, parts.width)
    lower = intrinsics.lower(parts.width, [k for k, role in enumerate(element.roles(parts.rule, parts.dtype))
                                           if role.written and k >= kept])

    def vector(at, buffers, extra, h):
        own = lift(buffers, at)
        elements(own, extra, h)
        lower(own, buffers, at)
    return inline(vector)


def dense(parts: Parts, one: Any, complete: Any, kept: int = 0, alone: bool = False) -> Any:
    """The sweep of ``one(i, buffers, (), complete((p, s), h))`` over all elements; kept: as in ``vector``.

    alone: of a segment only the group plays a part.
    """
    width_of_vector, whole = parts.width, vector(parts, one, kept)
    place_of = segment_of(parts.rule.layerwise and not alone)

    def beyond(i, last, width, stride):
        # The first of a thread's elements from i on that is not below last.
        unit = i - (i & (width - 1))
        while unit + width <= last:
            unit += stride
        return max(unit, last)

    skip = inline(beyond)

    def sweep(page, groups, p, t, table, ready):
        width = width_of_vector if p.vectors != 0 else 1
        stride = width * threads() * blocks()
        i = width * (threads() * block() + thread())
        while i < p.size:
            s, last = place_of(i, p)
            group = group_of(s, p)
            if not has_row(group, page, groups, ready):
                i = skip(i, last, width, stride)
                continue
            h = complete((p, s), table[group - page])
            if width == width_of_vector and i & (width_of_vector - 1) == 0:
                while i + width_of_vector <= last:
                    whole(i, p.buffers, (), h)
                    i += stride
            while i < last:
                one(i, p.buffers, (), h)
                i += 1
                if i & (width - 1) == 0:
                    i += stride - width
                    if width == width_of_vector:
                        break
    return inline(sweep)
