"""The check before a kernel runs: one function for all rules, which goes through a table of what they accept."""
from typing import Any

from . import abi, intrinsics
from .abi import (
    EVERY_BIT,
    FROZEN,
    GROUPS_BIT,
    HYPER,
    MOST,
    NORMS_BIT,
    NULL,
    SIZE,
    STEP,
    STEP_BIT,
    SUMS_BIT,
    TABLE,
    TABLE_BIT,
)
from .compile import cached, inline, outline
from .intrinsics import is_null

EVERY_BUFFER, BUFFERS_AT = 2**abi.PLAN[-1].length - 1, 8 * (len(abi.PLAN) - 1)


def first_segment(segments, offsets, element):
    """The last segment that begins at or before an element; of a bad table some segment."""
    low, high = 0, segments
    while high - low > 1:
        middle = (low + high) // 2
        if offsets[middle] <= element:
            low = middle
        else:
            high = middle
    return low


@cached
def segment_at() -> Any:
    """``first_segment``, for other functions of kernels."""
    return inline(first_segment)


def within(word, least, most, flip, zero):
    """Whether the 8 bytes of a hyper-parameter, as an int64, are a number between its bounds (abi.BOUND)."""
    key = word ^ (word >> 63 & flip)
    return (least <= key and key <= most) or (zero != 0 and word & zero == 0)


def fitting() -> Any:
    """``fits(bounds, fields, words)``: whether all hyper-parameters of a struct lie between their bounds."""
    from numba import from_dtype
    bound_at, lies = intrinsics.record_at(from_dtype(abi.BOUND)), inline(within)

    def fits(bounds, fields, words):
        for k in range(fields):
            bound = bound_at(bounds, k)
            if not lies(words[k], bound.least, bound.most, bound.flip, bound.zero):
                return False
        return True
    return inline(fits)


def covering(table_at: Any) -> Any:
    """``covers(plan, groups, every, sums)``: whether the table of segments is one for the range, or for every segment.

    sums: where segments begin and end is read of all of them, their groups where the range touches them.
    """
    start = segment_at()

    def covers(plan, groups, every, sums):
        offsets, which, k = table_at(plan.offsets), table_at(plan.which), plan.segments
        end = plan.first + plan.count
        if groups and (k == 0 or offsets[0] != 0 or offsets[k] < end):
            return False
        first = 0 if every else start(k, offsets, plan.first)
        for s in range(0 if sums else first, k):
            touched = every or (s >= first and offsets[s] < end)
            if not touched and not sums:
                break
            if not 0 <= offsets[s] <= offsets[s + 1] or (groups and (
                    offsets[s + 1] > offsets[k] or (touched and not FROZEN <= which[s] < plan.groups))):
                return False
        return True
    return inline(covers)


@cached
def checking() -> Any:
    """``check(plan, t, bounds, fields, needed)``: a status, before anything is read or written but the plan's tables.

    bounds: abi.BOUND for each of the ``fields``; needed: abi.Phase. Reads the table of segments where the range touches
    it, and all of it where there are no groups or the phase is of every segment; where it reads sums over all of them,
    of the others where they begin and end.
    """
    from numba import from_dtype, int64, types
    table_at, plan_at = intrinsics.at_address(types.CPointer(int64)), intrinsics.address_of(from_dtype(abi.PLAN_DTYPE))
    fits, covers = fitting(), covering(table_at)

    def check(plan, t, bounds, fields, needed):
        if is_null(plan):
            return NULL
        # Of the smallest and the largest: sums cannot wrap.
        table = needed & TABLE_BIT != 0
        if not 0 <= plan.count | (plan.first | plan.segments | plan.groups if table else 0) < MOST:
            return SIZE
        if needed & STEP_BIT != 0 and t < 1:
            return STEP
        if plan.hyper == 0:
            return NULL
        for group in range(plan.groups if needed & GROUPS_BIT else 1):
            if not fits(bounds, fields, table_at(plan.hyper + 8 * fields * group)):
                return HYPER
        if plan.count == 0:
            return 0
        if (table and plan.offsets == 0) or (needed & GROUPS_BIT != 0 and plan.which == 0):
            return NULL
        buffers = table_at(plan_at(plan) + BUFFERS_AT)
        bits, k = needed & EVERY_BUFFER, 0
        while bits != 0:
            if bits & 1 and buffers[k] == 0:
                return NULL
            bits, k = bits >> 1, k + 1
        groups = needed & GROUPS_BIT != 0
        every = not groups or (needed & EVERY_BIT != 0 and plan.first == 0)
        if table and not covers(plan, groups, every, needed & SUMS_BIT != 0):
            return TABLE
        return NULL if needed & NORMS_BIT != 0 and plan.norms == 0 else 0

    return check


@cached
def checker() -> Any:
    """``checking`` as one function of this process, whichever kernels call it."""
    return outline(checking())
