"""The processor's memory, as numoptim.buffers.memory asks of it."""
from typing import Any

import numpy as np

from . import plan
from .arrays import Array, Span, aligned_zeros, check_array, check_unmasked, of_tensor, shared


class Host:
    """The processor's memory, as NumPy arrays."""

    name = "cpu"
    kernels = plan

    def __reduce__(self) -> str:
        return "HOST"

    def zeros(self, size: int, dtype: Any) -> Array:
        return aligned_zeros(size, dtype)

    def given(self, x: Any) -> Array:
        check_unmasked("what is to be copied", x)
        return np.asarray(of_tensor("what is to be copied", x))

    def check_source(self, what: str, array: Array, like: Array) -> None:
        if not np.can_cast(array.dtype, like.dtype, "same_kind"):
            raise TypeError(f"{what} is {array.dtype}; expected {like.dtype}")

    def unshared(self, array: Array, buffer: Array) -> Array:
        return array.copy() if np.may_share_memory(array, buffer) else array

    def write(self, to: Array, array: Array) -> None:
        np.copyto(to, array)

    def load(self, to: Array, stored: Any) -> None:
        stored.read_into(to)

    def host(self, array: Array) -> Array:
        return array

    def checked(self, what: str, array: Any, like: Array | None = None, written: bool = True) -> Any:
        array = shared(what, array)
        check_array(what, array, like, written)
        return array

    def span(self, array: Array) -> Span:
        start = array.ctypes.data
        return start, start + array.nbytes

    def same(self, a: Array, b: Array) -> bool:
        return a is b or (a.ctypes.data, a.shape, a.dtype) == (b.ctypes.data, b.shape, b.dtype)

    def captures(self) -> None:
        return None


HOST = Host()
