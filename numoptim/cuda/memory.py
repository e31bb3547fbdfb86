"""A GPU's memory, as numoptim.buffers.memory asks of it."""
from typing import Any

import numpy.typing as npt

from numoptim.native.arrays import Span, check_like, on_device
from numoptim.native.memory import HOST

from . import array, driver, plan
from .array import Array
from .capture import Captures


class Device:
    """The memory of one GPU, and the stream on which all that is done with it is done, in order.

    stream: an int, or an object with ``__cuda_stream__``; None: the legacy default stream.
    """

    kernels = plan

    def __init__(self, ordinal: int, stream: Any = None) -> None:
        self.context, self.stream, self._keep = driver.context(ordinal), driver.stream_of(stream), stream

    @classmethod
    def of(cls, x: Any) -> "Device":
        """That of an array."""
        weight = array.asarray(x)
        return cls(weight.device, weight.stream)

    @property
    def name(self) -> str:
        return f"cuda:{self.context.ordinal}"

    def __reduce__(self) -> Any:
        if self.stream not in (driver.LEGACY, driver.PER_THREAD):
            raise TypeError(f"what is on stream {self.stream:#x} cannot be copied or pickled: no other process has it")
        return Device, (self.context.ordinal, self.stream)

    def zeros(self, size: int, dtype: Any) -> Array:
        return array.zeros(self.context, self.stream, size, dtype, self._keep)

    def given(self, x: Any) -> Any:
        return array.found(x, usual=self.stream, ordinal=self.context.ordinal) if on_device(x) else HOST.given(x)

    def check_source(self, what: str, source: Any, like: Array) -> None:
        self._check_place(what, source)
        if source.dtype != like.dtype:
            raise TypeError(f"{what} is {source.dtype}; expected {like.dtype}")

    def unshared(self, source: Any, buffer: Array) -> Any:
        if not isinstance(source, Array) or max(source.ptr, buffer.ptr) >= min(source.ptr + source.nbytes,
                                                                               buffer.ptr + buffer.nbytes):
            return source
        twin = self.zeros(source.size, source.dtype).reshape(source.shape)
        twin.copy_from(source)
        return twin

    def write(self, to: Array, source: Any) -> None:
        to.copy_from(source)

    def load(self, to: Array, stored: Any) -> None:
        to.copy_from(stored.read())

    def host(self, source: Array) -> npt.NDArray[Any]:
        return source.to_host()

    def checked(self, what: str, x: Any, like: Array | None = None, written: bool = True) -> Array:
        try:
            found: Any = self.given(x)
        except (TypeError, ValueError) as error:
            raise type(error)(f"{what}: {error}") from error
        self._check_place(what, found)
        if found.stream != self.stream:
            raise ValueError(f"{what} belongs to stream {found.stream:#x}, the weight to {self.stream:#x}; "
                             "cuda.asarray(x, stream=...) says that it is safe on another")
        check_like(what, found, like)
        if written and found.read_only:
            raise ValueError(f"{what} is read-only")
        array: Array = found
        return array

    def _check_place(self, what: str, found: Any) -> None:
        if not isinstance(found, Array):
            raise TypeError(f"{what} is in the processor's memory; expected an array on {self.name}")
        if found.device != self.context.ordinal:
            raise ValueError(f"{what} is on cuda:{found.device}; expected an array on {self.name}")

    def span(self, array: Array) -> Span:
        return array.ptr, array.ptr + array.nbytes

    def same(self, a: Array, b: Array) -> bool:
        return (a.ptr, a.shape, a.dtype, a.device, a.stream) == (b.ptr, b.shape, b.dtype, b.device, b.stream)

    def captures(self) -> Captures:
        return Captures(self)
