"""Frozen segments: which[s] = FROZEN leaves weights, slots and partial norms alone, and reads neither nor gradients."""
import numpy as np
import pytest
from reference import BLOCK, FLOAT, each_dtype, each_rule, norms_for, plan, ranges, records, same_bits, step, values
from test_bits import assert_same, copies, cuts, start

from numoptim import kernels
from numoptim.kernels import FROZEN
from numoptim.kernels.abi import columns, sums_phases
from numoptim.native.library import entry, extension
from numoptim.rules import RULES

SIZES = (3, BLOCK + 5, 0, 40, 1, 2 * BLOCK, 7, 33, 300)
OFFSETS = np.cumsum([0, *SIZES])
LAYERWISE = [rule for rule in RULES if rule.layerwise]


def frozen_elements(which):
    return np.repeat(np.array(which) == FROZEN, SIZES)


def buffers_with_nan(rule, dtype, which):
    """Buffers whose frozen segments hold NaN: what read one would show it."""
    buffers = start(rule, dtype, OFFSETS[-1], segments=len(SIZES))
    for slot in buffers[2:]:
        slot[:] = np.random.default_rng(9).random(slot.size)
    for buffer, frozen in zip(buffers, frozen_numbers(rule, which), strict=True):
        buffer[frozen] = np.nan
    return buffers


def frozen_numbers(rule, which):
    """Which numbers of each buffer are frozen segments'."""
    of = {"element": frozen_elements(which), "segment": np.array(which) == FROZEN, "all": np.zeros(1, bool)}
    return [of["element"]] * 2 + [of[slot.over] for slot in rule.slots]


@pytest.mark.parametrize("which", [
    [0, FROZEN, 1, 1, FROZEN, 0, FROZEN, FROZEN, 1],
    [FROZEN, 1, FROZEN, 0, 0, FROZEN, 1, 0, FROZEN],
    [FROZEN] * len(SIZES),
], ids=["inner", "first and last", "all"])
@each_dtype
@each_rule
def test_nothing_of_a_frozen_segment_is_read_or_written(rule, dtype, which):
    rng, which = np.random.default_rng(1), np.array(which)
    expected, got, together = copies(buffers_with_nan(rule, dtype, which), 3)
    groups = [values(rule), values(rule, learning_rate=0.02, wd=0.0)]
    for t in (1, 2, 3):
        g = rng.standard_normal(OFFSETS[-1]).astype(FLOAT[dtype])
        g[frozen_elements(which)] = np.nan
        for buffers in (expected, got, together):
            buffers[1][:] = g
        step(rule, expected, groups, t, OFFSETS, which)
        ranges(rule, got, groups, t, OFFSETS, which, cuts(rng, len(g), 12), cuts(rng, len(g), 6))
        ranges(rule, together, groups, t, OFFSETS, which, [(0, len(g))])
        assert_same(got, expected, rule)
        assert_same(together, expected, rule)
    for buffer, frozen in zip(got, frozen_numbers(rule, which), strict=True):
        assert (np.isnan(buffer) == frozen).all()


def call(rule, dtype, phase, made, t=1):
    return extension().call(entry(rule, np.dtype(FLOAT[dtype]), phase), made.ctypes.data, t)


@each_dtype
@each_rule
def test_buffers_of_frozen_segments_are_not_touched_at_all(rule, dtype):
    """Addresses of page 0, where reading is a crash; and no set of hyper-parameters, where no segment needs one."""
    which, norms = np.full(len(SIZES), FROZEN), norms_for(rule, OFFSETS)
    for hyper in (records(rule, [values(rule)]), records(rule, [values(rule)])[:0]):
        for phase in kernels.phases(rule):
            made = plan(2, OFFSETS[-1] - 2, OFFSETS, which, hyper, [64] * (2 + len(rule.slots)), norms)
            assert call(rule, dtype, phase, made) == 0
    assert np.isnan(norms).all()


@each_dtype
@pytest.mark.parametrize("rule", LAYERWISE, ids=lambda rule: rule.name)
def test_norms_of_frozen_segments_stay(rule, dtype):
    which = np.array([0, FROZEN, 0, 0, FROZEN, 0, FROZEN, 0, 0])
    hyper, norms = records(rule, [values(rule)]), norms_for(rule, OFFSETS)
    buffers, (*begins, width) = buffers_with_nan(rule, dtype, which), columns(rule)
    for phase in sums_phases(rule):
        assert call(rule, dtype, phase, plan(0, OFFSETS[-1], OFFSETS, which, hyper, buffers, norms)) == 0
    written = np.zeros((len(norms) // width, width), bool)
    for s, size in enumerate(SIZES):
        first = OFFSETS[s] // BLOCK + s
        for begin, reduction in zip(begins, rule.reductions, strict=True):
            written[first:first + -(-size // BLOCK), begin:begin + len(reduction.sums)] = which[s] != FROZEN
    assert (np.isnan(norms) != written.ravel()).all()


@pytest.mark.parametrize("bad", [-2, -2**63, 1, 2**63 - 1])
@each_rule
def test_other_groups_that_do_not_exist_are_refused(rule, bad):
    which = np.array([0, FROZEN, 0, 0, bad, 0, FROZEN, 0, 0])
    buffers = buffers_with_nan(rule, "f32", which)
    hyper, norms = records(rule, [values(rule)]), norms_for(rule, OFFSETS)
    for phase in kernels.phases(rule):
        before = [b.copy() for b in buffers]
        assert call(rule, "f32", phase, plan(0, OFFSETS[-1], OFFSETS, which, hyper, buffers, norms)) == -5
        assert np.isnan(norms).all() or phase != kernels.phases(rule)[0]
        assert all(same_bits(buffer, old) for buffer, old in zip(buffers, before, strict=True))
        before_it = plan(0, OFFSETS[4], OFFSETS, which, hyper, buffers, norms)
        assert call(rule, "f32", phase, before_it) == (-5 if phase == "advance" else 0)      # which is of all segments


