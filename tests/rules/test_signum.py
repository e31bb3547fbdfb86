"""Signum: the sign of the running mean, and where the two decays act."""
import numpy as np
from reference import descend

from numoptim.optimizer import Signum


def test_steps_along_the_sign_of_the_mean():
    # m = 0.5, then 0.25 - 0.05 = 0.2 > 0 though g < 0, then 0.1 - 0.5 < 0
    path, _ = descend(Signum(learning_rate=0.25, momentum=0.5), [0.0], [1.0, -0.1, -1.0])
    assert np.ravel(path).tolist() == [-0.25, -0.5, -0.25]


def test_sign_of_zero_is_zero_and_nan_stays():
    for momentum in (0.0, 0.9):
        path, _ = descend(Signum(learning_rate=0.25, momentum=momentum), [2.0] * 4, [[0.0, -0.0, 3e-300, np.nan]])
        np.testing.assert_array_equal(path[0], [2, 2, 1.75, np.nan])


def test_wd_is_inside_the_sign_and_wd_lh_outside():
    for momentum in (0.0, 0.9):
        path, _ = descend(Signum(learning_rate=0.25, momentum=momentum, wd=0.5), [2.0, -2.0], [[-0.5, 0.0]])
        assert path[0].tolist() == [1.75, -1.75]                    # -0.5 + 0.5*2 > 0
        path, _ = descend(Signum(learning_rate=0.25, momentum=momentum, wd_lh=0.5), [2.0, -2.0], [[-0.5, 0.0]])
        assert path[0].tolist() == [2 * 0.875 + 0.25, -2 * 0.875]
