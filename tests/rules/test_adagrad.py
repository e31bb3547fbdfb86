"""AdaGrad: steps shrink with the root of the sum of squares; eps is inside the root."""
import numpy as np
from reference import descend

from numoptim.optimizer import AdaGrad


def test_constant_gradients():
    g = np.array([3.0, -0.02, 0.0])
    path, _ = descend(AdaGrad(learning_rate=0.1, eps=1e-4), np.zeros(3), [g] * 50)
    steps = 0.1 * g / np.sqrt(np.arange(1, 51)[:, None] * g * g + 1e-4)
    np.testing.assert_allclose(path, -np.cumsum(steps, axis=0), 1e-13)


def test_eps_is_inside_the_root():
    path, _ = descend(AdaGrad(learning_rate=1.0, eps=9.0), [0.0], [4.0])
    assert path[0] == -4 / 5                                         # outside: -4/13


def test_weight_decay_is_coupled():
    path, state = descend(AdaGrad(learning_rate=0.1, wd=0.5, eps=1e-7), [2.0], [0.0])
    np.testing.assert_allclose(state.slots["n"], 1.0, 1e-15)
    np.testing.assert_allclose(path[0], 2 - 0.1 / np.sqrt(1 + 1e-7), 1e-15)
