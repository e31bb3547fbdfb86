"""Ftrl against McMahan et al. 2013, Algorithm 1, written out per coordinate, on real data, one example at a time.

Logistic regression on scikit-learn's handwritten digits (even or odd; of each the pixels that aren't blank) and on its
breast cancer data (each of 30 measurements in one of ten bins). Algorithm 1 touches the coordinates of an example alone
and takes its weights from z and n; here a step is over all weights, with gradients that are 0 elsewhere.
"""
import functools
import math
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits

from numoptim import Parameters, Trainer


class Example(NamedTuple):
    indices: np.ndarray
    values: np.ndarray
    label: float


@functools.cache
def digits():
    """Two passes over 1,797 examples of 64 features, about half of which are 0."""
    data = load_digits()
    return 64, 2 * [Example(np.flatnonzero(x), x[x != 0] / 16, float(y % 2))
                    for x, y in zip(data.data, data.target, strict=True)]


@functools.cache
def cancer():
    """Eight passes over 569 examples of 300 features, 30 of which are 1."""
    data = load_breast_cancer()
    edges = np.quantile(data.data, np.arange(1, 10) / 10, axis=0)
    bins = (data.data[:, :, None] >= edges.T).sum(2) + 10 * np.arange(30)
    order = np.random.default_rng(2013).permutation(8 * len(bins)) % len(bins)
    return 300, [Example(bins[k], np.ones(30), float(data.target[k])) for k in order]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def algorithm_1(size, examples, alpha, beta, lambda1, lambda2):
    """The weights after all examples, and how often a prediction was right."""
    z, n = [0.0] * size, [0.0] * size

    def weight(i):
        if abs(z[i]) <= lambda1:
            return 0.0
        return -((beta + math.sqrt(n[i])) / alpha + lambda2) ** -1 * (z[i] - math.copysign(lambda1, z[i]))

    right = 0
    for indices, values, y in examples:
        x = dict(zip(indices.tolist(), values.tolist(), strict=True))
        w = {i: weight(i) for i in x}
        p = sigmoid(sum(x[i] * w[i] for i in x))
        right += (p > 0.5) == y
        for i in x:
            g = (p - y) * x[i]
            sigma = (math.sqrt(n[i] + g * g) - math.sqrt(n[i])) / alpha
            z[i] += g - sigma * w[i]
            n[i] += g * g
    return np.array([weight(i) for i in range(size)]), right / len(examples)


def steps(size, examples, dtype, alpha, beta, lambda1, lambda2):
    """The weights after a step for each example."""
    params = Parameters({"w": np.zeros(size, dtype)})
    trainer = Trainer(params, "ftrl", {"learning_rate": alpha, "beta": beta, "lamda1": lambda1, "wd": lambda2})
    w, g = params["w"], params.grad["w"]
    for indices, values, y in examples:
        p = sigmoid(float(values @ w[indices]))
        g[indices] = (p - y) * values
        trainer.step(1)
        g[indices] = 0
    return w


@pytest.mark.parametrize("data, alpha, beta, lambda1, lambda2", [
    (digits, 0.1, 1.0, 10.0, 0.0), (digits, 0.5, 0.1, 30.0, 0.5), (digits, 0.05, 0.01, 3.0, 4.0),
    (cancer, 0.1, 1.0, 3.0, 0.0), (cancer, 0.3, 2.0, 5.0, 1.0), (cancer, 1.0, 0.5, 0.5, 8.0)])
def test_weights_are_those_of_algorithm_1(data, alpha, beta, lambda1, lambda2):
    options = {"alpha": alpha, "beta": beta, "lambda1": lambda1, "lambda2": lambda2}
    expected, right = algorithm_1(*data(), **options)
    assert right > 0.8 and 10 < (expected == 0).sum() < len(expected) / 1.4         # it learns, and is sparse
    for dtype, tolerance in ((np.float64, 1e-13), (np.float32, 1e-5)):
        w = steps(*data(), dtype, **options)
        assert ((w == 0) == (expected == 0)).all()
        assert abs(w - expected).max() <= tolerance * abs(expected).max()
