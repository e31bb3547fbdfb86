"""Array: device memory with a shape and a dtype, which CuPy, PyTorch, JAX and Numba can view in place."""
import math
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from numoptim.native.arrays import on_device

from . import dlpack, driver


class Array:
    """Device memory as a C-contiguous array: ``shape, dtype, size, nbytes``; ``device``: number of its GPU; ``stream``:
    the one that works on it, as in the CUDA Array Interface (1: legacy default, 2: per thread, else a handle); ``ptr``:
    its address.

    It has no arithmetic: other libraries view it in place, by ``__cuda_array_interface__`` (``cupy.asarray(a)``,
    ``torch.as_tensor(a)``) or ``__dlpack__``, and keep it alive. Made by Parameters, optimizers and ``asarray``.
    """

    def __init__(self, context: driver.Context, stream: int, ptr: int, shape: tuple[int, ...], dtype: npt.DTypeLike,
                 owner: Any, read_only: bool = False) -> None:
        self.context, self.stream, self.ptr, self.owner, self.read_only = context, stream, ptr, owner, read_only
        self.shape, self.dtype = shape, np.dtype(dtype)
        self.size = math.prod(shape)
        self.nbytes = self.size * self.dtype.itemsize

    @property
    def device(self) -> int:
        return self.context.ordinal

    def __repr__(self) -> str:
        return f"<cuda.Array {self.dtype} {self.shape} on cuda:{self.device}>"

    # --- views

    def _view(self, ptr: int, shape: tuple[int, ...]) -> "Array":
        return Array(self.context, self.stream, ptr, shape, self.dtype, self.owner, self.read_only)

    def reshape(self, *shape: Any) -> "Array":
        """A view of another shape; one -1 stands for what is left. ValueError where the sizes differ."""
        wanted = tuple(shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)
        known = math.prod(n for n in wanted if n != -1)
        if wanted.count(-1) == 1 and known and self.size % known == 0:
            wanted = tuple(self.size // known if n == -1 else n for n in wanted)
        if min(wanted, default=0) < 0 or math.prod(wanted) != self.size:
            raise ValueError(f"cannot reshape {self.shape} to {wanted}")
        return self._view(self.ptr, wanted)

    def __getitem__(self, part: slice) -> "Array":
        """A contiguous part of a one-dimensional array, as a view."""
        if not isinstance(part, slice) or len(self.shape) != 1 or part.step not in (None, 1):
            raise TypeError(f"array[{part!r}] of shape {self.shape}: only array[start:stop] of one dimension is a view "
                            "here; CuPy and PyTorch have others")
        start, stop, _ = part.indices(self.size)
        return self._view(self.ptr + start * self.dtype.itemsize, (max(0, stop - start),))

    # --- content

    def to_host(self) -> npt.NDArray[Any]:
        """A NumPy array with the content; waits for the array's stream."""
        array = np.empty(self.shape, self.dtype)
        if self.nbytes:
            with self.context:
                driver.download(array, self.ptr, self.stream)
        return array

    def copy_from(self, x: Any) -> None:
        """Copy an array of this shape in: of the host, of any dtype that NumPy casts, or of this device and dtype.

        On this array's stream; waits where the source could change before it is read. TypeError, ValueError before
        anything is written.
        """
        if self.read_only:
            raise ValueError("the array is read-only")
        source = found(x, usual=self.stream, ordinal=self.device) if on_device(x) else np.asarray(x)
        if source.shape != self.shape:
            raise ValueError(f"the array has shape {self.shape}, was given {source.shape}")
        if isinstance(source, Array):
            self._copy_on_device(source)
            return
        source = np.ascontiguousarray(source.astype(self.dtype, casting="same_kind", copy=False))
        if self.nbytes:
            with self.context:
                driver.upload(self.ptr, source, self.stream)
                driver.synchronise(self.stream)                 # page-locked memory is read only now

    def _copy_on_device(self, source: "Array") -> None:
        if (source.device, source.dtype) != (self.device, self.dtype):
            raise TypeError(f"the source is {source.dtype} on cuda:{source.device}; expected {self.dtype} on "
                            f"cuda:{self.device}")
        if not self.nbytes or source.ptr == self.ptr:
            return
        with self.context:
            if source.stream != self.stream:
                driver.synchronise(source.stream)
            driver.copy(self.ptr, source.ptr, self.nbytes, self.stream)
            if source.stream != self.stream:
                driver.synchronise(self.stream)

    def fill(self, value: float) -> None:
        """Set all elements to 0, the only value there is."""
        if value != 0:
            raise ValueError(f"fill({value}): device memory can only be set to 0")
        if self.nbytes:
            with self.context:
                driver.clear(self.ptr, self.nbytes, self.stream)

    # --- for other libraries

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.ptr, self.read_only), "strides": None,
                "version": 3, "stream": self.stream}

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self.device

    def __dlpack__(self, *, stream: int | None = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
        if copy or dl_device not in (None, self.__dlpack_device__()):
            raise BufferError(f"an array on cuda:{self.device} is exported there, without a copy")
        if self.read_only:
            raise BufferError("a read-only array cannot be exported")
        if stream != -1 and driver.stream_of(stream) != self.stream:
            with self.context:
                driver.synchronise(self.stream)
        return dlpack.exported(self)

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(f"the array is on cuda:{self.device}: to_host() makes one of NumPy")

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"an array on cuda:{self.device} cannot be copied or pickled: to_host() makes one of NumPy")


def zeros(context: driver.Context, stream: int, size: int, dtype: npt.DTypeLike, keep: Any = None) -> Array:
    """New memory: (size,) zeros. keep: what must live as long, such as the stream's own object."""
    memory = driver.Allocation(context, size * np.dtype(dtype).itemsize)
    array = Array(context, stream, memory.ptr, (size,), dtype, (memory, keep))
    array.fill(0)
    return array


def asarray(x: Any, stream: Any = None) -> Array:
    """An array of another library, in place: anything on a GPU with ``__cuda_array_interface__`` or ``__dlpack__``.

    x is kept alive. stream: an int or an object with ``__cuda_stream__``; None: the stream that x names in its
    interface, or else the legacy one. Work that another stream has still to do on x is the caller's to wait for.
    Raises TypeError for what is not on a GPU of CUDA, ValueError for what is not contiguous or aligned.
    """
    return found(x, stream)


def found(x: Any, stream: Any = None, usual: int = driver.LEGACY, ordinal: int = 0) -> Array:
    """``asarray``. usual: the stream where x names none; ordinal: the device where x has no elements."""
    wanted = None if stream is None else driver.stream_of(stream)
    if isinstance(x, Array):
        if wanted in (None, x.stream):
            return x
        return Array(x.context, driver.stream_of(wanted), x.ptr, x.shape, x.dtype, (x.owner, stream), x.read_only)
    if hasattr(x, "__cuda_array_interface__"):
        described = _described(x.__cuda_array_interface__)
        own = x.__cuda_array_interface__.get("stream")
        wanted = wanted or (usual if own is None else driver.stream_of(own))
    elif hasattr(x, "__dlpack__"):
        wanted = wanted or usual
        described = dlpack.imported(x, wanted)
    else:
        raise TypeError(f"{type(x).__name__} is not memory of a GPU: it has neither __cuda_array_interface__ nor "
                        "__dlpack__")
    ptr, shape, strides, dtype, read_only, owner = described
    _check_layout(ptr, shape, strides, dtype)
    context = driver.context(driver.device_of(ptr) if math.prod(shape) else ordinal)
    return Array(context, wanted, ptr, shape, dtype, (x, owner, stream), read_only)


def _described(interface: dict[str, Any]) -> dlpack.Found:
    """What a ``__cuda_array_interface__`` says."""
    if interface.get("mask") is not None:
        raise TypeError("an array with a mask cannot be a buffer")
    ptr, read_only = interface["data"]
    strides = interface.get("strides")
    return (int(ptr or 0), tuple(interface["shape"]), None if strides is None else tuple(strides),
            np.dtype(interface["typestr"]), bool(read_only), None)


def _check_layout(ptr: int, shape: tuple[int, ...], strides: tuple[int, ...] | None, dtype: "np.dtype[Any]") -> None:
    """ValueError unless the array is C-contiguous and aligned; strides in bytes, None: contiguous."""
    size = math.prod(shape)
    if strides is not None and size:
        expected = dtype.itemsize
        for n, stride in zip(reversed(shape), reversed(strides), strict=True):
            if n != 1 and stride != expected:
                raise ValueError(f"the array is not C-contiguous (strides {strides} for shape {shape})")
            expected *= n
    if size and ptr % dtype.alignment:
        raise ValueError(f"the array at {ptr:#x} is not aligned to its {dtype.alignment}-byte elements")
