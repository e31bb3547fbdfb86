"""AdaDelta: the first steps of Zeiler's Algorithm 1 by hand, and a learning rate that counts."""
import numpy as np
from reference import descend

from numoptim.optimizer import AdaDelta


def test_two_steps_by_hand():
    # rho = 3/4, epsilon = 1/16, g = 2: a = 1, d = 2*sqrt(1/17); u = d*d/4 = 1/17
    # then g = 0: a = 3/4, d = 0, u = 3/68
    # then g = 1: a = 9/16 + 1/4 = 13/16, d = sqrt((3/68 + 1/16)/(14/16))
    path, state = descend(AdaDelta(rho=0.75, epsilon=0.0625), [5.0], [2.0, 0.0, 1.0])
    first, third = 2 / np.sqrt(17), np.sqrt((3 / 68 + 1 / 16) / (14 / 16))
    np.testing.assert_allclose(np.ravel(path), [5 - first, 5 - first, 5 - first - third], 1e-14)
    np.testing.assert_allclose(state.slots["a"], 13 / 16, 1e-15)
    np.testing.assert_allclose(state.slots["u"], 9 / 272 + third**2 / 4, 1e-14)


def test_learning_rate_scales_the_step_and_is_one_by_default():
    gradients = np.random.default_rng(4).standard_normal((30, 5))
    whole, _ = descend(AdaDelta(), np.zeros(5), gradients)
    half, _ = descend(AdaDelta(learning_rate=0.5), np.zeros(5), gradients)
    np.testing.assert_array_equal(half, np.array(whole) / 2)
    assert AdaDelta().learning_rate == 1
