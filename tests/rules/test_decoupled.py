"""Decoupled decay takes learning_rate*wd*w off the weight before the step, and enters no moment."""
import numpy as np
import pytest
from reference import BY_NAME, descend, make, same_bits

NAMES = ("adamw", "adamw_amsgrad", "nadamw", "radam", "adabelief", "yogi", "ademamix", "lion")

each_decoupled = pytest.mark.parametrize("rule", [BY_NAME[name] for name in NAMES], ids=NAMES)


@each_decoupled
def test_weights_without_gradients_shrink_by_the_decay_alone(rule):
    path, _ = descend(make(rule, learning_rate=0.1, wd=0.5), [2.0, -3.0], [0.0] * 8)
    np.testing.assert_allclose(path, [np.array([2, -3]) * 0.95**k for k in range(1, 9)], 1e-14)


@each_decoupled
def test_slots_know_nothing_of_it(rule):
    gradients = np.random.default_rng(1).standard_normal((12, 5))
    (near, without), (far, decayed) = (descend(make(rule, wd=wd), np.full(5, 9.0), gradients) for wd in (0.0, 0.5))
    assert all(same_bits(decayed.slots[name], without.slots[name]) for name in rule.slots)
    # One step after another: w' = w - learning_rate*wd*w - what it is without.
    steps = np.diff([np.full(5, 9.0), *near], axis=0)
    before = np.array([np.full(5, 9.0), *far[:-1]])
    np.testing.assert_allclose(far, before - 0.05 * 0.5 * before + steps, 1e-13)
