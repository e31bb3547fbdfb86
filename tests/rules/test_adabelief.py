"""AdaBelief: by hand, and long steps where gradients are as their mean foretells."""
import numpy as np
from reference import descend

from numoptim.optimizer import AdaBelief, Adam


def test_first_steps_by_hand():
    # g = 1, -1 with beta1 = 1/2, beta2 = 3/4, epsilon = 1/16:
    # t = 1: m = 1/2, s = 1/4*1/4 + 1/16 = 1/8, m_hat = 1, s_hat = 1/2
    # t = 2: m = -1/4, s = 3/4*1/8 + 1/4*9/16 + 1/16 = 19/64, m_hat = -1/3, s_hat = 19/28
    options = {"learning_rate": 1.0, "beta1": 0.5, "beta2": 0.75, "epsilon": 1 / 16}
    path, state = descend(AdaBelief(**options), [0.0], [1.0, -1.0])
    steps = [1 / (np.sqrt(1 / 2) + 1 / 16), -1 / 3 / (np.sqrt(19 / 28) + 1 / 16)]
    np.testing.assert_allclose(np.ravel(path), -np.cumsum(steps), 1e-14)
    assert (state.slots["m"], state.slots["s"]) == (-1 / 4, 19 / 64)


def test_it_strides_where_the_gradient_is_constant():
    gradients = [1.0] * 200
    ways = [abs(descend(kind(), [0.0], gradients)[0][-1]) for kind in (Adam, AdaBelief)]
    assert ways[1] > 3 * ways[0]
