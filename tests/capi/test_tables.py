"""Bad tables of segments, in every rule and entry: a status, nothing written, nothing read that is not there."""
import mmap

import numpy as np
import pytest
from library import FFI, LIB, NULL, entry, function, plan, pointer
from reference import (
    FLOAT,
    counts,
    each_dtype,
    each_rule,
    norms_for,
    phases,
    records,
    same_bits,
    values,
    whole_ones,
)

from numoptim.kernels.abi import places
from numoptim.rules import RULES

SIZE, TABLE, SIZE_STATUS = 40, -5, -2
MOST = 2**60
NO_RESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000)          # of Linux; Python names it from 3.13 on
LAYERWISE = [rule for rule in RULES if rule.layerwise]
BAD = [(1, -1), (1, -2**63), (1, 41), (1, 2**63 - 1), (2, 9), (2, -1), (2, -2**63), (2, 41), (2, 2**62), (2, 2**63 - 1),
       (3, 19), (3, -2**63), (3, 2**63 - 1), (0, -1), (0, -2**63)]


class Buffers:
    """Four segments of ten elements, one group, and every buffer a range takes."""

    def __init__(self, rule, dtype):
        rng = np.random.default_rng(2)
        self.rule, self.dtype = rule, dtype
        self.offsets, self.which = np.array([0, 10, 20, 30, SIZE]), np.zeros(4, np.int64)
        self.hyper = records(rule, [values(rule)])
        self.buffers = [rng.random(count).astype(np.float64 if k in whole_ones(rule) else FLOAT[dtype])
                        for k, count in enumerate(counts(rule, SIZE, 4))]
        self.norms = norms_for(rule, self.offsets)
        self.before = [b.copy() for b in self.buffers]

    def ranged(self, suffix, first=0, count=SIZE, segments=4, groups=1):
        norms = [pointer(self.norms)] if self.rule.layerwise else []
        return function(self.rule, self.dtype, suffix)(
            first, count, segments, pointer(self.offsets), pointer(self.which), groups, pointer(self.hyper), *norms,
            *(pointer(b if k in whole_ones(self.rule) else b[min(max(first, 0), SIZE):])
              for k, b in enumerate(self.buffers)), 1)

    def planned(self, suffix, **changed):
        made = plan(0, SIZE, self.offsets, self.which, self.hyper, self.buffers, self.norms)
        for key, value in changed.items():
            setattr(made, key, value)
        return entry(self.rule, suffix[1:], self.dtype)(made, 1)

    def every(self, **changed):
        """Statuses of all entries that take a table with a range."""
        return {call(f"_{phase}", **changed) for phase in phases(self.rule)
                for call in (self.ranged, self.planned)}

    def assert_unwritten(self):
        assert all(same_bits(a, b) for a, b in zip(self.buffers, self.before, strict=True))
        assert np.isnan(self.norms).all()


@each_dtype
@each_rule
def test_a_number_that_is_negative_or_decreases_or_lies_beyond_the_last(rule, dtype):
    for index, bad in [*BAD, (0, 1), (4, 39), (4, -1), (4, -2**63)]:
        case = Buffers(rule, dtype)
        case.offsets[index] = bad
        assert case.every() == {TABLE}, (index, bad)
        if bad not in (9, 19):                                    # a range that touches no other segment
            assert case.every(first=10 * max(index - 1, 0), count=10) == {TABLE}, (index, bad)
        case.assert_unwritten()


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in LAYERWISE if any(each.over == "all" for each in rule.reductions)],
                         ids=lambda rule: rule.name)
@pytest.mark.parametrize("index, bad", [(1, 2**63 - 1), (1, -1), (1, 25), (2, 2**62), (2, 5), (3, 41)])
def test_where_segments_are_is_checked_of_all_whose_sums_are_read(rule, dtype, index, bad):
    """A range that touches none of those beside the number."""
    case = Buffers(rule, dtype)
    case.norms[:] = 0.5
    case.offsets[index] = bad
    first = 30 if index < 3 else 0
    assert {call("_range", first=first, count=10) for call in (case.ranged, case.planned)} == {TABLE}
    assert all(same_bits(a, b) for a, b in zip(case.buffers, case.before, strict=True))


@each_dtype
@pytest.mark.parametrize("rule", LAYERWISE, ids=lambda rule: rule.name)
def test_whole_buffers_of_layers(rule, dtype):
    for index, bad in [*BAD, (4, -1), (4, 29), (4, -2**63)]:
        case, f = Buffers(rule, dtype), function(rule, dtype)
        case.offsets[index] = bad
        assert f(4, pointer(case.offsets), *map(pointer, case.buffers), pointer(case.hyper), 1) == TABLE, (index, bad)
        case.assert_unwritten()


RANGES = [
    (1, SIZE, TABLE), (SIZE, 1, TABLE), (MOST - 1, 1, TABLE), (1, MOST - 1, TABLE), (MOST - 1, MOST - 1, TABLE),
    (MOST, 1, SIZE_STATUS), (1, MOST, SIZE_STATUS), (2**63 - 1, 2**63 - 1, SIZE_STATUS), (2**63 - 1, 1, SIZE_STATUS),
    (1, 2**63 - 1, SIZE_STATUS), (-1, SIZE, SIZE_STATUS), (-2**63, 1, SIZE_STATUS), (0, -2**63, SIZE_STATUS),
]


@each_rule
def test_sums_do_not_wrap(rule):
    case = Buffers(rule, "f32")
    for first, count, status in RANGES:
        for last in (SIZE, -1, -2**63):
            case.offsets[-1] = last
            assert case.every(first=first, count=count) == {status}, (first, count, last)
    case.assert_unwritten()


@pytest.mark.parametrize("bad", [-1, -2**63, MOST, 2**62, 2**63 - 1])
@each_rule
def test_counts_that_no_memory_holds(rule, bad):
    case = Buffers(rule, "f32")
    assert case.every(segments=bad) == case.every(groups=bad) == {SIZE_STATUS}
    whole = [bad, pointer(case.offsets)] if rule.layerwise else [bad]
    assert function(rule, "f32")(*whole, *map(pointer, case.buffers), pointer(case.hyper), 1) == SIZE_STATUS
    if rule.init:
        buffers = [pointer(case.buffers[k]) for k in (0, *places(rule, "element"))]
        assert function(rule, "f32", "_init")(bad, *buffers, pointer(case.hyper)) == SIZE_STATUS
        assert case.planned("_init", count=bad) == SIZE_STATUS
    case.assert_unwritten()


def test_the_last_number_may_be_the_largest():
    """A shard of a buffer that no machine holds."""
    case = Buffers(RULES[0], "f64")
    case.offsets[-1] = 2**63 - 1
    assert case.ranged("_range") == 0 and not same_bits(case.buffers[0], case.before[0])


def test_a_table_of_more_segments_than_memory_holds():
    """2**31 segments, all but the last of no elements, in pages that exist where they are read."""
    segments = 2**31
    memory = mmap.mmap(-1, 8 * (segments + 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | NO_RESERVE)
    table = np.frombuffer(memory, np.int64)
    which, case = table[:segments], Buffers(RULES[0], "f32")
    f = LIB.numoptim_sgd_f32_range
    arguments = [pointer(case.hyper), *map(pointer, case.buffers), 1]
    table[-1] = SIZE
    assert f(0, SIZE, segments, pointer(table), pointer(which), 1, *arguments) == 0
    assert not same_bits(case.buffers[0], case.before[0])
    table[-1] = SIZE - 1
    assert f(0, SIZE, segments, pointer(table), pointer(which), 1, *arguments) == TABLE
    assert f(0, 0, segments, FFI.cast("void *", NULL), NULL, 1, *arguments) == 0
    del table, which
    memory.close()
