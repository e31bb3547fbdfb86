"""DLPack capsules by ctypes: reading another library's, and making one of an Array.

The structs are those of dlpack.h, 1.0; a capsule "dltensor" holds a Managed, "dltensor_versioned" a Versioned.
"""
import ctypes
import math
from ctypes import POINTER, c_char_p, c_int32, c_int64, c_uint8, c_uint16, c_uint32, c_uint64, c_void_p, py_object
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .array import Array

CPU, CUDA, CUDA_HOST, ROCM, CUDA_MANAGED = 1, 2, 3, 10, 13
NAMES = {CPU: "the processor's", CUDA_HOST: "page-locked host", ROCM: "ROCm"}
KINDS = {0: "i", 1: "u", 2: "f", 5: "c"}
READ_ONLY = 1
Found = tuple[int, tuple[int, ...], tuple[int, ...] | None, "np.dtype[Any]", bool, Any]
"""Address, shape, strides in bytes (None: contiguous), dtype, read-only, what to keep alive."""


class Tensor(ctypes.Structure):
    _fields_ = (("data", c_void_p), ("device_type", c_int32), ("device", c_int32), ("ndim", c_int32),
                ("code", c_uint8), ("bits", c_uint8), ("lanes", c_uint16), ("shape", POINTER(c_int64)),
                ("strides", POINTER(c_int64)), ("byte_offset", c_uint64))


class Managed(ctypes.Structure):
    _fields_ = (("tensor", Tensor), ("context", c_void_p), ("deleter", c_void_p))


class Versioned(ctypes.Structure):
    _fields_ = (("major", c_uint32), ("minor", c_uint32), ("context", c_void_p), ("deleter", c_void_p),
                ("flags", c_uint64), ("tensor", Tensor))


def _python(name: str, result: Any, *arguments: Any) -> Any:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


_pointer = _python("PyCapsule_GetPointer", c_void_p, py_object, c_char_p)
_is_valid = _python("PyCapsule_IsValid", ctypes.c_int, py_object, c_char_p)
_new = _python("PyCapsule_New", py_object, c_void_p, c_char_p, c_void_p)
# For the destructor, which must not make a Python reference to the dying capsule.
_dying_is_valid = _python("PyCapsule_IsValid", ctypes.c_int, c_void_p, c_char_p)
_dying_pointer = _python("PyCapsule_GetPointer", c_void_p, c_void_p, c_char_p)


def imported(x: Any, stream: int) -> Found:
    """What ``x.__dlpack__`` says of memory of a GPU of CUDA; the producer has ``stream`` wait for its work.

    The capsule is not consumed but kept, so that the producer frees its memory when the capsule goes.
    """
    kind = x.__dlpack_device__()[0]
    if kind not in (CUDA, CUDA_MANAGED):
        memory = NAMES.get(kind, f"DLPack device {kind}")
        raise TypeError(f"{type(x).__name__} is {memory} memory; expected that of a GPU of CUDA")
    try:
        capsule = x.__dlpack__(stream=stream, max_version=(1, 0))
    except TypeError:                                           # a producer from before 1.0
        capsule = x.__dlpack__(stream=stream)
    read_only = False
    if _is_valid(capsule, b"dltensor_versioned"):
        versioned = Versioned.from_address(_pointer(capsule, b"dltensor_versioned"))
        if versioned.major != 1:
            raise TypeError(f"DLPack {versioned.major}.{versioned.minor} is not known here")
        tensor, read_only = versioned.tensor, bool(versioned.flags & READ_ONLY)
    else:
        tensor = Managed.from_address(_pointer(capsule, b"dltensor")).tensor
    if tensor.lanes != 1 or tensor.code not in KINDS or tensor.bits % 8:
        raise TypeError(f"DLPack type ({tensor.code}, {tensor.bits}, {tensor.lanes}) is none of NumPy's")
    dtype = np.dtype(f"{KINDS[tensor.code]}{tensor.bits // 8}")
    shape = tuple(tensor.shape[:tensor.ndim]) if tensor.ndim else ()
    strides = tuple(dtype.itemsize * n for n in tensor.strides[:tensor.ndim]) if tensor.strides else None
    return (tensor.data or 0) + tensor.byte_offset, shape, strides, dtype, read_only, capsule


_exported: dict[int, Any] = {}                  # what lives until the consumer calls the deleter


@ctypes.CFUNCTYPE(None, c_void_p)   # type: ignore[untyped-decorator]
def _deleter(address: int) -> None:
    _exported.pop(address, None)


@ctypes.CFUNCTYPE(None, c_void_p)   # type: ignore[untyped-decorator]
def _destructor(capsule: int) -> None:
    if _dying_is_valid(capsule, b"dltensor"):                   # nobody has consumed it
        _exported.pop(_dying_pointer(capsule, b"dltensor"), None)


def exported(array: "Array") -> Any:
    """A capsule "dltensor" of an array, which keeps it alive."""
    n, bits = len(array.shape), 8 * array.dtype.itemsize
    shape = (c_int64 * n)(*array.shape)
    strides = (c_int64 * n)(*(math.prod(array.shape[k + 1:]) for k in range(n)))
    code = {kind: code for code, kind in KINDS.items()}.get(array.dtype.kind)
    if code is None:
        raise BufferError(f"DLPack has no type for {array.dtype}")
    tensor = Tensor(array.ptr, CUDA, array.device, n, code, bits, 1, shape, strides, 0)
    managed = Managed(tensor, None, ctypes.cast(_deleter, c_void_p))
    address = ctypes.addressof(managed)
    _exported[address] = (managed, shape, strides, array)
    return _new(address, b"dltensor", ctypes.cast(_destructor, c_void_p))
