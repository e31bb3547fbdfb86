"""Parameters in a GPU's memory."""
import copy
import pickle

import numpy as np
import pytest
from gpu_arrays import Exporter, Foreign, Stream, draw, upload

from numoptim import Parameters, Trainer, cuda

SHAPES = {"w": (3, 5), "b": (), "none": (0, 2), "v": (7,)}


def test_buffers_and_live_views(gpu):
    start = draw(0, SHAPES, np.float32)
    params, host = Parameters(start, device="cuda"), Parameters(start)
    assert (params.device, host.device) == ("cuda:0", "cpu")
    assert isinstance(params.flat, cuda.Array) and params.flat.ptr % 64 == 0 and params.grad.flat.ptr % 64 == 0
    assert np.array_equal(params.flat.to_host(), host.flat) and not params.grad.flat.to_host().any()
    assert np.array_equal(params.offsets, host.offsets) and list(params) == list(host) and params.shapes == host.shapes
    assert params["w"] is params["w"] and repr(params) == repr(host)
    for name, start_at in zip(params, params.offsets, strict=False):
        assert params[name].ptr == params.flat.ptr + 4 * start_at and params[name].shape == SHAPES[name]
    params.flat.fill(0)
    assert not params["v"].to_host().any()
    with pytest.raises(KeyError, match="no parameter 'vv'; did you mean 'v'"):
        params["vv"]


def test_what_is_copied_in(gpu):
    x = np.arange(7, dtype=np.float32)
    params = Parameters({"h": x, "own": upload(x), "described": Foreign(x), "exported": Exporter(x)}, device="cuda")
    assert all(np.array_equal(w.to_host(), x) for w in params.values())
    for given in (2 * x, list(2 * x), (2 * x).astype(np.float64)):
        params["h"] = given
        assert np.array_equal(params["h"].to_host(), 2 * x)
    params["own"], params.grad["own"] = params["h"], params["described"]
    assert np.array_equal(params["own"].to_host(), 2 * x) and np.array_equal(params.grad["own"].to_host(), x)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:²", "CUDA", "", None, 0])
def test_names_of_devices(gpu, device):
    with pytest.raises(ValueError, match="expected 'cpu', 'cuda' or 'cuda:1'"):
        Parameters({}, device=device)


@pytest.mark.parametrize("arrays, keywords, error, message", [
    ({"w": np.zeros(2)}, {"device": "cuda:2"}, ValueError, "no device cuda:2: this machine has 2"),
    ({"w": np.zeros(2)}, {"stream": 1}, ValueError, "stream= goes with device='cuda'"),
    ({"w": np.zeros(2)}, {"device": "cuda", "stream": "1"}, TypeError, "expected a stream's handle"),
    ({"w": np.zeros(2, np.float16)}, {"device": "cuda"}, TypeError, "float16; accepted are float32 and float64"),
    ({"w": np.zeros(2), "v": np.zeros(2, np.float32)}, {"device": "cuda"}, TypeError, "different dtypes"),
    ([], {"device": "cuda"}, TypeError, "expected a mapping")])
def test_what_is_refused(gpu, arrays, keywords, error, message):
    with pytest.raises(error, match=message):
        Parameters(arrays, **keywords)


def test_copies_into_views_that_are_refused(gpu):
    params, host = Parameters({"w": np.ones(3, np.float32)}, device="cuda"), Parameters({"w": np.ones(3, np.float32)})
    for given, error, message in (
            (np.zeros(2), ValueError, r"'w' has shape \(3,\), was given \(2,\)"),
            (upload(np.zeros(2, np.float32)), ValueError, r"was given \(2,\)"),
            (upload(np.zeros(3)), TypeError, "source is float64 on cuda:0; expected float32 on cuda:0")):
        with pytest.raises(error, match=message):
            params["w"] = given
    with gpu.configured(devices=2, foreign=True), \
            pytest.raises(TypeError, match="source is float32 on cuda:1; expected float32 on cuda:0"):
        params["w"] = Foreign(np.zeros(3, np.float32))
    with pytest.raises(TypeError, match=r"the array is on cuda:0: to_host\(\)"):
        host["w"] = params["w"]
    with pytest.raises(TypeError, match=r"the array is on cuda:0: to_host\(\)"):
        Parameters({"w": params["w"]})
    with pytest.raises(TypeError, match="source is float32 on cuda:0; expected float32 on cuda:1"):
        Parameters({"w": params["w"]}, device="cuda:1")
    assert params["w"].to_host().tolist() == host["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))],
                         ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("stream", [None, 2])
def test_copies_have_buffers_of_their_own_on_the_same_device(gpu, copied, stream):
    params = Parameters(draw(0, SHAPES, np.float64), device="cuda:1", stream=stream)
    params.grad["v"] = np.ones(7)
    other = copied(params)
    assert (other.device, other.flat.stream) == ("cuda:1", stream or 1)
    assert np.array_equal(other.flat.to_host(), params.flat.to_host()) and other.flat.ptr != params.flat.ptr
    assert np.array_equal(other.grad["v"].to_host(), np.ones(7))
    other["v"].fill(0)
    assert not other.flat.to_host()[-7:].any() and params["v"].to_host().all()


def test_what_has_no_elements_is_on_any_device(gpu):
    """Its address does not say where it is."""
    params = Parameters({"none": np.zeros((0, 2)), "w": np.zeros(2)}, device="cuda:1")
    params["none"] = Foreign(np.zeros((0, 2)), data=(0, False))
    none = Foreign(np.zeros((0, 2)), data=(0, False))
    Trainer(params, "sgd").step(1, {"none": none, "w": params.grad["w"]})


def test_streams(gpu):
    stream = Stream()
    for given in (stream, stream.handle):
        params = Parameters({"w": np.ones(3)}, device="cuda", stream=given)
        assert params.flat.stream == params.grad["w"].stream == stream.handle
        with pytest.raises(TypeError, match="cannot be copied or pickled: no other process has it"):
            pickle.dumps(params)
    assert [Parameters({}, device="cuda", stream=s).flat.stream for s in (None, 0, 1, 2)] == [1, 1, 1, 2]
    del params
    stream.close()
