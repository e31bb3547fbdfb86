"""LAMB: Adam's direction and decoupled decay, scaled to the (bounded) norm of the weights."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import LAMB


def first_direction(w, g, wd, bias_correction=True):
    """u of the first step without epsilon: m_hat/sqrt(v_hat) is sign(g), and m/sqrt(v) a multiple of that."""
    scale = 1.0 if bias_correction else 0.1 / np.sqrt(0.001)
    return scale * np.sign(g) + wd * w


@pytest.mark.parametrize("bias_correction", [True, False])
@pytest.mark.parametrize(("lower", "upper", "norm_w"), [(None, None, 5), (None, 2.0, 2), (8.0, None, 8), (1.0, 7.0, 5)])
def test_bounds_and_bias_correction(lower, upper, norm_w, bias_correction):
    w, g = np.array([3.0, 4.0]), np.array([-0.1, 20.0])
    optimize = LAMB(learning_rate=0.1, wd=0.5, lower_bound=lower, upper_bound=upper, epsilon=1e-15,
                    bias_correction=bias_correction)
    path, _ = descend(optimize, w, [g])
    u = first_direction(w, g, 0.5, bias_correction)
    np.testing.assert_allclose(path[0], w - 0.1 * norm_w / np.linalg.norm(u) * u, 1e-11)


def test_ratio_is_one_where_a_norm_is_zero():
    options = {"learning_rate": 0.1, "epsilon": 1e-15}
    path, _ = descend(LAMB(**options), [0.0, 0.0], [[2.0, -7.0]])
    np.testing.assert_allclose(path[0], [-0.1, 0.1], 1e-11)
    path, _ = descend(LAMB(**options), [3.0, 4.0], [0.0])
    np.testing.assert_array_equal(path[0], [3.0, 4.0])


def test_a_lower_bound_raises_even_a_zero_norm():
    path, _ = descend(LAMB(learning_rate=0.1, epsilon=1e-15, lower_bound=0.5), [0.0, 0.0], [[2.0, -7.0]])
    np.testing.assert_allclose(path[0], [-0.05 / np.sqrt(2), 0.05 / np.sqrt(2)], 1e-11)


def test_decay_is_not_in_the_moments():
    _, state = descend(LAMB(wd=0.5, clip_gradient=1.0), [30.0, -40.0], [[3.0, 0.5]])
    np.testing.assert_allclose(state.slots["m"], [0.1, 0.05], 1e-14)
    np.testing.assert_allclose(state.slots["v"], [0.001, 0.00025], 1e-12)
