"""Arrays in a GPU's memory: content and views, and those of other libraries in place."""
import copy
import ctypes
import gc
import pickle
import weakref

import numpy as np
import pytest
from gpu_arrays import Exporter, Foreign, Stream, alive, consumed, misaligned, upload

from numoptim import cuda
from numoptim.cuda import dlpack, driver

X = np.arange(12, dtype=np.float32).reshape(3, 4) + 1


# --- content and views

def test_content_and_its_description(gpu):
    a = upload(X)
    assert (a.shape, a.dtype, a.size, a.nbytes, a.device, a.stream) == ((3, 4), np.float32, 12, 48, 0, 1)
    assert isinstance(a.ptr, int) and repr(a) == "<cuda.Array float32 (3, 4) on cuda:0>"
    assert a.to_host().dtype == np.float32 and np.array_equal(a.to_host(), X)
    a.fill(0)
    assert not a.to_host().any()
    assert upload(X, device=1).device == 1


@pytest.mark.parametrize("given, expected", [
    (X.astype(np.float64), X), (X.astype(np.int64), X), (X.tolist(), X), (np.asfortranarray(X), X),
    (np.repeat(X, 2, axis=1)[:, ::2], X)], ids=["float64", "int64", "list", "fortran", "strided"])
def test_copies_from_the_host(gpu, given, expected):
    a = upload(np.zeros((3, 4), np.float32))
    a.copy_from(given)
    assert np.array_equal(a.to_host(), expected)


def test_copies_from_the_device(gpu):
    stream = Stream()
    for source in (upload(X), upload(X, stream=stream.handle), Foreign(X), Exporter(X)):
        a = upload(np.zeros((3, 4), np.float32))
        a.copy_from(source)
        assert np.array_equal(a.to_host(), X)
    a.copy_from(a)
    assert np.array_equal(a.to_host(), X)
    stream.close()


@pytest.mark.parametrize("given, error, message", [
    (np.zeros((4, 3)), ValueError, r"has shape \(3, 4\), was given \(4, 3\)"),
    (np.zeros((3, 4), complex), TypeError, "Cannot cast"),
    (lambda: upload(np.zeros((3, 4))), TypeError, "source is float64 on cuda:0; expected float32 on cuda:0"),
    (lambda: upload(np.zeros(12, np.float32)), ValueError, r"was given \(12,\)"),
    (lambda: Exporter(X, device_type=10), TypeError, "ROCm memory")])
def test_copies_that_are_refused(gpu, given, error, message):
    a = upload(X)
    with pytest.raises(error, match=message):
        a.copy_from(given() if callable(given) else given)
    assert np.array_equal(a.to_host(), X)


def test_views_share_memory_and_keep_it_alive(gpu):
    before = alive(gpu)["memory"]
    a = upload(X.reshape(-1))
    part = a[2:8].reshape(2, 3)
    assert a[-2:].shape == (2,) and a[8:2].shape == (0,) and a[:].ptr == a.ptr and part.ptr == a.ptr + 8
    assert a.reshape(-1, 3).shape == (4, 3) and a.reshape((2, 6)).shape == (2, 6) and a[:0].reshape(0, 5).size == 0
    part.fill(0)
    assert np.array_equal(a.to_host(), [1, 2, 0, 0, 0, 0, 0, 0, 9, 10, 11, 12])
    del a
    gc.collect()
    assert alive(gpu)["memory"] == before + 1 and not part.to_host().any()
    del part
    gc.collect()
    assert alive(gpu)["memory"] == before


@pytest.mark.parametrize("wrong, error", [
    (lambda a: a.reshape(5), ValueError), (lambda a: a.reshape(-1, 5), ValueError), (lambda a: a.fill(1), ValueError),
    (lambda a: a.reshape(-1, -1), ValueError), (lambda a: a.reshape(-12), ValueError), (lambda a: a[0], TypeError),
    (lambda a: a[::2], TypeError), (lambda a: a.reshape(3, 4)[1:], TypeError), (np.asarray, TypeError),
    (copy.copy, TypeError), (copy.deepcopy, TypeError), (pickle.dumps, TypeError)])
def test_what_arrays_do_not_do(gpu, wrong, error):
    with pytest.raises(error, match=r"cannot reshape|is a view|to 0|to_host\(\)"):
        wrong(upload(X.reshape(-1)))


# --- __cuda_array_interface__

def test_the_interface(gpu):
    a = upload(X, stream=2)
    assert a.__cuda_array_interface__ == {"shape": (3, 4), "typestr": "<f4", "data": (a.ptr, False), "strides": None,
                                          "version": 3, "stream": 2}
    assert cuda.asarray(a) is a is cuda.asarray(a, stream=2)
    assert cuda.asarray(a, stream=1).stream == 1 and cuda.asarray(a, stream=1).ptr == a.ptr


def test_another_library_s_array_in_place(gpu):
    foreign = Foreign(X)
    a, kept = cuda.asarray(foreign), weakref.ref(foreign)
    assert (a.ptr, a.shape, a.dtype, a.device) == (foreign.memory.ptr, (3, 4), np.float32, 0)
    del foreign
    gc.collect()
    assert kept() is not None
    a.fill(0)
    assert not kept().to_host().any()
    del a
    gc.collect()
    assert kept() is None
    part = upload(X)
    assert cuda.asarray(Foreign(X, strides=(16, 4))).shape == (3, 4)
    assert cuda.asarray(Foreign(np.zeros((3, 1)), strides=(8, 999))).shape == (3, 1)
    assert cuda.asarray(Foreign(np.zeros((0, 2)), data=(0, False), strides=(16, 8))).nbytes == 0
    assert cuda.asarray(Foreign(X, data=(part.ptr, True))).read_only
    with gpu.configured(devices=2, foreign=True):
        assert cuda.asarray(Foreign(X)).device == 1


def test_streams(gpu):
    """That of the interface, unless the caller knows better."""
    stream = Stream()
    assert [cuda.asarray(Foreign(X, stream=s)).stream for s in (None, 1, 2, stream.handle)] == [1, 1, 2, stream.handle]
    given = [cuda.asarray(Foreign(X, stream=2), stream=s).stream for s in (0, 1, stream.handle, stream)]
    assert given == [1, 1, stream.handle, stream.handle]
    for wrong in ("1", 1.0, True, -1, object()):
        with pytest.raises(TypeError, match="expected a stream's handle as an int, or an object with __cuda_stream__"):
            cuda.asarray(Foreign(X), stream=wrong)
    stream.close()


@pytest.mark.parametrize("made, error, message", [
    (lambda: X, TypeError, "ndarray is the processor's memory"),
    (lambda: [1.0], TypeError, "list is not memory of a GPU: it has neither"),
    (lambda: Exporter(X, device_type=1), TypeError, "Exporter is the processor's memory"),
    (lambda: Exporter(X, device_type=3), TypeError, "page-locked host memory"),
    (lambda: Exporter(X, device_type=10), TypeError, "ROCm memory"),
    (lambda: Exporter(X, device_type=14), TypeError, "DLPack device 14 memory"),
    (lambda: Exporter(X, strides=(1, 3)), ValueError, "not C-contiguous"),
    (lambda: Exporter(X, lanes=4), TypeError, r"DLPack type \(2, 32, 4\)"),
    (lambda: Exporter(X, code=4, bits=16), TypeError, r"DLPack type \(4, 16, 1\)"),
    (lambda: Exporter(X, major=2), TypeError, "DLPack 2.0 is not known"),
    (lambda: Foreign(X, strides=(4, 12)), ValueError, r"not C-contiguous \(strides \(4, 12\) for shape \(3, 4\)\)"),
    (lambda: Foreign(X, mask=X), TypeError, "mask"),
    (lambda: Foreign(X, data=(X.ctypes.data, False)), ValueError, "is not memory of a GPU"),
    (lambda: Foreign(X, **misaligned(upload(X))), ValueError, "not aligned to its 4-byte elements"),
], ids=lambda x: getattr(x, "__name__", None) or str(x)[:30])
def test_what_cannot_be_used_in_place(gpu, made, error, message):
    with pytest.raises(error, match=message):
        cuda.asarray(made())


# --- DLPack

@pytest.mark.parametrize("versioned", [True, False])
def test_dlpack_in_place(gpu, versioned):
    exporter = Exporter(X, versioned=versioned)
    a = cuda.asarray(exporter)
    assert (a.ptr, a.shape, a.dtype, a.stream) == (exporter.memory.ptr, (3, 4), np.float32, 1)
    assert cuda.asarray(exporter, stream=2).stream == 2 and exporter.streams == [1, 2]
    assert cuda.asarray(Exporter(X, versioned=versioned, strides=(4, 1))).read_only is False
    assert cuda.asarray(Exporter(X, versioned=versioned, offset=4)).ptr % 256 == 4
    assert cuda.asarray(Exporter(np.float64(1), versioned=versioned)).shape == ()
    assert cuda.asarray(Exporter(X, flags=1)).read_only


def test_own_arrays_by_dlpack(gpu):
    class Only:
        """What has DLPack alone."""
        def __init__(self, array):
            self.__dlpack__, self.__dlpack_device__ = array.__dlpack__, array.__dlpack_device__

    array = upload(X, device=1)
    for a in (array, array.reshape(-1)[:5], upload(np.float64(3)), upload(np.zeros((0, 3)))):
        b = cuda.asarray(Only(a))
        assert (b.ptr, b.shape, b.dtype) == (a.ptr, a.shape, a.dtype)
        assert a.__dlpack_device__() == (2, a.device)
    del b
    gc.collect()
    assert not dlpack._exported


def test_a_capsule_keeps_the_memory_until_its_deleter_is_called(gpu):
    before = alive(gpu)["memory"]
    array = upload(X)
    capsule = array.__dlpack__(stream=-1)
    assert len(dlpack._exported) == 1
    del array
    gc.collect()
    assert alive(gpu)["memory"] == before + 1
    consumed(capsule)
    assert not dlpack._exported and alive(gpu)["memory"] == before
    del capsule
    gc.collect()
    upload(X).__dlpack__()
    assert not dlpack._exported


@pytest.mark.parametrize("keywords", [{"copy": True}, {"dl_device": (1, 0)}, {"dl_device": (2, 1)}])
def test_exports_that_are_refused(gpu, keywords):
    with pytest.raises(BufferError, match="exported there, without a copy"):
        upload(X).__dlpack__(**keywords)
    with pytest.raises(BufferError, match="read-only"):
        cuda.asarray(Exporter(X, flags=1)).__dlpack__()


# --- the driver

def test_the_driver_s_words_reach_the_caller(gpu):
    with gpu.configured(devices=2, fail={"cuMemAlloc_v2": 2}), \
            pytest.raises(RuntimeError, match=r"cuMemAlloc: out of memory \(CUDA_ERROR_OUT_OF_MEMORY\)"):
        upload(X)
    with pytest.raises(ValueError, match="no device cuda:2: this machine has 2, counted from cuda:0"):
        driver.context(2)


def test_the_caller_s_context_stays_current(gpu):
    array, before = upload(X, device=0), int(driver.check("cuCtxGetCurrent"))
    with driver.context(1):
        array.to_host()
        assert int(driver.check("cuCtxGetDevice")) == 1
    assert int(driver.check("cuCtxGetCurrent")) == before
    assert ctypes.CDLL("libcuda.so.1")._handle == ctypes.CDLL(str(gpu.library))._handle
