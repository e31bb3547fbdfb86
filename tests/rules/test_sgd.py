"""SGD: the heavy ball, with the learning rate inside the velocity or outside."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import SGD


def test_learning_rate_is_inside_the_velocity():
    optimize = SGD(learning_rate=0.1, momentum=0.8)
    w = np.array([1.0])
    state = optimize.create_state(0, w)
    optimize.update(0, w, np.ones(1), state)
    assert w[0] == 1 - 0.1
    optimize.set_learning_rate(0.01)
    optimize.update(0, w, np.ones(1), state)
    np.testing.assert_allclose(w, 0.9 - (0.08 + 0.01), 1e-15)


def test_or_outside():
    optimize = SGD(learning_rate=0.1, momentum=0.8, rate_in_velocity=False)
    w = np.array([1.0])
    state = optimize.create_state(0, w)
    optimize.update(0, w, np.ones(1), state)
    optimize.set_learning_rate(0.01)
    optimize.update(0, w, np.ones(1), state)
    np.testing.assert_allclose(w, 0.9 - 0.01 * 1.8, 1e-15)


def test_the_first_gradient_is_not_dampened():
    path, state = descend(SGD(learning_rate=0.1, momentum=0.5, dampening=0.75, rate_in_velocity=False), [0.0],
                          [4.0, 4.0, 0.0])
    np.testing.assert_allclose(np.ravel(path), [-0.4, -0.7, -0.85], 1e-14)       # v: 4, 2 + 1, 1.5
    np.testing.assert_allclose(state.slots["v"], [1.5], 1e-15)


@pytest.mark.parametrize("keywords", [{}, {"momentum": 0.9}, {"rate_in_velocity": False}])
def test_dampening_needs_momentum_with_the_rate_outside(keywords):
    with pytest.raises(ValueError, match=r"dampening=0\.5 needs momentum and rate_in_velocity=False"):
        SGD(dampening=0.5, **keywords)
    optimize, w = SGD(**keywords), np.ones(1)
    state = optimize.create_state(0, w)
    optimize.dampening = 0.5
    with pytest.raises(ValueError, match=r"dampening=0\.5 needs"):
        optimize.update(0, w, np.ones(1), state)
    assert w[0] == 1 and state.t == 0


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_quadratic_follows_its_recurrence(momentum):
    # w' - w = momentum*(w - w_old) - lr*a*w is linear with constant coefficients: its roots give w in closed form.
    lr, a = 0.1, np.array([0.3, 1.0, 7.0])
    path, _ = descend(SGD(learning_rate=lr, momentum=momentum), np.ones(3), [lambda w: a * w] * 40)
    b = 1 + momentum - lr * a
    root = np.sqrt((b * b - 4 * momentum).astype(complex))
    p, q = (b + root) / 2, (b - root) / 2
    c = (1 - lr * a - q) / (p - q)                                   # w_0 = 1, w_1 = 1 - lr*a
    for t, w in enumerate(path, 1):
        np.testing.assert_allclose(w, (c * p**t + (1 - c) * q**t).real, 1e-11, 1e-14)


def test_weight_decay_is_part_of_the_gradient():
    path, _ = descend(SGD(learning_rate=0.1, momentum=0.5, wd=0.2), [2.0], [1.0, 1.0])
    np.testing.assert_allclose(np.ravel(path), [1.86, 1.86 - 0.07 - 0.1 * (1 + 0.2 * 1.86)], 1e-15)
