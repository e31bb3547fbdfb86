"""The fake driver, through ctypes, against what the documentation of the CUDA driver API says."""
import ctypes
import re
import subprocess
import sys
from ctypes import byref, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np
import pytest

from ptx import driver as fake_driver
from ptx.calls import (
    DESTROYED,
    ILLEGAL_ADDRESS,
    INVALID_CONTEXT,
    INVALID_DEVICE,
    INVALID_HANDLE,
    INVALID_VALUE,
    LAUNCH_FAILED,
    MISALIGNED,
    NO_DEVICE,
    NO_MEMORY,
    NOT_INITIALIZED,
    NOT_SUPPORTED,
    PTX,
    Cuda,
    scaled,
)
from ptx.driver import Launch

PROGRAM = """
import ctypes, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from ptx.calls import Cuda, scaled
cuda = Cuda("libcuda.so.1")
cuda.start()
module, function = cuda.kernel()
x = np.arange(100, dtype=np.float32)
address = cuda.upload(x)
assert scaled(cuda, function, address) == 0
cuda.cuCtxSynchronize()
assert (cuda.download(address, np.float32, 100) == 2 * x).all()
if "leave" not in sys.argv:
    cuda.cuMemFree_v2(address)
    cuda.cuModuleUnload(module)
    cuda.cuDevicePrimaryCtxRelease_v2(0)
"""


def test_a_program_finds_the_library_by_its_name(driver):
    def run(*arguments, **settings):
        return subprocess.run([sys.executable, "-c", PROGRAM, str(fake_driver.HERE.parent), *arguments],
                              capture_output=True, text=True, env=driver.environment(**settings))

    done = run()
    assert done.returncode == 0, done.stderr
    assert driver.launches() == [Launch("scale", 4, 32, None, False)]
    assert (driver.problems(), driver.leaks()) == ([], {})
    assert run("leave").returncode == 0
    assert driver.leaks() == {"memory": 1, "module": 1, "context": 1}
    driver.clear()
    assert run(fail={"cuLaunchKernel@1": 719}).returncode and not driver.launches()


def test_a_kernel_runs_on_device_memory(driver, cuda):
    x = np.arange(100, dtype=np.float32)
    address = cuda.upload(x)
    other = cuda.get(c_uint64, "cuMemAlloc_v2", c_size_t(400))
    assert np.isnan(cuda.download(other, np.float32, 100)).all()
    cuda.cuMemcpyDtoD_v2(other, address, c_size_t(400))
    library = cuda.get(c_void_p, "cuLibraryLoadData", PTX.encode(), None, None, 0, None, None, 0)
    kernel = cuda.get(c_void_p, "cuLibraryGetKernel", library, b"scale")
    assert scaled(cuda, kernel, other, n=50) == 0
    assert scaled(cuda, cuda.get(c_void_p, "cuKernelGetFunction", kernel), other, n=50) == 0
    np.testing.assert_array_equal(cuda.download(other, np.float32, 100), np.where(x < 50, 4 * x, x))
    cuda.cuMemsetD8_v2(c_uint64(other.value + 4), 0, c_size_t(396))
    assert not cuda.download(other, np.float32, 100).any()
    assert cuda.counts() == {"memory": 2, "library": 1, "function": 1, "context": 1, "launch": 2}
    cuda.cuLibraryUnload(library)
    assert scaled(cuda, kernel, other) == INVALID_HANDLE
    assert len(driver.problems()) == 1 and "is no live function" in driver.problems()[0]


def test_devices_and_their_attributes(driver):
    cuda = Cuda(driver.library)
    number, name = c_int(), ctypes.create_string_buffer(32)
    assert cuda.get(c_int, "cuDriverGetVersion").value == 13000
    assert cuda.status("cuDeviceGetCount", byref(number)) == NOT_INITIALIZED
    with driver.configured(devices=0):
        assert cuda.status("cuInit", 0) == NO_DEVICE
    assert cuda.status("cuInit", 1) == INVALID_VALUE
    with driver.configured(devices=2):
        cuda.cuInit(0)
        assert cuda.get(c_int, "cuDeviceGetCount").value == 2
        assert cuda.get(c_int, "cuDeviceGet", 1).value == 1
        assert cuda.status("cuDeviceGet", byref(number), 2) == INVALID_DEVICE
        cuda.cuDeviceGetName(name, 32, 1)
        assert name.value == b"Fake device 1"
        assert [cuda.get(c_int, "cuDeviceGetAttribute", what, 0).value for what in (1, 10, 75, 76)] == [1024, 32, 8, 0]
        assert cuda.status("cuDeviceGetAttribute", byref(number), 9999, 0) == INVALID_VALUE


def test_contexts(driver):
    cuda, address = Cuda(driver.library), c_uint64()
    cuda.cuInit(0)
    assert cuda.status("cuMemAlloc_v2", byref(address), c_size_t(4)) == INVALID_CONTEXT
    context = cuda.get(c_void_p, "cuDevicePrimaryCtxRetain", 0)
    assert cuda.get(c_void_p, "cuCtxGetCurrent").value is None
    cuda.cuCtxPushCurrent_v2(context)
    assert cuda.get(c_void_p, "cuCtxGetCurrent").value == context.value
    assert cuda.get(c_int, "cuCtxGetDevice").value == 0
    assert cuda.get(c_void_p, "cuCtxPopCurrent_v2").value == context.value
    assert cuda.status("cuCtxPopCurrent_v2", None) == INVALID_CONTEXT
    cuda.cuCtxSetCurrent(context)
    cuda.cuDevicePrimaryCtxRelease_v2(0)
    assert cuda.status("cuCtxSynchronize") == DESTROYED
    assert cuda.status("cuDevicePrimaryCtxRelease_v2", 0) == INVALID_CONTEXT
    assert driver.problems() == ["context of device 0 released more often than retained"]
    assert cuda.status("cuCtxPushCurrent_v2", c_void_p(64)) == INVALID_CONTEXT


@pytest.mark.parametrize("code, name", [
    (0, b"CUDA_SUCCESS"), (700, b"CUDA_ERROR_ILLEGAL_ADDRESS"), (100, b"CUDA_ERROR_NO_DEVICE")])
def test_error_names(driver, code, name):
    cuda, text = Cuda(driver.library), ctypes.c_char_p()
    cuda.cuGetErrorName(code, byref(text))
    assert text.value == name
    cuda.cuGetErrorString(code, byref(text))
    assert text.value
    assert cuda.status("cuGetErrorName", 12345, byref(text)) == INVALID_VALUE and text.value is None


def test_memory_that_is_misused(driver, cuda):
    address = cuda.upload(np.zeros(4, np.float32))
    outside = c_uint64(address.value + 4)
    assert cuda.status("cuMemcpyHtoD_v2", outside, bytes(16), c_size_t(16)) == INVALID_VALUE
    assert cuda.status("cuMemsetD8_v2", address, 0, c_size_t(17)) == INVALID_VALUE
    assert cuda.status("cuMemFree_v2", outside) == INVALID_VALUE
    cuda.cuMemFree_v2(address)
    assert cuda.status("cuMemFree_v2", address) == INVALID_VALUE
    assert cuda.status("cuMemcpyDtoH_v2", ctypes.create_string_buffer(16), address, c_size_t(16)) == INVALID_VALUE
    assert len(driver.problems()) == 5 and cuda.counts()["problem"] == 5
    with driver.configured(memory=1000):
        cuda.get(c_uint64, "cuMemAlloc_v2", c_size_t(600))
        assert cuda.status("cuMemAlloc_v2", byref(address), c_size_t(600)) == NO_MEMORY


@pytest.mark.parametrize("offset, count, error, message", [
    (0, 101, ILLEGAL_ADDRESS, "out-of-bounds access of 4 bytes at global"),
    (2, 1, MISALIGNED, "misaligned access of 4 bytes"),
    (-(1 << 40), 1, ILLEGAL_ADDRESS, "out-of-bounds")])
def test_a_kernel_that_goes_wrong_fails_every_later_call(driver, cuda, offset, count, error, message):
    address = cuda.upload(np.zeros(100, np.float32))
    _, function = cuda.kernel()
    assert scaled(cuda, function, c_uint64(address.value + offset), n=count) == 0       # like a device: later
    assert cuda.status("cuCtxSynchronize") == error
    assert scaled(cuda, function, address) == error
    assert re.fullmatch(rf"kernel scale: line \d+: .*{message}.*", driver.problems()[0])


def test_races_are_looked_for_on_request(driver, cuda):
    address = cuda.upload(np.zeros(1, np.float32))
    _, function = cuda.kernel("clash")
    assert cuda.launch(function, [address]) == 0
    cuda.cuCtxSynchronize()
    with driver.configured(race=True):
        assert cuda.launch(function, [address]) == 0
        assert cuda.status("cuCtxSynchronize") == LAUNCH_FAILED
    assert "race: global address" in driver.problems()[0]


def test_launches_that_are_refused(driver, cuda):
    address = cuda.upload(np.zeros(100, np.float32))
    _, function = cuda.kernel()
    assert scaled(cuda, function, address, block=1025) == INVALID_VALUE
    assert scaled(cuda, function, address, grid=0) == INVALID_VALUE
    assert scaled(cuda, function, address, stream=c_void_p(4711)) == INVALID_HANDLE
    assert scaled(cuda, address, address) == INVALID_HANDLE
    assert cuda.status("cuLaunchKernel", function, 1, 2, 1, 32, 1, 1, 0, None, None, None) == NOT_SUPPORTED
    assert driver.launches() == []


def test_failures_on_request(driver, cuda):
    address, other = cuda.upload(np.zeros(100, np.float32)), c_uint64()
    _, function = cuda.kernel()
    with driver.configured(fail={"cuLaunchKernel@2": 719, "cuMemAlloc_v2": 2}):
        assert [scaled(cuda, function, address) for _ in range(3)] == [0, 719, 0]
        assert [cuda.status("cuMemAlloc_v2", byref(other), c_size_t(4)) for _ in range(2)] == [2, 2]
    with driver.configured(fail={"cuInit": 999}):
        assert cuda.status("cuInit", 0) == 999


def test_pointer_attributes(driver, cuda):
    address, context = cuda.upload(np.zeros(100, np.float32)), cuda.get(c_void_p, "cuCtxGetCurrent")
    inside = c_uint64(address.value + 8)
    wanted = {1: c_void_p(), 2: c_uint(), 3: c_uint64(), 9: c_int(), 11: c_uint64(), 12: c_size_t()}

    def ask(pointer):
        cuda.cuPointerGetAttributes(len(wanted), (c_int * len(wanted))(*wanted),
                                    (c_void_p * len(wanted))(*map(ctypes.addressof, wanted.values())), pointer)
        return [value.value for value in wanted.values()]

    assert ask(inside) == [context.value, 2, inside.value, 0, address.value, 400]
    assert ask(c_uint64(ctypes.addressof(inside))) == [None, 0, 0, -2, 0, 0]           # the host's: no error here
    assert cuda.get(c_uint, "cuPointerGetAttribute", 2, inside).value == 2
    assert cuda.status("cuPointerGetAttribute", byref(context), 1, c_uint64(64)) == INVALID_VALUE
    with driver.configured(foreign=True):
        assert cuda.get(c_int, "cuPointerGetAttribute", 9, inside).value == 1
        assert cuda.get(c_void_p, "cuPointerGetAttribute", 1, inside).value != context.value
