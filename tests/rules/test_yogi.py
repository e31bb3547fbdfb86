"""Yogi: its second moment changes by (1 - beta2)*g*g, up or down."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import Yogi


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slots_begin_at_zero_and_at_initial(dtype):
    state = Yogi(initial=0.25).create_state(0, np.ones(3, dtype))
    assert state.slots["m"].tolist() == [0, 0, 0] and state.slots["v"].tolist() == [0.25] * 3


def test_second_moment_by_hand():
    # 4 -> 4 + 9/2 above which g*g is 1, 0 -> minus 1/2, 0; at g*g = v it stays.
    _, state = descend(Yogi(beta2=0.5, initial=4.0), [0.0], [3.0, 1.0, 0.0])
    assert state.slots["v"] == 4 + 4.5 - 0.5
    _, state = descend(Yogi(beta2=0.5, initial=4.0), [0.0], [2.0, -2.0])
    assert state.slots["v"] == 4


def test_a_burst_of_gradients_is_forgotten_at_the_pace_of_the_small_ones():
    """Adam's moment falls by a factor; here it falls by what the small gradients have."""
    gradients = [10.0] + [0.1] * 100
    _, state = descend(Yogi(beta2=0.9, initial=0.0), [0.0], gradients)
    np.testing.assert_allclose(state.slots["v"], 0.1 * 100 - 100 * 0.1 * 0.01, 1e-12)
