"""Rprop: steps grow, shrink and stay within their bounds; what learning_rate is for, and what is refused."""
import numpy as np
import pytest
from reference import descend, same_bits

from numoptim import Parameters, Trainer
from numoptim.lr_scheduler import FactorScheduler
from numoptim.optimizer import Rprop, create


def test_by_hand():
    path, state = descend(Rprop(learning_rate=1.0), [0.0], [3.0, 5.0, -1e-9, -7.0, -7.0])
    # 1, 1.2; turned: no step, 0.6 from then on; the gradient before counts as 0; 0.72
    np.testing.assert_allclose(np.ravel(path), [-1, -2.2, -2.2, -1.6, -0.88], 1e-15)
    np.testing.assert_allclose(state.slots["s"], [0.72], 1e-15)


def test_bounds_hold_where_steps_grow_and_shrink():
    path, state = descend(Rprop(learning_rate=2.0, min_step=0.75, max_step=3.0), [0.0, 0.0],
                          [[1.0, 1.0], [1.0, -1.0], [1.0, -1.0], [1.0, 1.0]])
    np.testing.assert_allclose(np.diff(path, axis=0)[:, 0], [-2.4, -2.88, -3.0], 1e-15)
    assert state.slots["s"].tolist() == [3.0, 0.75]


def test_signs_of_gradients_whose_product_is_none():
    path, _ = descend(Rprop(learning_rate=1.0), [0.0], [1e-200, 1e-200, -1e-200])
    np.testing.assert_allclose(np.ravel(path), [-1, -2.2, -2.2], 1e-15)


def test_a_parameter_begins_at_its_own_rate():
    params = Parameters({"a": np.zeros(2), "b": np.zeros(1), "rest": np.zeros(1)})
    trainer = Trainer(params, "rprop", {"learning_rate": 0.5, "lr_mult": {"b": 0.25, "rest": 0}})
    assert [trainer.slots["s"][name].tolist() for name in params] == [[0.5, 0.5], [0.125], [0.5]]
    trainer.step(1, {"a": [1.0, -1.0], "b": [1.0], "rest": [1.0]})
    assert params.flat.tolist() == [-0.5, 0.5, -0.125, 0]
    trainer.optimizer.set_lr_mult({})
    trainer.step(1, {"a": [0.0, 0.0], "b": [0.0], "rest": [1.0]})
    assert params.flat.tolist() == [-0.5, 0.5, -0.125, -0.5]


def test_without_a_rate_there_is_no_step():
    path, state = descend(Rprop(learning_rate=0), [1.0, -2.0], [[1.0, 1.0], [-1.0, 1.0]])
    assert all(same_bits(w, np.array([1.0, -2.0])) for w in path)
    assert not any(slot.any() for slot in state.slots.values()) and state.t == 2


@pytest.mark.parametrize("refused, message", [
    (lambda: Rprop(lr_scheduler=FactorScheduler(2)), "lr_scheduler has no effect"),
    (lambda: Rprop(lr_scheduler=FactorScheduler(2), learning_rate=1), "lr_scheduler has no effect"),
    (lambda: setattr(Rprop(), "lr_scheduler", lambda n: 0.1), "lr_scheduler has no effect"),
    (lambda: Rprop().set_learning_rate(0.5), "cannot be changed later"),
    (lambda: create("rprop", wd=0.01), r"wd=0.01 is out of range: expected a finite number in \[0, 0\]"),
    (lambda: setattr(Rprop(), "wd", 0.01), "wd=0.01"),
    (lambda: Rprop(learning_rate=1e-33).create_state(0, np.ones(1, np.float32)), "begin by the learning_rate need one"),
])
def test_what_would_have_no_effect_is_refused(refused, message):
    with pytest.raises(ValueError, match=message):
        refused()


def test_no_schedule_may_be_set():
    optimize = Rprop(learning_rate=0.5)
    optimize.lr_scheduler = None
    assert optimize.lr_scheduler is None and optimize.learning_rate == 0.5
