"""Classes of one's own, written in Python: what of them lasts in copies and files, and what would have no effect."""
import copy

import numpy as np
import pytest
from test_optimizer import bits, draw

from numoptim import Parameters, Trainer, optimizer


class Halving(optimizer.Optimizer):
    """With a number of NumPy's, whose type decides in which precision a step is made."""

    saved = ("rate", "past")

    def __init__(self, rate=0.1, **keywords):
        super().__init__(**keywords)
        self.rate = rate
        self.past = {"rates": [rate]}

    def update(self, index, weight, grad, state):
        self._update_count(index)
        weight[...] = weight * 1.7 - self.rate * grad * grad / np.float32(3) * self.past["rates"][-1]


@pytest.mark.parametrize("rate", [0.1, np.float64(0.1), np.float32(0.1), np.int64(3), np.longdouble("0.1"),
                                  np.array(0.1)], ids=lambda x: type(x).__name__)
def test_numbers_are_resumed_as_what_they_are(tmp_path, rate):
    trainer = Trainer(Parameters(draw(0)), Halving(rate))
    trainer.step(grads=draw(1))
    trainer.save_states(tmp_path / "states")
    resumed = Trainer(Parameters(dict(trainer.params)), Halving(0.5))
    resumed.load_states(tmp_path / "states")
    assert type(resumed.optimizer.rate) is type(resumed.optimizer.past["rates"][0]) is type(rate)
    for each in (trainer, resumed):
        each.step(grads=draw(2))
    assert bits(trainer.params.flat) == bits(resumed.params.flat)
