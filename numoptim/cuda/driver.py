"""Calls of the CUDA driver from Python, all of them: contexts, memory, copies, streams.

Functions on memory and streams are called ``with context:``, and return before the device has done what they ask for.
"""
import contextlib
import ctypes
import functools
import weakref
from typing import Any

from numoptim.native.arrays import Array

LEGACY, PER_THREAD = 1, 2               # streams that need not be made; other numbers are handles
MEMORY_TYPE, DEVICE_ORDINAL = 2, 9      # CU_POINTER_ATTRIBUTE_...
DEVICE = 2                              # CU_MEMORYTYPE_DEVICE


@functools.cache
def api() -> Any:
    """NVIDIA's bindings, initialised. ImportError without the extra, RuntimeError without a driver or a GPU."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise ImportError("memory of a GPU takes NVIDIA's bindings: pip install 'numoptim[cuda]'") from error
    try:
        status, = driver.cuInit(0)
    except RuntimeError as error:                   # how the bindings say that there is no libcuda.so.1
        raise RuntimeError(f"no CUDA driver here ({error}): install NVIDIA's, of CUDA 12 or later") from error
    if status:
        raise RuntimeError(f"no GPU that CUDA can use: {_text(driver, status)}")
    return driver


def _text(driver: Any, status: Any) -> str:
    known, words = driver.cuGetErrorString(status)
    return f"{words.decode() if not known else 'unknown error'} ({getattr(status, 'name', status)})"


def check(name: str, *arguments: Any) -> Any:
    """What a function of the driver returns beside its status; RuntimeError with the driver's words where it fails."""
    driver = api()
    status, *result = getattr(driver, name)(*arguments)
    if status:
        raise RuntimeError(f"{name}: {_text(driver, status)}")
    return result[0] if result else None


class Context:
    """The primary context of a GPU, which the libraries of a process share. ``with context:`` makes it current.

    ordinal: the GPU's number. capability: 80 for compute capability 8.0. Raises ValueError where there is none.
    """

    def __init__(self, ordinal: int) -> None:
        count = check("cuDeviceGetCount")
        if not 0 <= ordinal < count:
            raise ValueError(f"no device cuda:{ordinal}: this machine has {count}, counted from cuda:0")
        self.ordinal = ordinal
        self._handle = check("cuDevicePrimaryCtxRetain", check("cuDeviceGet", ordinal))
        weakref.finalize(self, _quietly, "cuDevicePrimaryCtxRelease", ordinal)
        which = api().CUdevice_attribute
        major, minor = (check("cuDeviceGetAttribute", getattr(which, f"CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_{part}"),
                              ordinal) for part in ("MAJOR", "MINOR"))
        self.capability = 10 * int(major) + int(minor)
        self._push, self._pop = api().cuCtxPushCurrent, api().cuCtxPopCurrent

    def __enter__(self) -> None:
        if self._push(self._handle)[0]:
            check("cuCtxPushCurrent", self._handle)

    def __exit__(self, *_: object) -> None:
        self._pop()


@functools.cache
def context(ordinal: int) -> Context:
    """The context of a GPU, kept until the process ends."""
    return Context(ordinal)


def _quietly(name: str, *arguments: Any) -> None:
    """A call at the end of an object's life, where nobody could act on an error."""
    with contextlib.suppress(RuntimeError):
        check(name, *arguments)


class Allocation:
    """Device memory, freed with this object. ``ptr``: its address, 0 for no bytes. RuntimeError where none is left."""

    def __init__(self, context: Context, nbytes: int) -> None:
        self.ptr = 0
        if nbytes:
            with context:
                self.ptr = int(check("cuMemAlloc", nbytes))
            weakref.finalize(self, _free, context, self.ptr)


def _free(context: Context, ptr: int) -> None:
    # Garbage may be collected during a capture, which it is not to end: relaxed, the thread may free memory then.
    with contextlib.suppress(RuntimeError), context:
        mode = check("cuThreadExchangeStreamCaptureMode", api().CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_RELAXED)
        try:
            check("cuMemFree", ptr)
        finally:
            check("cuThreadExchangeStreamCaptureMode", mode)


def upload(to: int, array: Array, stream: int) -> None:
    """Copy a contiguous NumPy array to the device. Unless it is page-locked it may change as soon as this returns."""
    check("cuMemcpyHtoDAsync", to, array.ctypes.data, array.nbytes, stream)


def download(array: Array, ptr: int, stream: int) -> None:
    """Copy to a contiguous NumPy array, and wait for it."""
    check("cuMemcpyDtoHAsync", array.ctypes.data, ptr, array.nbytes, stream)
    synchronise(stream)


def copy(to: int, ptr: int, nbytes: int, stream: int) -> None:
    """Copy from device to device."""
    check("cuMemcpyDtoDAsync", to, ptr, nbytes, stream)


def clear(to: int, nbytes: int, stream: int) -> None:
    """Set bytes to 0."""
    check("cuMemsetD8Async", to, 0, nbytes, stream)


def synchronise(stream: int) -> None:
    """Wait until the stream has done all that it was given."""
    check("cuStreamSynchronize", stream)


def capturing(stream: int) -> bool:
    """Whether what is given to the stream goes into a CUDA graph."""
    return bool(int(check("cuStreamIsCapturing", stream)))


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL("libcuda.so.1")


def address(name: str) -> int:
    """Address of a function of the driver."""
    found = ctypes.cast(getattr(_library(), name), ctypes.c_void_p).value
    assert found is not None
    return found


def device_of(ptr: int) -> int:
    """The GPU whose memory an address is. ValueError for the host's."""
    api()
    kind, ordinal = ctypes.c_uint(), ctypes.c_int()
    ask = _library().cuPointerGetAttribute          # the bindings of 13.3 say 0 for every device's number
    with contextlib.nullcontext() if int(check("cuCtxGetCurrent")) else context(0):
        failed = (ask(ctypes.byref(kind), MEMORY_TYPE, ctypes.c_uint64(ptr)) or kind.value != DEVICE
                  or ask(ctypes.byref(ordinal), DEVICE_ORDINAL, ctypes.c_uint64(ptr)))
    if failed:
        raise ValueError(f"address {ptr:#x} is not memory of a GPU")
    return ordinal.value


def stream_of(stream: Any) -> int:
    """The number of a stream: of an int, or of an object with ``__cuda_stream__``; None and 0 are the legacy stream."""
    if hasattr(stream, "__cuda_stream__"):
        _, stream = stream.__cuda_stream__()
    if stream is None:
        return LEGACY
    if isinstance(stream, bool) or not isinstance(stream, int) or not 0 <= stream < 2**64:
        raise TypeError(f"stream={stream!r}: expected a stream's handle as an int, or an object with __cuda_stream__")
    return stream or LEGACY
