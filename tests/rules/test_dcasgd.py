"""DCASGD: the delay compensation of Zheng et al., with momentum too, and w_bak, which begins as the weight."""
import numpy as np
import pytest
from reference import descend, slots_of

from numoptim import Parameters, Trainer
from numoptim.optimizer import DCASGD


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_against_the_formula(momentum):
    lr, lamda, wd, clip = 0.2, 1.5, 0.1, 0.9
    rng = np.random.default_rng(6)
    w, gradients = rng.standard_normal(20), rng.standard_normal((50, 20))
    optimize = DCASGD(learning_rate=lr, momentum=momentum, lamda=lamda, wd=wd, clip_gradient=clip)
    path, state = descend(optimize, w, gradients)
    v, backup = 0.0, w
    for got, g in zip(path, np.clip(gradients, -clip, clip), strict=True):
        v = momentum * v - lr * (g + wd * w + lamda * g * g * (w - backup))
        w, backup = w + v, w
        np.testing.assert_allclose(got, w, 1e-11, 1e-13)
    np.testing.assert_array_equal(state.slots["w_bak"], path[-2])


@pytest.mark.parametrize("momentum", [0.0, 0.7])
def test_backup_begins_as_the_weight(momentum):
    optimize = DCASGD(momentum=momentum)
    w = np.array([[1.0, -2.0, 1e-300]])
    state = optimize.create_state(0, w)
    np.testing.assert_array_equal(state.slots["w_bak"], w)
    params = Parameters({"a": np.ones((2, 3)), "none": np.zeros(0), "b": np.arange(5.0)})
    slots = slots_of(Trainer(params, DCASGD(momentum=momentum)))
    assert slots["w_bak"].tolist() == [1] * 6 + [0, 1, 2, 3, 4]


def test_a_worker_that_lags_is_compensated():
    # w_bak is what this worker pulled: between, others moved the weight by 1/2.
    optimize = DCASGD(learning_rate=0.1, lamda=2.0)
    w = np.array([1.0])
    state = optimize.create_state(0, w)
    w += 0.5
    optimize.update(0, w, np.array([3.0]), state)
    np.testing.assert_allclose(w, 1.5 - 0.1 * (3 + 2 * 9 * 0.5), 1e-15)
