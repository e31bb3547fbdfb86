"""Adam: numbers worked out by hand from Algorithm 1 of Kingma & Ba."""
from fractions import Fraction

import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import Adam


def test_first_steps_by_hand():
    # g = 1/2, -1/5 with beta1 = 0.9, beta2 = 0.999, lr = 0.1:
    # t = 1: m = 0.05, v = 0.00025, m_hat = 0.5, v_hat = 0.25, step 0.1*0.5/0.50000001 = 0.099999998
    # t = 2: m = 0.025, v = 0.00028975, m_hat = 0.025/0.19, v_hat = 0.00028975/0.001999,
    #        step 0.1*0.1315789474/(0.3807196809 + 1e-8) = 0.0345605844
    path, state = descend(Adam(learning_rate=0.1), [1.0], [0.5, -0.2])
    np.testing.assert_allclose(np.ravel(path), [0.900000002, 0.900000002 - 0.0345605844], 0, 1e-9)
    np.testing.assert_allclose(state.slots["m"], 0.025, 1e-14)
    np.testing.assert_allclose(state.slots["v"], 0.00028975, 1e-14)


def test_moments_against_exact_sums():
    # m_t = (1 - beta1) sum beta1**(t - i) g_i, and likewise v: section 3 of the paper, here in exact arithmetic.
    beta1, beta2 = Fraction(0.9), Fraction(0.999)
    gradients = [Fraction(k * k % 17 - 8, 16) for k in range(40)]
    _, state = descend(Adam(), [0.0], [float(g) for g in gradients])
    m = (1 - beta1) * sum(beta1 ** (39 - i) * g for i, g in enumerate(gradients))
    v = (1 - beta2) * sum(beta2 ** (39 - i) * g * g for i, g in enumerate(gradients))
    np.testing.assert_allclose([state.slots["m"][0], state.slots["v"][0]], [float(m), float(v)], 1e-14)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_steps_of_constant_gradients_are_the_learning_rate_whatever_their_scale(scale):
    path, _ = descend(Adam(learning_rate=0.01, epsilon=1e-12), [0.0], [scale] * 300)
    np.testing.assert_allclose(np.ravel(path), -0.01 * np.arange(1, 301), 1e-8)


def test_epsilon_is_added_to_the_corrected_root():
    path, _ = descend(Adam(learning_rate=1.0, epsilon=1.0), [0.0], [1.0])
    np.testing.assert_allclose(path[0], -1 / 2, 1e-13)              # to the uncorrected one: -0.0316/1.0316
