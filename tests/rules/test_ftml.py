"""FTML: what its first steps are in closed form, and the sum that it minimises."""
import numpy as np
from reference import descend

from numoptim.optimizer import FTML


def test_first_step():
    # d = (1 - beta1)/lr * (|g| + epsilon) and z = (1 - beta1)*g - d*w, so w moves by -lr*g/(|g| + epsilon).
    w, g = np.array([2.0, -3.0, 0.5]), np.array([1e-3, -50.0, 2.0])
    path, _ = descend(FTML(learning_rate=0.1, epsilon=0.5), w, [g])
    np.testing.assert_allclose(path[0], w - 0.1 * g / (abs(g) + 0.5), 1e-11)


def test_weight_minimises_the_weighted_sum():
    # Zheng & Kwok, eq. 6: w_t = argmin sum_i w_{i,t} (g_i.w + Q_i (w - w_{i-1})^2 / 2); its slope there is 0.
    lr, beta1, beta2, epsilon = 0.05, 0.6, 0.99, 1e-3
    rng = np.random.default_rng(9)
    start, gradients = rng.standard_normal(8), rng.standard_normal((20, 8))
    path, _ = descend(FTML(learning_rate=lr, beta1=beta1, beta2=beta2, epsilon=epsilon), start, gradients)
    before = np.array([start, *path[:-1]])
    t = np.arange(1, 21)[:, None]
    v = np.array([(1 - beta2) * sum(beta2 ** (k - i) * gradients[i] ** 2 for i in range(k + 1)) for k in range(20)])
    d = (1 - beta1**t) / lr * (np.sqrt(v / (1 - beta2**t)) + epsilon)
    sigma = d - beta1 * np.vstack([np.zeros(8), d[:-1]])
    weight = beta1 ** (20.0 - t)
    slope = (weight * ((1 - beta1) * gradients + sigma * (path[-1] - before))).sum(0)
    np.testing.assert_allclose(slope, 0, 0, 1e-11 * abs(weight * sigma).sum(0).max())
