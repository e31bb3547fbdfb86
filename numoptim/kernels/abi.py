"""What kernels are called with, as data: from it follow NumPy's and Numba's records, the C structs and cffi's text.

Every kernel is ``int32 kernel(const plan *, int64 t)`` and returns 0: its plan has been checked before (check.py).
"""
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from numoptim.rule import MOST_SLOTS, Rule, Scope
from numoptim.rule.hyperparameters import Interval

FLOAT: dict[str, np.dtype[Any]] = {"f32": np.dtype(np.float32), "f64": np.dtype(np.float64)}

# Statuses of the C entries; 0 is success.
STATUS = {
    -1: "null pointer",
    -2: "size, offset or count negative, or 2**60 or more",
    -3: "step t below 1",
    -4: "hyper-parameter NaN or out of range",
    -5: "segment table does not cover the range, decreases, or names a missing group",
    -6: "instruction set not available",
}
NULL, SIZE, STEP, HYPER, TABLE, _ = STATUS
FROZEN = -1         # group of a segment that a step leaves alone
BLOCK = 4096        # elements per partial sum of a norm; blocks never cross a segment
MOST = 2**60        # elements, segments and groups are fewer: no memory holds as many, and their sums do not overflow
MOST_REDUCTIONS = 3                                # that C's descriptors have room for


class Word(NamedTuple):
    """A field of a plan: 8 bytes, or an array of so many of them."""

    name: str
    kind: str                       # in C
    comment: str = ""
    length: int = 1


# New fields come behind these: who fills in a plan of today has none of them, and kernels of today read none.
PLAN = (
    Word("first", "int64_t ", "elements [first, first + count) of a flat buffer"),
    Word("count", "int64_t "),
    Word("segments", "int64_t "),
    Word("offsets", "const int64_t *", "segments + 1"),
    Word("which", "const int64_t *", "group of each segment, or NUMOPTIM_FROZEN"),
    Word("groups", "int64_t "),
    Word("hyper", "const void *", "the rule's struct, once for each group"),
    Word("norms", "double *", "of layer-wise rules, shared by all plans of a buffer; others: null"),
    Word("buffers", "void *", "w, g, slots in order, those of elements from `first` on", 2 + MOST_SLOTS),
)
# On a GPU, where a kernel's parameters are these words and the hyper-parameters by value (cuda/loops.py).
DEVICE_PLAN = (
    Word("size", "int64_t ", "elements of each buffer"),
    Word("segments", "int64_t "),
    Word("offsets", "const int64_t *", "segments + 1: 0 first, size last; null where hyper is, unless layer-wise"),
    Word("which", "const int64_t *", "group of each segment, or NUMOPTIM_FROZEN; null where hyper is"),
    Word("groups", "int64_t "),
    Word("hyper", "const void *", "the rule's struct, once for each group; null: the call's h, for all segments"),
    Word("step", "const int64_t *", "the number of the step; null: the call's t"),
    Word("norms", "double *", "sums*(size/NUMOPTIM_BLOCK + segments) of layer-wise rules; others: null"),
    Word("buffers", "void *", "w, g, slots in order", 2 + MOST_SLOTS),
)
PLAN_DTYPE = np.dtype([(word.name, "i8", *([(word.length,)] if word.length > 1 else [])) for word in PLAN], align=True)


@functools.cache
def hyper_dtype(rule: Rule) -> "np.dtype[Any]":
    """Layout of a rule's C struct: float64 and int64 fields in the order of ``rule.fields``."""
    return np.dtype([(key, "i8" if isinstance(default, int) else "f8")
                     for key, (default, _) in rule.fields.items()], align=True)


def least_rate(scalar: "np.dtype[Any]") -> float:
    """The learning rate below which rules that divide by it rest: smaller ones' reciprocals leave floats no room.

    Room for a factor of 1/eps: what is divided is a weight or gradient times a few constants, not 1.
    """
    info = np.finfo(scalar)
    return 1.0 / (float(info.eps) * float(info.max))


# --- phases of a step

class Phase(NamedTuple):
    """What a plan must have for a kernel. buffers: bits of those that are read or written."""

    buffers: int
    step: bool                      # t is the number of a step
    table: bool                     # the segments are the caller's
    groups: bool                    # each has a group; else there is one set of hyper-parameters for all
    norms: bool
    every: bool = False             # of the range that begins at 0 all segments
    sums: bool = False              # it reads sums over all segments, and so where these are

    @property
    def needed(self) -> int:
        """As one number, for check.py."""
        bits = zip((STEP_BIT, TABLE_BIT, GROUPS_BIT, NORMS_BIT, EVERY_BIT, SUMS_BIT), self[1:], strict=True)
        return self.buffers | sum(bit for bit, wanted in bits if wanted)


STEP_BIT, TABLE_BIT, GROUPS_BIT, NORMS_BIT, EVERY_BIT, SUMS_BIT = (1 << k for k in range(16, 22))


def sums_phases(rule: Rule) -> tuple[str, ...]:
    """The phases of a step that sum, one for each reduction: norms, norms2, norms3 ..."""
    return tuple(f"norms{k if k > 1 else ''}" for k in range(1, 1 + len(rule.reductions)))


def phases(rule: Rule) -> tuple[str, ...]:
    """What a step on ranges consists of: phases each over all ranges before the next."""
    return (*sums_phases(rule), "range", *(["advance"] if rule.slots_over("segment", "all") else []))


def kernel_phases(rule: Rule) -> tuple[str, ...]:
    """The phases that a rule has a kernel for; "whole": all elements at once, where a step is one phase."""
    return (*phases(rule), *(["whole"] if phases(rule) == ("range",) else []), *(["init"] if rule.inits else []))


def places(rule: Rule, *scopes: Scope) -> list[int]:
    """Where among a plan's buffers those of the slots of these scopes are."""
    return [2 + k for k, slot in enumerate(rule.slots) if slot in rule.slots_over(*scopes)]


def columns(rule: Rule) -> list[int]:
    """Where each reduction's numbers begin among those of a block of elements in ``norms``; then how many there are.

    On a GPU its results take the place of its sums, in the first block of a segment.
    """
    widths = [max(len(reduction.sums), len(reduction.results)) for reduction in rule.reductions]
    return [sum(widths[:k]) for k in range(len(widths) + 1)]


def norms_size(rule: Rule, size: int, segments: int) -> int:
    """How many numbers ``norms`` has."""
    return columns(rule)[-1] * (size // BLOCK + segments)


def phase(rule: Rule, name: str) -> Phase:
    """What the kernel of a phase needs; "whole": of "range" for buffers with one group, without norms."""
    every = (1 << (2 + len(rule.slots))) - 1
    scoped = sum(1 << place for place in places(rule, "segment", "all"))
    if name == "init":
        return Phase(every & ~2 & ~scoped, step=False, table=False, groups=False, norms=False)
    ranged, advances = name != "whole", name == "advance"
    summed = rule.reductions[:phases(rule).index(name)] if ranged else ()
    return Phase(scoped if advances else every, step=True, table=ranged or rule.layerwise, groups=ranged,
                 norms=ranged and rule.layerwise, every=advances, sums=any(each.over == "all" for each in summed))


# --- intervals of hyper-parameters, as a table that check.py goes through

BOUND = np.dtype([("least", "i8"), ("most", "i8"), ("flip", "i8"), ("zero", "i8")])


def ordered(x: float) -> int:
    """A float64 as an integer: in the order of the numbers, -0.0 just below 0.0 and NaN beyond the infinities."""
    bits = int(np.float64(x).view(np.int64))
    return bits ^ (bits >> 63 & FLIP)


def number_of(key: int) -> float:
    """The float64 whose ``ordered`` it is."""
    return float(np.int64(key ^ (key >> 63 & FLIP)).view(np.float64))


FLIP = 2**63 - 1


def bounds(rule: Rule, dtype: str, phase: str) -> "np.ndarray[Any, np.dtype[Any]]":
    """For each field the least and the greatest number that kernels take, in the order of its numbers.

    Floats are compared as ``ordered`` integers. ``zero``: the bits that 0 has not; 0 where it is not accepted besides.
    """
    table = np.zeros(len(rule.fields), BOUND)
    for row, (key, (default, text)) in zip(table, rule.fields.items(), strict=True):
        interval = Interval.parse(text)
        if phase == "init" and rule.needs_rate and key == "learning_rate":
            interval = interval._replace(low=least_rate(FLOAT[dtype]), closed_low=True)
        integer = isinstance(default, int)
        ends = _integer_ends(interval) if integer else _float_ends(interval, FLOAT[dtype])
        row["least"], row["most"] = ends
        row["flip"] = 0 if integer else FLIP
        row["zero"] = (-1 if integer else FLIP) * interval.or_zero
    return table


def _integer_ends(interval: Interval) -> tuple[int, int]:
    inside = interval._replace(or_zero=False)
    return _search(lambda k: k > inside.low or (inside.closed_low and k == inside.low), -2**63, 2**63 - 1), \
        -_search(lambda k: -k < inside.high or (inside.closed_high and -k == inside.high), -2**63 + 1, 2**63)


def _float_ends(interval: Interval, scalar: "np.dtype[Any]") -> tuple[int, int]:
    """What is rounded onto a closed end is inside, onto an open one outside."""
    def rounded(x: float) -> float:
        with np.errstate(over="ignore", under="ignore"):
            return float(scalar.type(x))

    low, high = rounded(interval.low), rounded(interval.high)

    def above(key: int) -> bool:
        x = number_of(key)
        return x >= interval.low if interval.closed_low else rounded(x) > low

    def below(key: int) -> bool:
        x = number_of(-key)
        return x <= interval.high if interval.closed_high else rounded(x) < high

    infinity = ordered(np.inf)
    return _search(above, ordered(-np.inf), infinity), -_search(below, -infinity, -ordered(-np.inf))


def _search(accepts: Callable[[int], bool], low: int, high: int) -> int:
    """The least integer from low to high that is accepted, as are all above it; high where none is."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if accepts(middle) else (middle + 1, high)
    return low
