"""Memory: where buffers live, and all that depends on it. The processor's is here, a GPU's in cuda/memory.py."""
from types import ModuleType
from typing import Any, Protocol, TypeAlias

import numpy as np

from . import native
from .arrays import Array, aligned_zeros, check_array, check_unmasked, of_tensor, shared

Span: TypeAlias = tuple[int, int]               # addresses: of the first byte of an array, and past its last
Buffer: TypeAlias = Any                         # an array of some memory: NumPy's, or a cuda.Array


class Memory(Protocol):
    """What Parameters, optimizers and Trainer ask of memory."""

    @property
    def name(self) -> str:
        """"cpu", "cuda:0", ..."""
    @property
    def kernels(self) -> ModuleType:
        """The module whose ``Plan``, ``stepper``, ``make`` and ``initialise`` run on buffers here."""
    def __reduce__(self) -> Any:
        """Copies and pickles name the same memory, in another process too; TypeError where nothing does."""
    def zeros(self, size: int, dtype: Any) -> Any:
        """A new buffer: (size,) zeros."""
    def given(self, x: Any) -> Any:
        """What a caller gave to copy from, as an array."""
    def check_source(self, what: str, array: Any, like: Any) -> None:
        """TypeError unless a given array may be copied to ``like`` in a step."""
    def unshared(self, array: Any, buffer: Any) -> Any:
        """A given array, or a copy where it shares bytes with a buffer."""
    def write(self, to: Any, array: Any) -> None:
        """Copy a given array to one of this memory, of one shape."""
    def load(self, to: Any, stored: Any) -> None:
        """Read a checkpoint's array into one of this memory, of one shape and dtype."""
    def host(self, array: Any) -> Array:
        """A NumPy array with the content."""
    def checked(self, what: str, array: Any, like: Any = None, written: bool = True) -> Any:
        """A caller's array as a buffer, in place; TypeError or ValueError for what kernels cannot use."""
    def span(self, array: Any) -> Span:
        """Where a checked array is."""
    def same(self, a: Any, b: Any) -> bool:
        """Whether two checked arrays are one."""
    def captures(self) -> Any:
        """What records steps that go into graphs of calls (cuda.capture.Captures); None where there are none."""


class Host:
    """The processor's memory, as NumPy arrays."""

    name = "cpu"
    kernels = native

    def __reduce__(self) -> Any:
        return named, (self.name,)

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


def on_device(x: Any) -> bool:
    """Whether ``x`` says that it is memory of a GPU."""
    if isinstance(x, np.ndarray):
        return False
    return hasattr(x, "__cuda_array_interface__") or (
        hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] != 1)           # kDLCPU


def of(array: Any) -> Memory:
    """The memory of an array; what is no array counts as the processor's, which refuses it."""
    if not on_device(array):
        return HOST
    from .cuda.memory import Device
    return Device.of(array)


def named(device: str, stream: Any = None) -> Memory:
    """The memory of a device: "cpu", "cuda" (the first GPU) or "cuda:1". ValueError for others."""
    kind, colon, ordinal = device.partition(":") if isinstance(device, str) else ("", "", "")
    if device == "cpu":
        if stream is not None:
            raise ValueError("stream= goes with device='cuda'")
        return HOST
    if kind != "cuda" or (colon and not (ordinal.isascii() and ordinal.isdigit())):
        raise ValueError(f"device={device!r}: expected 'cpu', 'cuda' or 'cuda:1'")
    from .cuda.memory import Device
    return Device(int(ordinal or 0), stream)
