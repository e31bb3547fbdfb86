"""AdaGrad: steps shrink with the root of the sum of squares; eps is inside the root; where the sum begins."""
import numpy as np
import pytest
from reference import descend, slots_of

from numoptim import Parameters, Trainer
from numoptim.optimizer import AdaGrad


def test_constant_gradients():
    g = np.array([3.0, -0.02, 0.0])
    path, _ = descend(AdaGrad(learning_rate=0.1, eps=1e-4), np.zeros(3), [g] * 50)
    steps = 0.1 * g / np.sqrt(np.arange(1, 51)[:, None] * g * g + 1e-4)
    np.testing.assert_allclose(path, -np.cumsum(steps, axis=0), 1e-13)


def test_eps_is_inside_the_root():
    path, _ = descend(AdaGrad(learning_rate=1.0, eps=9.0), [0.0], [4.0])
    assert path[0] == -4 / 5                                         # outside: -4/13


def test_weight_decay_is_coupled():
    path, state = descend(AdaGrad(learning_rate=0.1, wd=0.5, eps=1e-7), [2.0], [0.0])
    np.testing.assert_allclose(state.slots["n"], 1.0, 1e-15)
    np.testing.assert_allclose(path[0], 2 - 0.1 / np.sqrt(1 + 1e-7), 1e-15)


def test_the_sum_begins_at_initial():
    path, state = descend(AdaGrad(learning_rate=1.0, eps=0, initial=9.0), [0.0, 0.0], [[4.0, 0.0]])
    assert path[0].tolist() == [-4 / 5, 0] and state.slots["n"].tolist() == [25, 9]


def test_new_parameters_begin_there_too(tmp_path):
    def made(*names):
        return Trainer(Parameters({name: np.zeros(2) for name in names}), "adagrad", {"initial": 0.5, "eps": 0})

    trainer = made("a")
    trainer.step(1, {"a": [1.0, 2.0]})
    trainer.save_states(tmp_path / "states")
    more = made("b", "a")
    more.load_states(tmp_path / "states", missing="new")
    assert slots_of(more)["n"].tolist() == [0.5, 0.5, 1.5, 4.5]


@pytest.mark.parametrize("initial", [-0.5, float("nan"), float("inf"), 10**400, "1", None])
def test_initial_is_a_number_of_0_or_more(initial):
    with pytest.raises(ValueError, match=r"initial=.*: expected a finite number of 0 or more"):
        AdaGrad(initial=initial)


def test_initial_is_one_of_the_weights_type():
    optimize, w = AdaGrad(initial=1e39), np.ones(2, np.float32)
    with pytest.raises(ValueError, match=r"begins at 1e\+39 is out of range for float32"):
        optimize.create_state(0, w)
    optimize.initial = np.float32(1e-40)                             # as a step would store it
    assert optimize.create_state(0, w).slots["n"].tolist() == [0, 0]
