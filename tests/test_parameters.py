"""Parameters: one flat buffer per role, and named live views into it."""
import copy
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

import numoptim
from numoptim import Parameters, optimizer

ARRAYS = {"b": np.arange(6.0).reshape(2, 3), "a": np.array(7.0), "none": np.empty((3, 0)), "c": np.array([8.0])}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture
def params():
    return Parameters(ARRAYS)


@each_dtype
def test_weights_and_gradients_lie_in_flat_buffers(dtype):
    params = Parameters({name: array.astype(dtype) for name, array in ARRAYS.items()})
    assert params.flat.tolist() == [0, 1, 2, 3, 4, 5, 7, 8]
    assert params.grad.flat.tolist() == [0] * 8
    assert params.flat.dtype == params.grad.flat.dtype == dtype
    assert params.offsets.tolist() == [0, 6, 7, 7, 8]
    assert params.offsets.dtype == np.int64
    assert not np.shares_memory(params.flat, params.grad.flat)
    assert params.shapes == {"b": (2, 3), "a": (), "none": (3, 0), "c": (1,)}


@pytest.mark.parametrize("role", ["weights", "gradients"])
def test_views_are_live_and_have_the_given_shapes(params, role):
    views = params if role == "weights" else params.grad
    for name, array in ARRAYS.items():
        assert views[name].shape == array.shape
        assert views[name].base is not None
        assert array.size == 0 or np.shares_memory(views[name], views.flat)
    views["b"][1, 0] = 30
    views["a"][...] = 40
    assert views.flat[[3, 6]].tolist() == [30, 40]
    views.flat[7] = 50
    assert views["c"].tolist() == [50]
    assert (params.grad if views is params else params).flat[7] != 50


def test_arrays_are_copied():
    array = np.ones(3)
    params = Parameters({"w": array})
    params["w"][0] = 5
    array[1] = 6
    assert params.flat.tolist() == [5, 1, 1] and array.tolist() == [1, 6, 1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_the_views_of_a_copy_are_live(params, copied):
    """A copy is whole: its views show its own buffers, and nothing is shared with the original."""
    params.grad["a"] = 5
    other = copied(params)
    assert other.flat.tolist() == params.flat.tolist() and other.grad.flat.tolist() == params.grad.flat.tolist()
    other.flat[6], other.grad["b"][0, 1] = 70, 60
    assert other["a"] == 70 and other.grad.flat[1] == 60
    assert params["a"] == 7 and params.grad.flat[1] == 0 and list(other) == list(params)


def test_assignment_copies_into_the_view(params):
    view = params["b"]
    params["b"] = np.full((2, 3), 9)
    params.grad["a"] = 4
    assert view.tolist() == [[9] * 3] * 2 and params["b"] is view
    assert params.grad.flat[6] == 4
    with pytest.raises(ValueError, match=r"'b' has shape \(2, 3\), was given \(3,\)"):
        params["b"] = np.ones(3)
    with pytest.raises(TypeError, match="complex"):
        params["c"] = np.ones(1, complex)
    assert view.tolist() == [[9] * 3] * 2 and params["c"].tolist() == [8]


def test_a_mapping_in_insertion_order(params):
    for views in (params, params.grad):
        assert isinstance(views, Mapping)
        assert list(views) == list(views.keys()) == ["b", "a", "none", "c"]
        assert [v.shape for v in views.values()] == [v.shape for _, v in views.items()] == [(2, 3), (), (3, 0), (1,)]
        assert len(views) == 4 and "a" in views and "d" not in views
        assert views.get("d") is None
        with pytest.raises(KeyError, match="no parameter 'nine'; did you mean 'none'"):
            views["nine"]
    assert "b: (2, 3)" in repr(params) and "float64" in repr(params)


@each_dtype
@pytest.mark.parametrize("size", [1, 3, 17, 1000, 100_003])
def test_every_buffer_begins_at_a_multiple_of_64_bytes(dtype, size):
    kept = []                                       # several, of growing size: one could be lucky
    for more in range(5):
        kept.append(Parameters({"w": np.zeros(size + more, dtype)}))
        state = optimizer.create("ftml").create_state(0, kept[-1]["w"])
        kept.append(state)
        buffers = [kept[-2].flat, kept[-2].grad.flat, *state.slots.values()]
        assert len(buffers) == 5
        assert [b.ctypes.data % 64 for b in buffers] == [0] * 5
        assert all(slot.size == size + more and not slot.any() for slot in state.slots.values())


@pytest.mark.parametrize("given, flat", [
    ({"w": [1.0, 2.0]}, [1, 2]),
    ({"w": np.asfortranarray(np.arange(4.0).reshape(2, 2))}, [0, 1, 2, 3]),
    ({"w": np.arange(6.0)[::-2]}, [5, 3, 1]),
    ({"w": np.broadcast_to(2.0, (2, 2))}, [2, 2, 2, 2]),
    ({"w": 3.0, "v": np.float64(4)}, [3, 4]),
    ({"w": np.empty(0)}, []),
    ({}, []),
], ids=["list", "Fortran", "strided", "broadcast", "0-d", "empty", "none"])
def test_any_array_can_be_given(given, flat):
    params = Parameters(given)
    assert params.flat.tolist() == flat
    for name, array in given.items():
        assert np.array_equal(params[name], array) and params[name].flags.c_contiguous


def test_no_parameters_at_all_can_be_trained():
    params = Parameters({})
    assert len(params) == len(params.grad) == 0 and params.flat.shape == (0,) and params.offsets.tolist() == [0]
    for name in ("adam", "lamb", "sgld"):
        trainer = numoptim.Trainer(params, name)
        trainer.step(1)
        assert trainer.optimizer.num_update == 1


@pytest.mark.parametrize("given, error, message", [
    ([np.zeros(2)], TypeError, "params is list; expected a mapping of names to arrays"),
    ({1: np.zeros(2)}, TypeError, "params: the name 1 is not a string"),
    ({"w": [1, 2]}, TypeError, "parameter 'w' is int64; accepted are float32 and float64"),
    ({"w": np.zeros(2, np.float16)}, TypeError, "parameter 'w' is float16.*16-bit numbers are not supported yet"),
    ({"w": np.zeros(2, np.dtype(float).newbyteorder())}, TypeError, "parameter 'w' is .f8; accepted are"),
    ({"w": np.zeros(2, np.longdouble)}, TypeError, "parameter 'w' is float128; accepted are"),
    ({"w": np.zeros(2), "v": np.zeros(2, np.float32)}, TypeError, "different dtypes: float32: 'v'; float64: 'w'"),
], ids=["list", "name", "int", "float16", "byte order", "long double", "mixed"])
def test_what_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        Parameters(given)
