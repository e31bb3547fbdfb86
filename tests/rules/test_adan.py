"""Adan: the paper's algorithm in the paper's own terms; optax' steps where its factor is the paper's."""
import numpy as np
from reference import descend

from numoptim.optimizer import Adan


def test_steps_are_those_of_algorithm_1():
    # As printed, its beta_i being 1 - beta_i here, and corrected for m, v and n that start at 0.
    lr, wd, epsilon, b1, b2, b3 = 0.02, 0.3, 1e-4, 0.02, 0.08, 0.01
    rng = np.random.default_rng(1)
    gradients, w = rng.standard_normal((30, 6)), rng.standard_normal(6)
    path, _ = descend(Adan(learning_rate=lr, beta1=1 - b1, beta2=1 - b2, beta3=1 - b3, epsilon=epsilon, wd=wd), w,
                      gradients)
    m = v = n = 0.0
    before = gradients[0]                                           # g_0 = g_1: no difference at first
    for k, (got, g) in enumerate(zip(path, gradients, strict=True), 1):
        m = (1 - b1) * m + b1 * g
        v = (1 - b2) * v + b2 * (g - before)
        n = (1 - b3) * n + b3 * (g + (1 - b2) * (g - before)) ** 2
        m_hat, v_hat, n_hat = (x / (1 - (1 - b) ** k) for x, b in ((m, b1), (v, b2), (n, b3)))
        eta = lr / (np.sqrt(n_hat) + epsilon)
        w, before = (w - eta * (m_hat + (1 - b2) * v_hat)) / (1 + lr * wd), g
        np.testing.assert_allclose(got, w, 1e-12, 1e-13)


def test_the_first_step_is_along_the_sign():
    path, state = descend(Adan(learning_rate=0.1, epsilon=0), [1.0, 1.0], [[3.0, -0.01]])
    np.testing.assert_allclose(path[0], [0.9, 1.1], 1e-15)
    assert not state.slots["v"].any() and state.slots["g_before"].tolist() == [3.0, -0.01]


def test_decay_is_proximal():
    path, state = descend(Adan(learning_rate=0.1, wd=5.0), [3.0], [0.0, 0.0])
    np.testing.assert_allclose(np.ravel(path), [2.0, 4 / 3], 1e-15)          # 3/1.5: never past 0, however large wd
    assert not any(slot.any() for slot in state.slots.values())
