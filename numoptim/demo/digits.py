"""What the demo trains on, and what it trains: images of handwritten digits, and dense networks."""
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from numoptim import Parameters
from numoptim.native.arrays import Array


class Digits(NamedTuple):
    """Images as (n, 64) numbers in [0, 1], and what they show as (n,) integers 0 ... 9."""

    train_x: Array
    test_x: Array
    train_y: Array
    test_y: Array


def load(dtype: npt.DTypeLike = np.float32) -> Digits:
    """The 1,797 images that come with scikit-learn; a quarter of each digit's, always the same, to test on."""
    images, digits = load_digits(return_X_y=True)
    images = (images / 16).astype(dtype)
    return Digits(*train_test_split(images, digits, test_size=0.25, stratify=digits, random_state=0))


class Network:
    """Dense layers with tanh between them and a softmax behind; with sizes (64, 10), softmax regression.

    Layer k has weights ``weight<k>``, (sizes[k], sizes[k + 1]), and ``bias<k>``, (sizes[k + 1],), of any dtype.
    """

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes

    def initial(self, rng: np.random.Generator, dtype: npt.DTypeLike = np.float32) -> dict[str, Array]:
        """Weights to begin with: normal numbers over the root of the layer's inputs, biases 0."""
        arrays = {}
        for k, (inputs, outputs) in enumerate(pairwise(self.sizes)):
            arrays[f"weight{k}"] = (rng.standard_normal((inputs, outputs)) / inputs**0.5).astype(dtype)
            arrays[f"bias{k}"] = np.zeros(outputs, dtype)
        return arrays

    def predict(self, params: Mapping[str, Array], x: Array) -> Array:
        """Probabilities of the classes, (n, sizes[-1])."""
        return self._forward(params, x)[-1]

    def gradient(self, params: Parameters, x: Array, y: Array) -> float:
        """Write the gradient of the loss summed over a batch to ``params.grad``; returns the mean loss."""
        *inputs, probabilities = self._forward(params, x)
        delta = probabilities.copy()                     # derivative of the loss by the last layer's outputs
        delta[np.arange(len(y)), y] -= 1
        for k, h in reversed(list(enumerate(inputs))):
            np.matmul(h.T, delta, out=params.grad[f"weight{k}"])
            np.sum(delta, axis=0, out=params.grad[f"bias{k}"])
            delta = delta @ params[f"weight{k}"].T * (1 - h * h)     # tanh' = 1 - tanh**2
        return loss(probabilities, y)

    def _forward(self, params: Mapping[str, Array], x: Array) -> list[Array]:
        """The input of every layer, and the probabilities."""
        values = [x]
        for k in range(len(self.sizes) - 1):
            values.append(values[-1] @ params[f"weight{k}"] + params[f"bias{k}"])
            if k < len(self.sizes) - 2:
                np.tanh(values[-1], out=values[-1])
        p = values[-1]
        np.exp(p - p.max(axis=1, keepdims=True), out=p)
        p /= p.sum(axis=1, keepdims=True)
        return values


def loss(probabilities: Array, y: Array) -> float:
    """Mean cross-entropy."""
    p: Any = probabilities[np.arange(len(y)), y]
    return float(-np.log(np.maximum(p, np.finfo(p.dtype).tiny)).mean())


def accuracy(probabilities: Array, y: Array) -> float:
    """Part of the images whose most probable digit is the right one."""
    return float((probabilities.argmax(axis=1) == y).mean())
