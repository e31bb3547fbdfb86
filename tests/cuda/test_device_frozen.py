"""Frozen segments, rates near 0 and numbers that round out of their interval: GPU kernels, by the emulator."""
from itertools import pairwise

import numpy as np
import pytest
from device import MOST_SEGMENTS, Problem, buffers_for
from ptx import Fault
from reference import FLOAT, MOVING, each_dtype, each_rule, same_bits, values, whole_ones
from test_gpu_bits import WITH_INIT, both, copied, cut, multiplied

from numoptim.cuda.loops import ROWS
from numoptim.kernels import BLOCK, FROZEN, least_rate, misfit
from numoptim.kernels.abi import columns, places
from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES

SIZE = 2 * BLOCK + 777
OFFSETS = [0, 5, 5, 1000, 1003, BLOCK + 1500, 2 * BLOCK, SIZE - 64, SIZE]
SOME = np.array([FROZEN, 0, 1, FROZEN, 0, FROZEN, 1, FROZEN])
APART = [(rule, key) for rule in RULES for key, (_, text) in rule.fields.items() if Interval.parse(text).or_zero]
GRIDS = [{"grid": 3, "block": 64}, {"grid": 1, "block": 256, "vectors": False}]

each_grid = pytest.mark.parametrize("launch", GRIDS, ids=["vectors", "single elements"])


def live(which, width=0):
    """(number, first, last, place of the first norm, of the last) of segments that a kernel may look at."""
    for s, (first, last) in enumerate(pairwise(OFFSETS)):
        place = width * (first // BLOCK + s)
        if which[s] != FROZEN and first < last:
            yield s, first, last, place, place + width * -(-(last - first) // BLOCK)


def allowed(problem, buffers, which):
    """Memory of live segments, numbers over all, and the tables."""
    rule, width = problem.rule, columns(problem.rule)[-1]
    parts = [problem.offsets, problem.which, problem.hyper]
    over_all, apart = places(rule, "all"), places(rule, "segment")
    parts += [buffers[k] for k in over_all]
    if any(reduction.over == "all" for reduction in rule.reductions):
        parts.append(problem.norms[:width])            # where its results go, whatever the first segment is
    for s, first, last, start, end in live(which, width):
        parts += [b[s:s + 1] if k in apart else b[first:last] for k, b in enumerate(buffers) if k not in over_all]
        parts += [problem.norms[start:end]] if rule.layerwise else []
    return parts


def frozen_numbers(rule, which):
    """Which numbers of each buffer are frozen segments'; those over all are no segment's."""
    elements, segments = np.repeat(which == FROZEN, np.diff(OFFSETS)), np.arange(MOST_SEGMENTS) < 0
    segments[:len(which)] = which == FROZEN
    of = {"element": elements, "segment": segments, "all": np.array([False])}
    return [elements] * 2 + [of[slot.over] for slot in rule.slots]


@each_grid
@pytest.mark.parametrize("which", [SOME, np.roll(SOME, 1), np.full(8, FROZEN)], ids=["some", "others", "all"])
@each_dtype
@each_rule
def test_nothing_of_a_frozen_segment_is_read_or_written(rule, dtype, which, launch):
    problem = Problem(rule, dtype, SIZE, OFFSETS, which, multiplied(rule, 2))
    twin = Problem(rule, dtype, SIZE, OFFSETS, which, multiplied(rule, 2))
    begin, frozen = buffers_for(rule, dtype, SIZE), frozen_numbers(rule, which)
    for buffer, numbers in zip(begin, frozen, strict=True):
        buffer[numbers] = np.nan
    processor, device = copied(begin), copied(begin)
    for t in (1, 2):
        assert twin.processor(processor, t) == 0
        problem.device(device, t, memory=allowed(problem, device, which), **launch)
    for new, expected, numbers in zip(device, processor, frozen, strict=True):
        assert same_bits(new, expected) and (np.isnan(new) == numbers).all()
    assert rule not in MOVING or (which == FROZEN).all() == same_bits(device[0], begin[0])
    assert (which != FROZEN).any() or all(map(same_bits, device, begin))
    for _, first, last, *_ in live(which):
        assert rule not in MOVING or not np.array_equal(device[0][first:last], begin[0][first:last])


def test_the_emulator_would_report_it():
    problem = Problem(RULES[0], "f32", SIZE, OFFSETS, SOME, multiplied(RULES[0], 2))
    buffers = buffers_for(RULES[0], "f32", SIZE)
    memory = allowed(problem, buffers, SOME)
    problem.which[:] = 0
    with pytest.raises(Fault):
        problem.device(buffers, 1, memory=memory)


@each_dtype
@each_rule
def test_frozen_segments_among_more_groups_than_rows(rule, dtype):
    count = 2 * ROWS + 37
    which = np.where(np.arange(count) % 5 == 2, FROZEN, np.arange(count)[::-1])
    both(rule, dtype, 20011, (1, 2), offsets=cut(20011, count, 2), which=which, groups=multiplied(rule, count), grid=2,
         block=128)


@each_dtype
@pytest.mark.parametrize("rule", WITH_INIT, ids=lambda rule: rule.name)
def test_slots_of_frozen_segments_do_not_begin(rule, dtype):
    problem, begin = Problem(rule, dtype, SIZE, OFFSETS, SOME, multiplied(rule, 2)), buffers_for(rule, dtype, SIZE)
    device, frozen = copied(begin), np.repeat(SOME == FROZEN, np.diff(OFFSETS))
    problem.device(device, 1, suffixes=("_init",), memory=allowed(problem, device, SOME))
    for k in places(rule, "element"):
        new, old = device[k], begin[k]
        assert same_bits(new[frozen], old[frozen]) and not same_bits(new[~frozen], old[~frozen])
    assert all(same_bits(device[k], begin[k]) for k in whole_ones(rule))


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.needs_rate], ids=lambda rule: rule.name)
def test_rates_whose_reciprocal_has_no_room_change_nothing(rule, dtype):
    least = least_rate(np.dtype(FLOAT[dtype]))
    for rate, moves in ((2 * least, True), (least, True), (np.nextafter(least, 0), False), (5e-324, False), (0, False)):
        begin = buffers_for(rule, dtype, 1000)
        processor, device = copied(begin), copied(begin)
        for by_value in (True, False):
            problem = Problem(rule, dtype, 1000, groups=[values(rule, learning_rate=rate)])
            assert problem.processor(processor, 2) == 0
            problem.device(device, 2, by_value=by_value)
            for new, expected, old in zip(device, processor, begin, strict=True):
                assert same_bits(new, expected) and (moves or same_bits(new, old))
            assert moves != same_bits(device[2], begin[2])


@each_dtype
@each_rule
def test_what_rounds_out_of_its_interval_is_not_used(rule, dtype):
    epsilons = [(key, 1e-46) for apart, key in APART if apart is rule]
    for key, value in [("rescale_grad", 1e39), ("clip_gradient", 1e-46), *epsilons]:
        problem, begin = Problem(rule, dtype, 1000), buffers_for(rule, dtype, 1000)
        problem.hyper[key] = value
        device = copied(begin)
        problem.device(device, 1)
        used = not all(same_bits(new, old) for new, old in zip(device, begin, strict=True))
        assert used == (misfit(rule, problem.hyper[0], FLOAT[dtype]) == "") == (dtype == "f64")


@each_dtype
@pytest.mark.parametrize("rule, key", APART, ids=[f"{rule.name}-{key}" for rule, key in APART])
def test_without_epsilon_the_device_has_the_processors_bits(rule, key, dtype):
    problem = Problem(rule, dtype, 1000, groups=[values(rule, **{key: 0.0}, wd=0.0)])
    begin = buffers_for(rule, dtype, 1000)
    begin[1][::3] = 0.0
    processor, device = copied(begin), copied(begin)
    assert problem.processor(processor, 1) == 0
    problem.device(device, 1)
    assert all(same_bits(a, b) for a, b in zip(device, processor, strict=True))
    assert not same_bits(device[0], begin[0])
