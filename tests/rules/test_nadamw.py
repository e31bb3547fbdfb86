"""NAdamW, but for its decay (test_decoupled.py)."""
import numpy as np
from reference import descend

from numoptim.optimizer import Nadam, NAdamW


def test_without_decay_it_is_nadam():
    gradients = np.random.default_rng(1).standard_normal((20, 3))
    made = [kind(learning_rate=0.01, schedule_decay=0.1) for kind in (Nadam, NAdamW)]
    paths = [descend(optimize, np.ones(3), gradients)[0] for optimize in made]
    np.testing.assert_array_equal(*paths)
