"""What tests do with memory of the fake GPU: arrays of "other libraries", streams and graphs, by the driver itself."""
import ctypes
import gc
from ctypes import c_int64, c_void_p

import numpy as np
from ptx import driver as fake_driver

from numoptim import Parameters, cuda
from numoptim.cuda import dlpack, driver


def upload(array, stream=1, device=0):
    """A cuda.Array with the content of a NumPy array, and its shape."""
    array = np.asarray(array)
    made = cuda.array.zeros(driver.context(device), stream, array.size, array.dtype).reshape(array.shape)
    made.copy_from(array)
    return made


class Foreign:
    """An array as Numba, CuPy or PyTorch describe theirs; ``changed`` replaces entries of the interface."""

    def __init__(self, array, **changed):
        self.memory = upload(array)
        own = self.memory.__cuda_array_interface__
        self.__cuda_array_interface__ = {**own, "stream": None, **changed}

    def to_host(self):
        return self.memory.to_host()


class Exporter:
    """An array that only DLPack knows, with a hand-made capsule of DLPack 1.0 or of before."""

    def __init__(self, array, device_type=dlpack.CUDA, flags=0, versioned=True, strides=None, offset=0, major=1,
                 **changed):
        self.memory, self.device_type, self.versioned, self.streams = upload(array), device_type, versioned, []
        shape = self.memory.shape
        self.shape = (c_int64 * len(shape))(*shape)
        self.strides = None if strides is None else (c_int64 * len(shape))(*strides)
        fields = {"data": self.memory.ptr, "device_type": device_type, "device": 0, "ndim": len(shape), "code": 2,
                  "bits": 8 * self.memory.dtype.itemsize, "lanes": 1, "byte_offset": offset, **changed}
        self.tensor = dlpack.Tensor(shape=self.shape, strides=self.strides, **fields)
        self.managed = dlpack.Managed(self.tensor)
        self.both = dlpack.Versioned(major, 0, None, None, flags, self.tensor)

    def __dlpack_device__(self):
        return self.device_type, 0

    def __dlpack__(self, *, stream=None, **keywords):
        if keywords and not self.versioned:
            raise TypeError(f"unexpected keywords {keywords}")
        self.streams.append(stream)
        struct, name = (self.both, b"dltensor_versioned") if self.versioned else (self.managed, b"dltensor")
        return dlpack._new(ctypes.addressof(struct), name, None)


class Stream:
    """A stream of the driver's own, for capture too."""

    def __init__(self, device=0):
        self.context = driver.context(device)
        with self.context:
            self.handle = int(driver.check("cuStreamCreate", 1))

    def __cuda_stream__(self):
        return 0, self.handle

    def close(self):
        with self.context:
            driver.check("cuStreamDestroy", self.handle)


class Graph:
    """``with Graph(stream) as graph:`` captures; ``graph.replay()`` launches it."""

    def __init__(self, stream):
        self.stream = stream

    def __enter__(self):
        with self.stream.context:
            driver.check("cuStreamBeginCapture", self.stream.handle, driver.api().CUstreamCaptureMode(0))
        return self

    def __exit__(self, *_):
        with self.stream.context:
            graph = driver.check("cuStreamEndCapture", self.stream.handle)
            self.executable = driver.check("cuGraphInstantiate", graph, 0)
            driver.check("cuGraphDestroy", graph)

    def replay(self):
        with self.stream.context:
            driver.check("cuGraphLaunch", self.executable, self.stream.handle)

    def close(self):
        with self.stream.context:
            driver.check("cuGraphExecDestroy", self.executable)


def alive(gpu):
    """How many of each kind of object the driver keeps, of what is not garbage."""
    gc.collect()
    numbers = (c_int64 * len(fake_driver.KINDS))()
    ctypes.CDLL(str(gpu.library)).fake_cuda_report(numbers)
    return dict(zip(fake_driver.KINDS, numbers, strict=True))


def draw(seed, shapes, dtype):
    rng = np.random.default_rng(seed)
    return {name: np.asarray(rng.standard_normal(shape), dtype) for name, shape in shapes.items()}


def both(arrays, **keywords):
    """Parameters on the processor and the same on the GPU."""
    return Parameters(arrays), Parameters(arrays, device="cuda", **keywords)


def consumed(capsule):
    """Do as a consumer of DLPack that has done with the memory: rename the capsule, and call its deleter."""
    managed = dlpack.Managed.from_address(dlpack._pointer(capsule, b"dltensor"))
    rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", ctypes.pythonapi))
    rename(capsule, b"used_dltensor")
    ctypes.CFUNCTYPE(None, c_void_p)(managed.deleter)(ctypes.addressof(managed))


def misaligned(gpu_array):
    """The interface of an array that begins a byte too late."""
    own = gpu_array.__cuda_array_interface__
    return {**own, "data": (gpu_array.ptr + 1, False), "shape": (gpu_array.size - 1,), "strides": None}

