"""Gradient norm."""
import math

import numpy as np

from numoptim.optimizer.rule_optimizer import from_rule
from numoptim.rules.gradient_norm import RULE


def test_it_keeps_the_norm_of_what_a_step_would_take_and_leaves_weights():
    w, g = np.array([1, -0.0, 1e-45, np.nan], np.float32), np.array([3, 4, -12, 20], np.float32)
    before, opt = w.tobytes(), from_rule(RULE)(rescale_grad=0.5, clip_gradient=6)
    state = opt.create_state(0, w)
    for _ in range(2):
        opt.update(0, w, g, state)
        assert state.slots["norm"].item() == math.sqrt(1.5**2 + 2**2 + 6**2 + 6**2) and w.tobytes() == before


def test_squares_are_formed_in_float64():
    w, g = np.zeros(2, np.float32), np.array([3e38, 3e38], np.float32)
    opt = from_rule(RULE)()
    state = opt.create_state(0, w)
    opt.update(0, w, g, state)
    assert state.slots["norm"].item() == math.sqrt(2 * float(g[0])**2)
