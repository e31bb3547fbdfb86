"""Every GPU kernel's PTX, run by the emulator, computes the bits of the kernels for the processor."""
from itertools import pairwise

import numpy as np
import pytest
from device import Problem, aligned, buffers_for
from ptx import Fault
from reference import BY_NAME, FLOAT, MOVING, VALUES, each_dtype, each_rule, same_bits, values, whole_ones

from numoptim import native
from numoptim.cuda.loops import ROWS
from numoptim.cuda.sums import PIECE
from numoptim.kernels import BLOCK
from numoptim.kernels.abi import places
from numoptim.rules import RULES

SIZES = (0, 1, 7, 1000, 4099, 100003)
SHAPES = ((1, 64), (2, 256), (33, 128), (5, 192))
LAYERWISE = [rule for rule in RULES if rule.layerwise]
WITH_INIT = [rule for rule in RULES if rule.init]


def copied(buffers, past=0):
    made = [aligned(b.size, b.dtype, past) for b in buffers]
    for new, old in zip(made, buffers, strict=True):
        new[:] = old
    return made


def assert_same(device, processor, start, moving=True):
    for k, (a, b) in enumerate(zip(device, processor, strict=True)):
        assert same_bits(a, b), f"buffer {k}: element {np.flatnonzero(a != b)[:5]}"
    assert np.array_equal(device[1], start[1], equal_nan=True), "the gradient has changed"
    if start[0].size and moving:
        assert not np.array_equal(device[0], start[0], equal_nan=True), "no weight has changed"


def both(rule, dtype, size, steps, past=0, offsets=None, which=None, groups=None, **launch):
    """Steps by both, from the same buffers."""
    begin = buffers_for(rule, dtype, size, seed=size)
    processor, device = copied(begin), copied(begin, past)
    ours, theirs = (Problem(rule, dtype, size, offsets, which, groups) for _ in range(2))
    for t in steps:
        assert theirs.processor(processor, t) == 0
        ours.device(device, t, **launch)
    assert_same(device, processor, begin, rule in MOVING)


def cut(size, count, seed):
    """Offsets of segments, some of them empty, most of them borders inside a quad."""
    inner = np.sort(np.random.default_rng(seed).integers(0, size + 1, count - 1))
    inner[1::7] = inner[0::7][:len(inner[1::7])]
    return np.sort(np.array([0, *inner, size]))


def multiplied(rule, count):
    """Groups as multipliers make them."""
    return [values(rule, learning_rate=VALUES["learning_rate"] * (1 + k % 7), wd=VALUES["wd"] * (k % 3))
            for k in range(count)]


@pytest.mark.parametrize("past", (0, 1))
@pytest.mark.parametrize("size", SIZES)
@each_dtype
@each_rule
def test_sizes_and_alignments(rule, dtype, size, past):
    grid, block = SHAPES[(size + past) % len(SHAPES)]
    both(rule, dtype, size, (1, 2, 3, 1000), past, by_value=True, grid=grid, block=block)


@each_dtype
@each_rule
def test_segments_and_groups_over_many_steps(rule, dtype):
    size = 3 * BLOCK + 1234
    offsets = cut(size, 23, 1)
    groups = [*multiplied(rule, 4), values(rule, learning_rate=0.0)]
    both(rule, dtype, size, range(1, 41), offsets=offsets, which=np.arange(23) % 5, groups=groups)


@each_dtype
@each_rule
def test_more_groups_than_rows_in_shared_memory(rule, dtype):
    count = 2 * ROWS + 37
    both(rule, dtype, 20011, (1, 2), offsets=cut(20011, count, 2), which=np.arange(count)[::-1],
         groups=multiplied(rule, count), grid=2, block=128)


@each_dtype
@each_rule
def test_every_grid_gives_the_same_bits(rule, dtype):
    begin, results = buffers_for(rule, dtype, 30011), []
    for grid, block in (*SHAPES, (1000, 256), (1, 128)):
        problem, device = Problem(rule, dtype, 30011, cut(30011, 5, 3), np.zeros(5)), copied(begin)
        problem.device(device, 1, grid=grid, block=block)
        results.append(device)
    for other in results[1:]:
        assert_same(other, results[0], begin, rule in MOVING)


@each_dtype
@each_rule
def test_hyper_and_step_by_value_or_in_memory(rule, dtype):
    for t in (1, 7, 2**40):
        for by_value in (True, False):
            for step in (None, np.array([t])):
                both(rule, dtype, 777, (t,), by_value=by_value, step=step)


@each_dtype
@each_rule
def test_infinite_gradients_and_nan(rule, dtype):
    begin = buffers_for(rule, dtype, 999)
    begin[1][::50], begin[1][1::50], begin[1][2::50] = np.nan, np.inf, -np.inf
    processor, device = copied(begin), copied(begin)
    assert Problem(rule, dtype, 999).processor(processor, 3) == 0
    Problem(rule, dtype, 999).device(device, 3)
    assert_same(device, processor, begin, rule in MOVING)


@each_dtype
@each_rule
def test_accesses_stay_inside_and_do_not_race(rule, dtype):
    """Only what a kernel is given is read or written, the gradient and the tables only read; no two threads meet."""
    count = ROWS + 3
    problem = Problem(rule, dtype, 9001, cut(9001, count, 4), np.arange(count), multiplied(rule, count))
    buffers = buffers_for(rule, dtype, 9001)
    for array in (buffers[1], problem.offsets, problem.which, problem.hyper):
        array.flags.writeable = False
    memory = [*buffers, problem.offsets, problem.which, problem.hyper, problem.norms]
    problem.device(buffers, 1, grid=3, block=128, race=True, memory=memory)
    problem.device(buffers, 2, grid=2, block=64, vectors=False, race=True, memory=memory)


def test_the_emulator_reports_an_access_outside():
    problem, buffers = Problem(BY_NAME["sgd"], "f32", 100), buffers_for(BY_NAME["sgd"], "f32", 100)
    with pytest.raises(Fault):
        problem.device(buffers, 1, memory=[buffers[0], buffers[1][:99], problem.offsets, problem.which, problem.hyper])


@each_dtype
@each_rule
def test_what_is_out_of_range_in_memory_is_not_written(rule, dtype):
    size, begin = 5000, buffers_for(rule, dtype, 5000)
    wrong = [("rescale_grad", np.nan), ("wd", -1.0), ("clip_gradient", 0.0)]
    wrong += [("learning_rate", np.inf)] * ("learning_rate" in rule.fields) + [("offset", -1)] * rule.noisy
    for key, value in wrong:
        problem = Problem(rule, dtype, size, [0, 2001, 3003, size], [0, 1, 0], multiplied(rule, 2))
        device = copied(begin)
        problem.hyper[key][1] = value
        problem.device(device, 1)
        for k, (new, old) in enumerate(zip(device, begin, strict=True)):
            wrongs = slice(1, 2) if k in whole_ones(rule) else slice(2001, 3003)
            assert same_bits(new[wrongs], old[wrongs])
        assert rule not in MOVING or not np.array_equal(device[0][:2001], begin[0][:2001])
        assert rule not in MOVING or not np.array_equal(device[0][3003:], begin[0][3003:])


@pytest.mark.parametrize("t", (0, -1, -2**62))
@each_rule
def test_a_step_below_1_in_memory_writes_nothing(rule, t):
    begin = buffers_for(rule, "f32", 1000)
    device = copied(begin)
    Problem(rule, "f32", 1000).device(device, 1, step=np.array([t]))
    for new, old in zip(device, begin, strict=True):
        assert same_bits(new, old)


@each_dtype
@pytest.mark.parametrize("rule", LAYERWISE, ids=lambda rule: rule.name)
def test_a_segment_of_more_partial_sums_than_fit_in_shared_memory(rule, dtype):
    size = (2 * PIECE + 3) * BLOCK + 5
    both(rule, dtype, size, (1,), offsets=[0, 5, 5, size - 4097, size], which=[0] * 4, grid=4, block=256)


@pytest.mark.parametrize("past", (0, 1))
@each_dtype
@pytest.mark.parametrize("rule", WITH_INIT, ids=lambda rule: rule.name)
def test_init(rule, dtype, past):
    """Of each segment under its own group; frozen groups keep what they have."""
    size, groups = 4099, [*multiplied(rule, 2), values(rule, learning_rate=0.0)]
    offsets, which = [0, 1001, 1001, 3002, size], [0, 1, 1, 2]
    begin, elements = buffers_for(rule, dtype, size), places(rule, "element")
    device = copied(begin, past)
    problem = Problem(rule, dtype, size, offsets, which, groups)
    problem.device(device, 1, suffixes=("_init",), race=True)
    for s, (first, last) in enumerate(pairwise(offsets)):
        slots, frozen = copied([begin[k] for k in elements]), rule.needs_rate and groups[which[s]]["learning_rate"] == 0
        if not frozen:
            native.plan.initialise(rule, begin[0], slots, groups[which[s]])
        for k, slot in zip(elements, slots, strict=True):
            assert same_bits(device[k][first:last], slot[first:last])
    assert all(same_bits(device[k], begin[k]) for k in (0, 1, *whole_ones(rule)))


OFFSETS = (0, 1, 2, 3, 4, 13, 252, 255, 256, 257, 10**15 + 5, 10**18)


@pytest.mark.parametrize("past", (0, 1))
@pytest.mark.parametrize("offset", OFFSETS)
@each_dtype
def test_noise_at_any_offset(dtype, offset, past):
    rule = BY_NAME["sgld"]
    groups = [values(rule, offset=offset, seed=seed) for seed in (0, -5, 2**63 - 1)]
    both(rule, dtype, 3001, (1, 2**40), past, groups=groups[:1], by_value=True)
    both(rule, dtype, 3001, (5,), past, offsets=[0, 3, 1500, 3001], which=[2, 0, 1], groups=groups)


@each_dtype
def test_noise_of_groups_with_offsets_of_their_own(dtype):
    rule = BY_NAME["sgld"]
    groups = [values(rule, offset=offset) for offset in OFFSETS]
    both(rule, dtype, 12003, (1, 2), offsets=cut(12003, 24, 5), which=np.arange(24) % len(groups), groups=groups)


def test_noise_is_that_of_the_element_alone():
    """Half a buffer with an offset has the noise of the whole buffer's half."""
    rule, size = BY_NAME["sgld"], 4000
    whole = buffers_for(rule, "f32", size)
    half = [np.array(b[1001:], FLOAT["f32"]) for b in whole]
    Problem(rule, "f32", size, groups=[values(rule, offset=0)]).device(whole, 3)
    Problem(rule, "f32", size - 1001, groups=[values(rule, offset=1001)]).device(half, 3, vectors=False)
    assert same_bits(half[0], whole[0][1001:])
