"""Streams, events and graphs of the fake driver."""
from ctypes import byref, c_float, c_int, c_size_t, c_uint, c_uint64, c_ulonglong, c_void_p

import numpy as np
import pytest

from ptx.calls import (
    CAPTURED,
    IMPLICIT,
    INVALID_HANDLE,
    INVALIDATED,
    ISOLATION,
    MERGE,
    UNJOINED,
    UNMATCHED,
    UNSUPPORTED,
    scaled,
)
from ptx.driver import Launch


def test_streams_and_events(driver, cuda):
    stream = cuda.get(c_void_p, "cuStreamCreate", 1)
    first, last = (cuda.get(c_void_p, "cuEventCreate", 0) for _ in range(2))
    x, back = np.arange(100, dtype=np.float32), np.zeros(100, np.float32)
    address, taken = cuda.get(c_uint64, "cuMemAlloc_v2", c_size_t(400)), c_float()
    assert cuda.status("cuEventElapsedTime_v2", byref(taken), first, last) == INVALID_HANDLE       # not recorded
    cuda.cuEventRecord(first, stream)
    cuda.cuMemcpyHtoDAsync_v2(address, c_void_p(x.ctypes.data), c_size_t(400), stream)
    assert scaled(cuda, cuda.kernel()[1], address, stream=stream) == 0
    cuda.cuMemsetD8Async(address, 0, c_size_t(4), stream)
    cuda.cuMemcpyDtoHAsync_v2(c_void_p(back.ctypes.data), address, c_size_t(400), stream)
    cuda.cuEventRecord(last, stream)
    cuda.cuStreamWaitEvent(None, last, 0)
    cuda.cuEventSynchronize(last)
    cuda.cuStreamSynchronize(stream)
    cuda.cuEventElapsedTime_v2(byref(taken), first, last)
    assert taken.value >= 0
    np.testing.assert_array_equal(back, 2 * x)
    assert driver.launches() == [Launch("scale", 4, 32, stream.value, False)]
    cuda.cuStreamDestroy_v2(stream)
    cuda.cuEventDestroy_v2(first)
    assert cuda.status("cuEventDestroy_v2", first) == INVALID_HANDLE
    assert cuda.status("cuStreamSynchronize", stream) == INVALID_HANDLE
    assert {kind: cuda.counts().get(kind, 0) for kind in ("stream", "event")} == {"stream": 0, "event": 1}


def test_a_graph_replays_its_launches(driver, cuda):
    x, by = np.arange(100, dtype=np.float32), c_float(2)
    address, stream, (_, function) = cuda.upload(x), cuda.get(c_void_p, "cuStreamCreate", 0), cuda.kernel()
    cuda.cuStreamBeginCapture_v2(stream, 0)
    assert cuda.launch(function, [address, c_uint(100), by], grid=4, stream=stream) == 0
    by.value = 100.0                                            # the argument was copied
    cuda.cuMemsetD8Async(address, 0, c_size_t(8), stream)
    graph = c_void_p()
    cuda.cuStreamEndCapture(stream, byref(graph))
    assert driver.launches() == []
    executable = cuda.get(c_void_p, "cuGraphInstantiateWithFlags", graph, c_ulonglong(0))
    cuda.cuGraphDestroy(graph)
    for _ in range(2):
        cuda.cuGraphLaunch(executable, stream)
    np.testing.assert_array_equal(cuda.download(address, np.float32, 100), np.where(x < 2, 0, 4 * x))
    assert driver.launches() == [Launch("scale", 4, 32, stream.value, True)] * 2
    cuda.cuGraphExecDestroy(executable)
    assert not {"graph", "executable"} & set(cuda.counts())


@pytest.mark.parametrize("name, arguments", [
    ("cuCtxSynchronize", []), ("cuMemAlloc_v2", [byref(c_uint64()), c_size_t(4)]), ("cuEventSynchronize", [None]),
    ("cuMemcpyHtoD_v2", [c_uint64(0), None, c_size_t(0)]), ("cuStreamSynchronize", [None]),
    ("cuMemsetD8_v2", [c_uint64(0), 0, c_size_t(0)])])
def test_what_waits_is_refused_during_a_capture(driver, cuda, name, arguments):
    stream, graph = cuda.get(c_void_p, "cuStreamCreate", 0), c_void_p(1)
    cuda.cuStreamBeginCapture_v2(stream, 0)
    assert cuda.status(name, *arguments) == UNSUPPORTED
    assert cuda.status("cuStreamEndCapture", stream, byref(graph)) == INVALIDATED and graph.value is None
    assert driver.problems() == [f"{name} during a capture"]
    cuda.cuStreamSynchronize(stream)                            # the stream is of use again


def test_a_thread_may_be_allowed_what_a_capture_forbids(driver, cuda):
    stream, graph = cuda.get(c_void_p, "cuStreamCreate", 0), c_void_p()
    address, mode = cuda.upload(np.zeros(4)), c_int(2)
    cuda.cuStreamBeginCapture_v2(stream, 0)
    cuda.cuThreadExchangeStreamCaptureMode(byref(mode))
    cuda.cuMemFree_v2(address)
    assert mode.value == 0
    cuda.cuThreadExchangeStreamCaptureMode(byref(mode))
    assert mode.value == 2 and cuda.status("cuCtxSynchronize") == UNSUPPORTED
    assert cuda.status("cuStreamEndCapture", stream, byref(graph)) == INVALIDATED


def test_rules_of_captures(driver, cuda):
    stream, other = cuda.get(c_void_p, "cuStreamCreate", 0), cuda.get(c_void_p, "cuStreamCreate", 1)
    event, address = cuda.get(c_void_p, "cuEventCreate", 0), cuda.upload(np.zeros(4, np.float32))
    graph, state = c_void_p(), c_int()
    assert cuda.status("cuStreamBeginCapture_v2", None, 0) == UNSUPPORTED
    cuda.cuStreamBeginCapture_v2(stream, 2)                     # relaxed: other calls are allowed, but for this stream
    cuda.cuCtxSynchronize()
    cuda.cuStreamIsCapturing(stream, byref(state))
    assert state.value == 1
    assert cuda.status("cuMemsetD8Async", address, 0, c_size_t(4), None) == IMPLICIT
    assert cuda.status("cuStreamEndCapture", stream, byref(graph)) == INVALIDATED
    for joined in (False, True):                                # another stream takes part, and must be waited for
        cuda.cuStreamBeginCapture_v2(stream, 2)
        cuda.cuEventRecord(event, stream)
        cuda.cuStreamWaitEvent(other, event, 0)
        cuda.cuMemsetD8Async(address, 0, c_size_t(4), other)
        assert cuda.status("cuStreamEndCapture", other, byref(graph)) == UNMATCHED
        assert cuda.status("cuEventSynchronize", event) == CAPTURED
        if joined:
            cuda.cuEventRecord(event, other)
            cuda.cuStreamWaitEvent(stream, event, 0)
        assert cuda.status("cuStreamEndCapture", stream, byref(graph)) == (0 if joined else UNJOINED)
    cuda.cuStreamBeginCapture_v2(stream, 2)
    cuda.cuEventRecord(event, stream)
    cuda.cuStreamWaitEvent(other, event, 0)
    cuda.cuEventRecord(event, other)
    cuda.cuStreamWaitEvent(stream, event, 0)
    cuda.cuMemsetD8Async(address, 0, c_size_t(4), other)        # joined, and then more work
    assert cuda.status("cuStreamEndCapture", stream, byref(graph)) == UNJOINED


def test_captures_stay_apart(cuda):
    first, second = (cuda.get(c_void_p, "cuStreamCreate", 1) for _ in range(2))
    early, event, graph = cuda.get(c_void_p, "cuEventCreate", 0), cuda.get(c_void_p, "cuEventCreate", 0), c_void_p()
    cuda.cuEventRecord(early, first)
    cuda.cuStreamBeginCapture_v2(first, 2)
    assert cuda.status("cuStreamWaitEvent", first, early, 0) == ISOLATION               # recorded before it began
    assert cuda.status("cuStreamEndCapture", first, byref(graph)) == INVALIDATED
    cuda.cuStreamBeginCapture_v2(first, 2)
    cuda.cuStreamBeginCapture_v2(second, 2)
    cuda.cuEventRecord(event, first)
    assert cuda.status("cuStreamWaitEvent", second, event, 0) == MERGE
    assert cuda.status("cuStreamEndCapture", first, byref(graph)) == INVALIDATED
    assert cuda.status("cuStreamEndCapture", second, byref(graph)) == INVALIDATED
    assert cuda.status("cuStreamWaitEvent", second, event, 0) == CAPTURED               # of a capture that is over


def test_a_graph_of_an_unloaded_module_is_refused(driver, cuda):
    address, (module, function) = cuda.upload(np.zeros(100, np.float32)), cuda.kernel()
    stream = cuda.get(c_void_p, "cuStreamCreate", 0)
    graph, executable = c_void_p(), c_void_p()
    cuda.cuStreamBeginCapture_v2(stream, 0)
    assert scaled(cuda, function, address, stream=stream) == 0
    cuda.cuStreamEndCapture(stream, byref(graph))
    cuda.cuModuleUnload(module)
    cuda.cuGraphInstantiateWithFlags(byref(executable), graph, c_ulonglong(0))
    assert cuda.status("cuGraphLaunch", executable, stream) == INVALID_HANDLE
    assert "is no live function" in driver.problems()[0]
