"""Nadam: the product of its momentum schedule, for any step, and one product for all parameters."""
from types import SimpleNamespace

import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import Nadam
from numoptim.rules import nadam


def test_identical_parameters_stay_identical():
    # MXNet multiplies its product once per parameter, so that they part.
    optimize = Nadam(learning_rate=0.1)
    weights = [np.ones(4) for _ in range(3)]
    states = [optimize.create_state(k, w) for k, w in enumerate(weights)]
    for g in np.random.default_rng(5).standard_normal((30, 4)):
        for k in range(3):
            optimize.update(k, weights[k], g.copy(), states[k])
        assert (weights[0] == weights[1]).all() and (weights[1] == weights[2]).all()
    alone, _ = descend(Nadam(learning_rate=0.1), np.ones(4), np.random.default_rng(5).standard_normal((30, 4)))
    np.testing.assert_array_equal(weights[0], alone[-1])


def factors(t, beta1, schedule_decay):
    """P_t, mu_t and mu_{t+1} of the definition, in long double."""
    k = np.arange(1, t + 2, dtype=np.longdouble)
    mu = np.longdouble(beta1) * (1 - np.longdouble("0.5") * np.longdouble(0.96) ** (k * np.longdouble(schedule_decay)))
    return np.prod(mu[:-1]), mu[-2], mu[-1]


@pytest.mark.parametrize("schedule_decay", [0.0, 1e-9, 0.004, 0.1, 1.0])
@pytest.mark.parametrize("beta1", [0.0, 0.5, 0.9, 0.9999, 1 - 1e-7, 1 - 2**-53])
@pytest.mark.parametrize("t", [1, 2, 10, 53, 1000, 10**6])
def test_prepare_against_the_product_factor_by_factor(t, beta1, schedule_decay):
    lr, beta2, epsilon = 0.1, 0.99, 1e-3
    hyper = SimpleNamespace(learning_rate=lr, beta1=beta1, beta2=beta2, epsilon=epsilon, schedule_decay=schedule_decay)
    got = dict(zip(nadam.RULE.derived, nadam.prepare(t, hyper), strict=True))
    product, mu, mu_next = factors(t, beta1, schedule_decay)
    root = np.sqrt(1 - np.longdouble(beta2) ** t)
    expected = {"beta1_c": 1 - beta1, "beta2_c": 1 - beta2, "epsilon_t": epsilon * root,
                "look_g": lr * root * (1 - mu) / (1 - product), "look_m": lr * root * mu_next / (1 - product * mu_next)}
    rounding = 1e-12 + t * 2.0**-53                                  # half an ulp for each factor of power(b, t)
    for name in got:
        assert float(got[name]) == pytest.approx(float(expected[name]), rel=rounding, abs=1e-16), name
