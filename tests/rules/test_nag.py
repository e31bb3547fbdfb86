"""NAG: its stored weight is the look-ahead point of Sutskever et al."""
import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import NAG


def test_explicit_look_ahead_on_a_quadratic():
    lr, momentum, wd = 0.05, 0.9, 0.01
    rng = np.random.default_rng(1)
    a = rng.standard_normal((6, 6))
    a, b = a @ a.T / 6, rng.standard_normal(6)

    def slope(x):
        return a @ x - b

    w, v, points = rng.standard_normal(6), np.zeros(6), []
    start = w.copy()
    for _ in range(200):
        y = w + momentum * v
        v = momentum * v - lr * (slope(y) + wd * y)
        w = w + v
        points.append(w + momentum * v)
    path, state = descend(NAG(learning_rate=lr, momentum=momentum, wd=wd), start, [slope] * 200)
    np.testing.assert_allclose(path, points, 1e-12, 1e-13)
    np.testing.assert_allclose(state.slots["v"], v, 1e-9, 1e-13)


def test_without_momentum_it_is_gradient_descent():
    path, _ = descend(NAG(learning_rate=0.25), [1.0], [lambda w: w] * 3)
    np.testing.assert_array_equal(np.ravel(path), [0.75, 0.75**2, 0.75**3])


def test_the_rate_outside_the_velocity_makes_the_same_steps_until_it_changes():
    rng = np.random.default_rng(2)
    start, gradients = rng.standard_normal(4), rng.standard_normal((30, 4))
    (path, inside), (outside, state) = (
        descend(NAG(learning_rate=0.25, momentum=0.9, rate_in_velocity=where), start, gradients)
        for where in (True, False))
    np.testing.assert_allclose(outside, path, 1e-12, 1e-13)
    np.testing.assert_allclose(-0.25 * state.slots["v"], inside.slots["v"], 1e-12)


def test_a_change_of_the_rate_outside_the_velocity_acts_at_once():
    optimize, w = NAG(learning_rate=0.5, momentum=0.5, rate_in_velocity=False), np.zeros(1)
    state = optimize.create_state(0, w)
    optimize.update(0, w, np.ones(1), state)
    optimize.set_learning_rate(0.0)
    optimize.update(0, w, np.ones(1), state)
    assert w[0] == -0.75 and state.slots["v"][0] == 1.5


def test_there_is_no_dampening():
    with pytest.raises(TypeError, match="NAG has no keyword 'dampening': Nesterov's momentum has none"):
        NAG(momentum=0.5, dampening=0.5)
