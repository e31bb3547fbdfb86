"""Reductions and slots of one's own on a GPU: over all and over segments, beside noise; the bits of the processor."""
import numpy as np
import pytest
from device import Problem, buffers_for
from reference import BLOCK, each_dtype, same_bits, step, values
from test_gpu_bits import both, cut, multiplied
from test_reductions import CENTRED, NOISY
from test_scopes import OWN

from numoptim.cuda.loops import ROWS
from numoptim.rule import Reduction, Rule, Slot


def terms(w, g, n, h):
    return (g,)


def summed(total, h):
    return (h.d + total,)


def update(w, g, n, h):
    return w - h.learning_rate * g - 1e-3 * h.d, n + 1.0 / h.learning_rate


RESTING = Rule("resting", update, ("n", Slot("d", over="all")), {"learning_rate": (0.1, "[0, inf)")}, needs_rate=True,
               reductions=(Reduction(terms, summed, ("d",), ("total",), over="all"),))


@pytest.mark.parametrize("rates", [(0.1, 0.0), (0.0, 0.1), (0.0, 0.0), (0.1, 0.2)])
@each_dtype
def test_what_rests_is_part_of_sums_over_all(dtype, rates):
    begin = buffers_for(RESTING, dtype, 6000)
    buffers = [[b.copy() for b in begin] for _ in range(3)]
    groups = [values(RESTING, learning_rate=rate) for rate in rates]
    ours, theirs = (Problem(RESTING, dtype, 6000, [0, 2500, 6000], [0, 1], groups) for _ in range(2))
    for t in (1, 2):
        ours.device(buffers[0], t)
        assert theirs.processor(buffers[1], t) == 0
        step(RESTING, buffers[2], groups, t, [0, 2500, 6000], [0, 1])
        assert all(same_bits(a, b) and same_bits(a, c) for a, b, c in zip(*buffers, strict=True))


RULES = [CENTRED, NOISY, *OWN]
each_own = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


@each_dtype
@each_own
def test_whole_buffers(rule, dtype):
    for size, past in ((1, 0), (1000, 1), (3 * BLOCK + 5, 0)):
        both(rule, dtype, size, (1, 2), past, by_value=True, grid=3, block=128)


@pytest.mark.parametrize("count", [3, ROWS + 6])
@each_dtype
@each_own
def test_segments_groups_and_frozen_ones(rule, dtype, count):
    size = 2 * BLOCK + 1234
    offsets = cut(size, 2 * count, 5)
    which = np.arange(2 * count) % count
    which[3::5] = -1
    both(rule, dtype, size, (1, 2, 3), 0, offsets, which, multiplied(rule, count), grid=5, block=64)
