"""Ftrl: exact zeros, the minimum it follows, the warm start."""
import numpy as np
import pytest
from reference import descend, same_bits

from numoptim import Parameters, Trainer
from numoptim.optimizer import Ftrl

OPTIONS = {"learning_rate": 0.5, "lamda1": 1.0, "beta": 1.0}


def test_weights_are_exactly_zero_within_lamda1():
    path, state = descend(Ftrl(**OPTIONS), np.zeros(4), [[0.5, -1.0, 1.5, -3.0], [0.25, 0.5, -1.0, 2.0]])
    assert path[0][:2].tolist() == [0.0, 0.0] and (path[0][2:] != 0).all()
    np.testing.assert_allclose(path[0][2:], [-0.5 / 5, 2.0 / 8], 1e-15)        # -(|z| - 1) sign(z) / ((1 + |g|)/lr)
    assert ((path[1] == 0) == (abs(state.slots["z"]) <= 1)).all() and path[1][2] == 0


def test_weight_minimises_the_regularised_sum():
    # McMahan et al., eq. 1, with the lambda2 of Algorithm 1:
    # w = argmin sum g.w + sum sigma_s (w - w_s)^2 / 2 + lambda1 |w| + (beta/lr + lambda2) w^2 / 2
    lr, lamda1, beta, lamda2 = 0.3, 0.4, 0.7, 0.2
    rng = np.random.default_rng(7)
    gradients = rng.standard_normal((30, 25))
    path, _ = descend(Ftrl(learning_rate=lr, lamda1=lamda1, beta=beta, wd=lamda2), np.zeros(25), gradients)
    roots = np.sqrt(np.cumsum(gradients**2, axis=0))
    sigma = np.diff(roots, axis=0, prepend=0.0) / lr
    before = np.array([np.zeros(25), *path[:-1]])
    slope = gradients.sum(0) + (sigma * (path[-1] - before)).sum(0) + (beta / lr + lamda2) * path[-1]
    zero = path[-1] == 0
    assert 0 < zero.sum() < 25
    assert (abs(slope[zero]) <= lamda1).all()                                  # 0 is in the subdifferential
    np.testing.assert_allclose(slope[~zero], -lamda1 * np.sign(path[-1][~zero]), 1e-12)


def test_cold_start_forgets_the_weight():
    path, _ = descend(Ftrl(**OPTIONS), [5.0, -5.0], [0.0])
    assert path[0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("mult", [1.0, 0.25])
def test_warm_start_keeps_the_weight(mult):
    w = np.array([5.0, -0.01, 0.0, 1e-8])
    path, _ = descend(Ftrl(**OPTIONS, wd=0.1, warm_start=True, lr_mult={0: mult}), w, [0.0, 0.0])
    np.testing.assert_allclose(path, [w, w], 1e-7, 1e-15)                        # 1e-8 is what is left of 1 + 1e-8 - 1
    np.testing.assert_allclose(path[-1][:2], w[:2], 1e-13)


def test_warm_start_of_a_flat_buffer_has_the_bits_of_its_arrays():
    rng = np.random.default_rng(8)
    weights = {"a": rng.standard_normal(7), "b": rng.standard_normal((3, 2))}
    keywords = {**OPTIONS, "warm_start": True, "wd": 0.1, "lr_mult": {0: 0.5}, "wd_mult": {1: 2.0}}
    params, optimize = Parameters(weights), Ftrl(**keywords)
    Trainer(params, Ftrl(**keywords)).step(1)
    for k, w in enumerate(weights.values()):
        state = optimize.create_state(k, w)
        optimize.update(k, w, np.zeros_like(w), state)
    assert same_bits(params.flat, np.concatenate([w.ravel() for w in weights.values()]))


@pytest.mark.parametrize("rate", [0.0, 1e-300])
def test_warm_start_needs_a_rate(rate):
    with pytest.raises(ValueError, match=r"by the learning_rate need one of 2\.5e-293 or more for float64"):
        Ftrl(learning_rate=rate, warm_start=True).create_state(0, np.ones(3))


def test_warm_start_of_a_parameter_at_rest():
    state = Ftrl(warm_start=True, lr_mult={0: 0.0}).create_state(0, np.array([1.0, 0.0, -2.0]))
    assert all(np.isfinite(slot).all() for slot in state.slots.values())


def test_the_sum_of_squares_begins_at_initial():
    # Algorithm 1 with n = 9 before the first step: sigma = (5 - 3)/lr, and 5 in the denominator.
    path, state = descend(Ftrl(learning_rate=0.5, lamda1=1.0, beta=1.0, initial=9.0), [3.0, 0.0], [[4.0, 0.0]])
    assert state.slots["z"].tolist() == [4 - 2 / 0.5 * 3, 0] and state.slots["n"].tolist() == [25, 9]
    np.testing.assert_allclose(path[0], [(8 - 1) / ((1 + 5) / 0.5), 0], 1e-15)


def test_initial_goes_without_a_warm_start():
    with pytest.raises(ValueError, match=r"initial=0\.1 goes without warm_start=True"):
        Ftrl(initial=0.1, warm_start=True)
