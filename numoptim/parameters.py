"""Parameters: named arrays that live side by side in one flat buffer."""
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from .arrays import Array, check_dtype
from .hyperparameters import nearest
from .memory import Buffer, Memory, named


class Views(Mapping[str, Any]):
    """Named views into one flat buffer, in the order they were given.

    ``views[name]`` has the given shape and shares memory with ``flat``; ``views[name] = x`` copies in.
    """

    def __init__(self, flat: Buffer, shapes: Mapping[str, tuple[int, ...]], memory: Memory) -> None:
        self.flat, self.memory = flat, memory
        self._views: dict[str, Buffer] = {}
        start = 0
        for name, shape in shapes.items():
            stop = start + math.prod(shape)
            self._views[name] = flat[start:stop].reshape(shape)
            start = stop

    def __getitem__(self, name: str) -> Any:
        try:
            return self._views[name]
        except KeyError:
            raise KeyError(f"no parameter {name!r}{nearest(str(name), self._views)}") from None

    def __setitem__(self, name: str, value: Any) -> None:
        view, value = self[name], self.memory.given(value)
        if value.shape != view.shape:
            raise ValueError(f"{name!r} has shape {view.shape}, was given {value.shape}")
        self.memory.write(view, value)

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}: {view.shape}" for name, view in self.items())
        return f"<{type(self).__name__} {self.flat.dtype} {{{inside}}}>"


class Parameters(Views):
    """Weights by name, and beside them their gradients: one flat, 64-byte-aligned buffer each.

    arrays: ``{name: array}``, float32 or float64, all of one dtype, of any shape; copied.
    device: "cpu", "cuda" (the first GPU), "cuda:1" ...; on a GPU the buffers are cuda.Arrays, and what is copied to
    them may be of the host or the GPU. stream: the CUDA stream on which all steps are made, an int or an object with
    ``__cuda_stream__``; None: the legacy default stream.

    ``params[name]``, ``params.grad[name]``: live views; ``params.flat``, ``params.grad.flat``: the
    whole, (size,). Gradients start at 0. ``params.offsets``: int64 (len + 1,), segment k being
    ``flat[offsets[k]:offsets[k + 1]]``; segments lie back to back. Raises TypeError for other dtypes,
    mixed dtypes and names that are not strings, ValueError for a device that is not there; for a GPU ImportError
    without the extra ``numoptim[cuda]`` and RuntimeError without a driver.
    """

    def __init__(self, arrays: Mapping[str, Any], device: str = "cpu", stream: Any = None) -> None:
        if not isinstance(arrays, Mapping):
            raise TypeError(f"expected a mapping of names to arrays, was given {type(arrays).__name__}")
        memory = named(device, stream)
        given = {name: memory.given(array) for name, array in arrays.items()}
        for name, array in given.items():
            if not isinstance(name, str):
                raise TypeError(f"parameter name {name!r} is not a string")
            check_dtype(f"parameter {name!r}", array.dtype)
        dtypes = {array.dtype for array in given.values()}
        if len(dtypes) > 1:
            each = ", ".join(f"{name!r} {array.dtype}" for name, array in given.items())
            raise TypeError(f"parameters have different dtypes: {each}")
        self.shapes = {name: array.shape for name, array in given.items()}
        self.offsets = np.cumsum([0, *(array.size for array in given.values())], dtype=np.int64)
        dtype = dtypes.pop() if dtypes else np.dtype(np.float32)
        super().__init__(memory.zeros(int(self.offsets[-1]), dtype), self.shapes, memory)
        self.grad = Views(memory.zeros(self.flat.size, dtype), self.shapes, memory)
        for name, array in given.items():
            self[name] = array

    @property
    def device(self) -> str:
        """Where the buffers are: "cpu", "cuda:0" ..."""
        return self.memory.name

    def __reduce__(self) -> Any:
        """Copies and pickles have buffers of their own, with live views, on the same device."""
        host, place = self.memory.host, self.memory.place()
        return _rebuilt, ({name: host(view) for name, view in self.items()}, host(self.grad.flat), *place)


def _rebuilt(arrays: dict[str, Array], gradients: Array, device: str = "cpu", stream: Any = None) -> Parameters:
    params = Parameters(arrays, device, stream)
    params.memory.write(params.grad.flat, gradients)
    return params
