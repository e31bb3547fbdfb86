"""NAG: its stored weight is the look-ahead point of Sutskever et al."""
import numpy as np
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
