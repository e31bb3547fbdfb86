"""Parameters: named arrays that live side by side in one flat buffer."""
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .hyperparameters import nearest

Array = npt.NDArray[Any]
ALIGNMENT = 64                                  # bytes: a cache line, and the widest vector
ACCEPTED = (np.dtype(np.float32), np.dtype(np.float64))


def aligned_zeros(size: int, dtype: Any) -> Array:
    """``size`` zeros of ``dtype`` beginning at a multiple of 64 bytes."""
    count = size * np.dtype(dtype).itemsize
    raw = np.zeros(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start:start + count].view(dtype)


def check_dtype(what: str, dtype: "np.dtype[Any]") -> None:
    """TypeError unless ``dtype`` is one that kernels exist for."""
    if dtype in ACCEPTED:
        return
    later = ": 16-bit numbers are not supported yet" if dtype.itemsize == 2 else ""
    raise TypeError(f"{what} is {dtype}; accepted are float32 and float64{later}")


class Views(Mapping[str, Array]):
    """Named views into one flat buffer, in the order they were given.

    ``views[name]`` has the given shape and shares memory with ``flat``; ``views[name] = x`` copies in.
    """

    def __init__(self, flat: Array, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.flat = flat
        self._views: dict[str, Array] = {}
        start = 0
        for name, shape in shapes.items():
            stop = start + math.prod(shape)
            self._views[name] = flat[start:stop].reshape(shape)
            start = stop

    def __getitem__(self, name: str) -> Array:
        try:
            return self._views[name]
        except KeyError:
            raise KeyError(f"no parameter {name!r}{nearest(str(name), self._views)}") from None

    def __setitem__(self, name: str, value: npt.ArrayLike) -> None:
        view, value = self[name], np.asarray(value)
        if value.shape != view.shape:
            raise ValueError(f"{name!r} has shape {view.shape}, was given {value.shape}")
        np.copyto(view, value)

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

    ``params[name]``, ``params.grad[name]``: live views; ``params.flat``, ``params.grad.flat``: the
    whole, (size,). Gradients start at 0. ``params.offsets``: int64 (len + 1,), segment k being
    ``flat[offsets[k]:offsets[k + 1]]``; segments lie back to back. Raises TypeError for other dtypes,
    mixed dtypes and names that are not strings.
    """

    def __init__(self, arrays: Mapping[str, npt.ArrayLike]) -> None:
        if not isinstance(arrays, Mapping):
            raise TypeError(f"expected a mapping of names to arrays, was given {type(arrays).__name__}")
        given = {name: np.asarray(array) for name, array in arrays.items()}
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
        super().__init__(aligned_zeros(int(self.offsets[-1]), dtype), self.shapes)
        self.grad = Views(aligned_zeros(self.flat.size, dtype), self.shapes)
        for name, array in given.items():
            self[name] = array

    def __reduce__(self) -> Any:
        """Copies and pickles have buffers of their own, with live views."""
        return _rebuilt, (dict(self), self.grad.flat)


def _rebuilt(arrays: dict[str, Array], gradients: Array) -> Parameters:
    params = Parameters(arrays)
    params.grad.flat[...] = gradients
    return params
