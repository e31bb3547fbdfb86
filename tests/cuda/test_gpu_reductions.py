"""Reductions and slots of one's own on a GPU: over all and over segments, beside noise; the bits of the processor."""
import numpy as np
import pytest
from reference import BLOCK, each_dtype
from test_gpu_bits import both, cut, multiplied
from test_reductions import CENTRED, NOISY
from test_scopes import OWN

from numoptim.cuda.loops import ROWS

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
