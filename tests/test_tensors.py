"""Tensors of PyTorch on the processor: updated in place through their own memory, or refused."""
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from numoptim import Parameters, Trainer, optimizer

ROOT = Path(__file__).parents[1]
TORCH = os.environ.get("NUMOPTIM_BENCH_TORCH")


class Tensor:
    """What the library asks of a tensor, over an array."""

    def __init__(self, array, requires_grad=False, copies=False):
        self.array, self.requires_grad, self.copies = np.asarray(array), requires_grad, copies
        self.shape, self.dtype = self.array.shape, f"torch.{self.array.dtype}"

    def detach(self):
        return Tensor(self.array)

    def numpy(self):
        if self.array.dtype == np.float16:
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.array.copy() if self.copies else self.array[...]

    def data_ptr(self):
        return self.array.ctypes.data

    def __array__(self, dtype=None, copy=None):
        return self.numpy()

    def __dlpack_device__(self):
        return 1, 0


def test_updates_are_those_of_arrays():
    w = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    weight, grad = Tensor(w.copy()), Tensor(np.zeros_like(w))
    adam, other = optimizer.Adam(), optimizer.Adam()
    state, expected = adam.create_state(0, weight), other.create_state(0, w)
    stepper = None
    for k in range(3):
        grad.array[...] = k - 1
        adam.update(0, weight, grad, state)
        other.update(0, w, np.full_like(w, k - 1), expected)
        stepper = stepper or state._stepper
        assert state._stepper is stepper, "bound anew in every step"
    assert weight.array.tobytes() == w.tobytes() and state.t == 3
    adam.update([0], [Tensor(weight.array)], [Tensor(grad.array)], [state])
    assert state.t == 4 and state._stepper is stepper


def test_parameters_and_gradients_copy_them():
    w = np.ones(3)
    params = Parameters({"layers": [Tensor(w)]})
    trainer = Trainer(params, "sgd", {"learning_rate": 1.0})
    trainer.step(grads={"layers": [Tensor(np.full(3, 0.25))]})
    params.grad["layers.0"] = Tensor(np.full(3, 0.5))
    trainer.step()
    assert params["layers.0"].tolist() == [0.25] * 3 and w.tolist() == [1] * 3


@pytest.mark.parametrize("tensor, error, message", [
    (Tensor(np.zeros(3), requires_grad=True), TypeError, r"requires grad: give x.detach\(\), which shares its memory"),
    (Tensor(np.zeros(3), copies=True), TypeError, "is Tensor, whose array is a copy"),
    (Tensor(np.zeros(3, np.float16)), TypeError, "is a tensor without a NumPy array: .*BFloat16"),
    (Tensor(np.zeros(3, np.int64)), TypeError, "is int64; accepted are float32 and float64"),
    (Tensor(np.zeros(6)[::2]), ValueError, "is not C-contiguous"),
    (Tensor(np.zeros(4)), ValueError, r"has shape \(4,\)"),
], ids=["requires grad", "copy", "bfloat16", "integers", "strided", "shape"])
def test_what_is_refused(tensor, error, message):
    sgd, w = optimizer.SGD(), np.ones(3)
    state = sgd.create_state(0, w)
    with pytest.raises(error, match=f"gradient of 0.*{message}"):
        sgd.update(0, w, tensor, state)
    assert w.tolist() == [1] * 3 and state.t == 0
    if tensor.shape == (3,):
        with pytest.raises(error, match=f"weight.*{message}"):
            sgd.create_state(0, tensor)


def test_parameters_refuse_what_requires_grad():
    with pytest.raises(TypeError, match="is a tensor that requires grad"):
        Parameters({"w": Tensor(np.ones(3), requires_grad=True)})


SCRIPT = """
import numpy as np, torch
from numoptim import Parameters, Trainer, optimizer

torch.manual_seed(0)
layer = torch.nn.Linear(3, 2)
adam = optimizer.Adam(learning_rate=0.01)
weights = [p.detach() for p in layer.parameters()]
params = Parameters(dict(zip(["weight", "bias"], weights)))
trainer = Trainer(params, "adam", {"learning_rate": 0.01})
states = [adam.create_state(i, w) for i, w in enumerate(weights)]
first = 0
for step in range(5):
    loss = (layer(torch.ones(4, 3)) - 1).square().sum()
    first = first or loss.item()
    loss.backward()
    grads = [p.grad for p in layer.parameters()]
    trainer.step(grads={"weight": grads[0], "bias": grads[1]})
    adam.update([0, 1], weights, grads, states)
    layer.zero_grad()
assert all(np.array_equal(params[n], p.detach().numpy()) for n, p in layer.named_parameters())
assert (layer(torch.ones(4, 3)) - 1).square().sum() < first
for bad in (layer.weight, torch.zeros(2, 3, dtype=torch.bfloat16), torch.zeros(3, 2).t(), torch.zeros(2, 3).to_sparse(),
            torch.zeros(2, 3, dtype=torch.complex64).conj(), torch.zeros(1, 1).expand(2, 3)):
    try:
        adam.update(0, bad, grads[0], adam.create_state(0, weights[0]))
    except (TypeError, ValueError) as error:
        assert "weight" in str(error), error
    else:
        raise AssertionError(bad)
print("same")
"""


@pytest.mark.skipif(not TORCH, reason="NUMOPTIM_BENCH_TORCH names no Python with torch")
def test_with_torch():
    done = subprocess.run([TORCH, "-c", SCRIPT], env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True)
    assert done.stdout == "same\n", done.stderr
