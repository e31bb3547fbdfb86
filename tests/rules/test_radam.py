"""RAdam: steps without a division, then with one that the paper's r shortens."""
from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import RAdam


def test_the_first_five_steps_are_along_the_corrected_mean():
    # Of constant gradients that mean is the gradient; rho is 4.99 at t = 5.
    path, _ = descend(RAdam(learning_rate=0.5), [0.0], [4.0] * 5)
    np.testing.assert_allclose(np.ravel(path), [-2, -4, -6, -8, -10], 1e-14)


@pytest.mark.parametrize("t", [6, 7, 20, 1000])
def test_later_ones_are_adams_times_r(t):
    beta2 = Fraction(0.999)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
    r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
    path, _ = descend(RAdam(learning_rate=0.5, epsilon=0.0), [0.0], [4.0] * t)    # of Adam these would be 0.5
    assert path[-1] - path[-2] == pytest.approx(-0.5 * r, rel=1e-9)              # rho is a difference of 2,000s


@pytest.mark.parametrize("beta2", [0.0, 0.5, 0.6])
def test_a_short_memory_never_divides(beta2):
    path, _ = descend(RAdam(learning_rate=0.5, beta2=beta2), [0.0], [4.0] * 50)   # rho stays below 2/(1 - beta2) - 1
    np.testing.assert_allclose(np.ravel(path), -2 * np.arange(1, 51), 1e-13)


def test_without_epsilon_nothing_is_0_by_0_before_it_divides():
    path, _ = descend(RAdam(epsilon=0.0), [1.0], [0.0] * 6)
    np.testing.assert_array_equal(np.ravel(path), [1, 1, 1, 1, 1, np.nan])


def test_before_it_divides_a_second_moment_beyond_its_type_does_not_matter():
    weight = np.ones(3, np.float32)
    adam = RAdam(learning_rate=0.001)
    adam.update(0, weight, np.full(3, 1e21, np.float32), adam.create_state(0, weight))
    np.testing.assert_allclose(weight, -1e18, rtol=1e-6)
