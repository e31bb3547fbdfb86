"""AdamW, but for its decay (test_decoupled.py): the maximum of AMSGrad, by hand."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import Adam, AdamW


@pytest.mark.parametrize("amsgrad", [False, True])
def test_without_decay_it_is_adam(amsgrad):
    gradients = np.random.default_rng(1).standard_normal((20, 3))
    paths = [descend(kind(wd=0.0, amsgrad=amsgrad), np.ones(3), gradients)[0] for kind in (Adam, AdamW)]
    np.testing.assert_array_equal(*paths)


def test_amsgrad_never_divides_by_less_than_before():
    # beta2 = 1/2: v = 0.5*16 = 8, then halved in every step without a gradient, but for amsgrad, which keeps 8.
    gradients = [4.0, 0.0, 0.0]
    options = {"beta1": 0.5, "beta2": 0.5, "epsilon": 0.0, "learning_rate": 1.0, "wd": 0.0}
    path, state = descend(AdamW(amsgrad=True, **options), [0.0], gradients)
    # m = 2, 1, 1/2; corrected by 1/2, 3/4, 7/8: m_hat 4, 4/3, 4/7; v_hat = 16, 8/(3/4), 8/(7/8)
    steps = [4 / 4, (4 / 3) / (32 / 3) ** 0.5, (4 / 7) / (64 / 7) ** 0.5]
    np.testing.assert_allclose(np.ravel(path), -np.cumsum(steps), 1e-14)
    assert (state.slots["v"], state.slots["v_max"]) == (2.0, 8.0)
