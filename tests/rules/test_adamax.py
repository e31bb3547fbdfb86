"""Adamax: a zero first gradient, and the infinity norm."""
import numpy as np
from reference import descend

from numoptim.optimizer import Adamax


def test_zero_first_gradient_moves_nothing():
    path, state = descend(Adamax(), [1.5, -2.0], [0.0, 0.0])
    np.testing.assert_array_equal(path, [[1.5, -2.0]] * 2)
    assert (state.slots["u"] == 0).all()


def test_steps_by_hand():
    # beta1 = 3/4, beta2 = 1/2; g = 2: m = 1/2, u = 2; then g = -1/2: m = 1/4, u = max(1, 1/2) = 1
    path, state = descend(Adamax(learning_rate=0.1, beta1=0.75, beta2=0.5, epsilon=1e-14), [0.0], [2.0, -0.5])
    first, second = 0.1 / (1 / 4) * (1 / 2) / 2, 0.1 / (7 / 16) * (1 / 4)
    np.testing.assert_allclose(np.ravel(path), [-first, -first - second], 1e-12)
    assert state.slots["u"][0] == 1


def test_nan_stays_in_the_maximum():
    optimize, w = Adamax(), np.ones(99)
    state = optimize.create_state(0, w)
    state.slots["u"][::2] = np.nan
    g = np.full(99, 3.0)
    g[1::4] = np.nan
    optimize.update(0, w, g, state)
    expected = np.full(99, np.nan)
    expected[3::4] = 3.0
    np.testing.assert_array_equal(state.slots["u"], expected)
    assert (np.isnan(w) == np.isnan(expected)).all()
