"""SGLD: the moments of its steps, its stationary distribution, and whose noise is whose."""
import math

import numpy as np
from reference import descend, same_bits

from numoptim import Parameters, Trainer
from numoptim.optimizer import SGLD

N = 200_000


def test_mean_and_variance_of_one_step():
    (w,), _ = descend(SGLD(learning_rate=0.04, seed=3, n_data=10, temperature=0.5, wd=2.0), np.ones(N), [1.0])
    assert abs(w.mean() - (1 - 0.02 * (10 + 2))) < 4 * math.sqrt(0.02 / N)
    assert abs(w.var() - 0.02) < 4 * 0.02 * math.sqrt(2 / N)


def test_variance_is_the_learning_rate():
    (w,), _ = descend(SGLD(learning_rate=0.3), np.zeros(N), [0.0])
    assert abs(w.var() - 0.3) < 4 * 0.3 * math.sqrt(2 / N)


def test_stationary_variance_of_a_standard_normal_posterior():
    # w' = (1 - lr/2) w + sqrt(lr) normal has variance 1/(1 - lr/4): also a test that steps are independent.
    path, _ = descend(SGLD(learning_rate=0.2), np.zeros(20_000), [lambda w: w] * 100)
    assert abs(path[-1].var() * (1 - 0.05) - 1) < 4 * math.sqrt(2 / 20_000)
    assert abs(path[-1].mean()) < 4 / math.sqrt(20_000)


def noise_of_states(sizes, seed):
    optimize = SGLD(learning_rate=1.0, seed=seed)
    weights = [np.zeros(size, np.float32) for size in sizes]
    states = [optimize.create_state(k, w) for k, w in enumerate(weights)]
    for k in reversed(range(len(sizes))):                          # the order of updates does not matter
        optimize.update(k, weights[k], np.zeros_like(weights[k]), states[k])
    return weights


def test_parameters_never_share_noise():
    a, b, c = noise_of_states([700, 700, 300], seed=9)
    assert np.sum(a == b) < 5 and len(np.intersect1d(a, b)) < 5 and len(np.intersect1d(c, np.append(a, b))) < 5
    assert same_bits(np.concatenate([a, b, c]), noise_of_states([1700], seed=9)[0])
    assert np.sum(noise_of_states([700], seed=8)[0] == a) < 5


def test_flat_buffer_has_the_noise_of_states_made_in_order():
    shapes = {"a": (70, 10), "b": 700, "c": 300}
    params = Parameters({name: np.zeros(shape, np.float32) for name, shape in shapes.items()})
    Trainer(params, "sgld", {"learning_rate": 1.0, "seed": 9}).step(1)
    assert same_bits(params.flat, np.concatenate(noise_of_states([700, 700, 300], seed=9)))
