"""Arrays in the processor's memory as buffers of kernels: how they are made, and what they must be."""
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Span: TypeAlias = tuple[int, int]               # addresses: of the first byte of an array, and past its last
ALIGNMENT = 64                                  # bytes: a cache line, and the widest vector
ACCEPTED = (np.dtype(np.float32), np.dtype(np.float64))


def on_device(x: Any) -> bool:
    """Whether ``x`` says that it is memory of a GPU."""
    if isinstance(x, np.ndarray):
        return False
    return hasattr(x, "__cuda_array_interface__") or (
        hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] != 1)           # kDLCPU


def aligned_zeros(size: int, dtype: Any) -> Array:
    """``size`` zeros of ``dtype`` beginning at a multiple of 64 bytes."""
    count = size * np.dtype(dtype).itemsize
    raw = np.zeros(count + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start:start + count].view(dtype)


def check_unmasked(what: str, array: Any) -> None:
    """TypeError for a masked array: kernels would use what its mask hides."""
    if isinstance(array, np.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array: fill it first, array.filled(0)")


def of_tensor(what: str, x: Any) -> Any:
    """A tensor of PyTorch as a NumPy array over its memory; anything else as it is. TypeError where there is none."""
    if not hasattr(x, "detach") or not hasattr(x, "numpy"):
        return x
    if getattr(x, "requires_grad", False):
        raise TypeError(f"{what} is a tensor that requires grad: give x.detach(), which shares its memory")
    try:
        return x.numpy()
    except (TypeError, RuntimeError) as error:
        raise TypeError(f"{what} is a tensor without a NumPy array: {error}") from error


def shared(what: str, x: Any) -> Any:
    """The same, where the array must be the tensor's memory and no copy of it."""
    array = of_tensor(what, x)
    if array is not x and array.size and array.ctypes.data != x.data_ptr():
        raise TypeError(f"{what} is {type(x).__name__}, whose array is a copy; expected one that shares memory")
    return array


def check_dtype(what: str, dtype: "np.dtype[Any]") -> None:
    """TypeError unless ``dtype`` is one that kernels exist for."""
    if dtype in ACCEPTED:
        return
    later = ": 16-bit numbers are not supported yet" if dtype.itemsize == 2 else ""
    raise TypeError(f"{what} is {dtype}; accepted are float32 and float64{later}")


def check_like(what: str, array: Any, like: Any) -> None:
    """TypeError or ValueError unless ``array`` has a dtype that kernels exist for, and dtype and shape of ``like``."""
    check_dtype(what, array.dtype)
    if like is not None and array.dtype != like.dtype:
        raise TypeError(f"{what} is {array.dtype}; expected {like.dtype} as the weight is")
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{what} has shape {array.shape}; expected {like.shape} as the weight has")


def check_array(what: str, array: Any, like: Array | None = None, written: bool = True) -> None:
    """TypeError or ValueError unless ``array`` can be a buffer, of the dtype and shape of ``like``."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{what} is {type(array).__name__}; expected a NumPy array or a tensor of PyTorch")
    check_unmasked(what, array)
    check_like(what, array, like)
    if not array.flags.aligned:
        raise ValueError(f"{what} is not aligned: its address is no multiple of {array.dtype.alignment}")
    if not array.flags.c_contiguous:
        raise ValueError(f"{what} is not C-contiguous (strides {array.strides} for shape {array.shape})")
    if written and not array.flags.writeable:
        raise ValueError(f"{what} is read-only")
