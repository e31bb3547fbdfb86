"""ADOPT: the first step only measures; gradients are divided by the past, and clipped."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import ADOPT


def test_the_first_step_sets_the_second_moment_alone():
    path, state = descend(ADOPT(learning_rate=0.5, wd=0.3), [1.0, -2.0], [[3.0, 0.0]])
    assert path[0].tolist() == [1, -2]
    assert state.slots["m"].tolist() == [0, 0] and state.slots["v"].tolist() == [9, 0]


def test_by_hand():
    path, state = descend(ADOPT(learning_rate=0.5, beta1=0.75, beta2=0.5, wd=0.25), [8.0], [4.0, 2.0, -2.0])
    # 2/4 within 1; then sqrt(10) divides, within 2**0.25.
    m = 0.25 * 0.5
    w = 8 - 0.5 * 0.25 * 8 - 0.5 * m
    np.testing.assert_allclose(path[1], [w], 1e-15)
    m = 0.75 * m - 0.25 * 2 / np.sqrt(10)
    np.testing.assert_allclose(path[2], [w - 0.5 * 0.25 * w - 0.5 * m], 1e-15)
    np.testing.assert_allclose(state.slots["v"], [0.5 * 10 + 0.5 * 4], 1e-15)


@pytest.mark.parametrize("g", [1e-3, 1.0, -1e3])
def test_a_gradient_after_none_is_bounded_by_the_fourth_root_of_the_steps(g):
    path, _ = descend(ADOPT(learning_rate=1.0, beta1=0.0), [0.0], [0.0] * 16 + [g])
    np.testing.assert_allclose(path[-1], [-2 * np.sign(g)], 1e-15)
