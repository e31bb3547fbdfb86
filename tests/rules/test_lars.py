"""LARS: its ratio per parameter, and 1 where a norm is 0."""
import numpy as np
from reference import descend

from numoptim import Parameters, Trainer
from numoptim.optimizer import LARS

OPTIONS = {"learning_rate": 0.5, "momentum": 0.9, "eta": 0.1, "wd": 0.25}


def test_by_hand():
    # norms 5 and 10: r = 0.1*5/(10 + 0.25*5 + 1.25) = 0.04; v = -0.5*0.04*(g + w/4)
    path, state = descend(LARS(**OPTIONS, epsilon=1.25), [3.0, 4.0], [[6.0, -8.0]])
    np.testing.assert_allclose(state.slots["v"], [-0.02 * 6.75, 0.02 * 7], 1e-14)
    np.testing.assert_allclose(path[0], [3 - 0.135, 4 + 0.14], 1e-14)


def test_ratio_is_one_where_a_norm_is_zero():
    path, _ = descend(LARS(**OPTIONS), [0.0, 0.0], [[1.0, -2.0]])
    np.testing.assert_array_equal(path[0], [-0.5, 1.0])
    path, _ = descend(LARS(**OPTIONS), [1.0, -2.0], [0.0])
    np.testing.assert_array_equal(path[0], [1 - 0.125, -2 + 0.25])
    path, _ = descend(LARS(**OPTIONS), [0.0, 0.0], [0.0])
    np.testing.assert_array_equal(path[0], [0.0, 0.0])


def test_norm_is_taken_after_the_clip():
    clipped, _ = descend(LARS(**OPTIONS, clip_gradient=2.0), [3.0, 4.0], [[6.0, -1.0]])
    small, _ = descend(LARS(**OPTIONS), [3.0, 4.0], [[2.0, -1.0]])
    np.testing.assert_array_equal(clipped, small)


def test_every_parameter_has_its_own_ratio():
    weights = {"a": np.array([3.0, 4.0]), "none": np.zeros(0), "b": np.array([0.0]), "c": np.full(10_000, 0.01)}
    grads = {"a": np.array([6.0, -8.0]), "none": np.zeros(0), "b": np.array([2.0]), "c": np.ones(10_000)}
    params = Parameters(weights)
    Trainer(params, LARS(**OPTIONS)).step(1, grads)
    for name, w in weights.items():
        g = grads[name]
        a, b = np.linalg.norm(w), np.linalg.norm(g)
        r = 0.1 * a / (b + 0.25 * a) if a * b else 1.0
        np.testing.assert_allclose(params[name], w - 0.5 * r * (g + 0.25 * w), 1e-13)
