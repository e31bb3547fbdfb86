"""What is saved to a file of states comes back as it was, array by array; what could not is refused."""
import enum
import io
import tracemalloc
import zipfile
from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from numoptim import checkpoint


def whole(path):
    """The tree in a file of states."""
    with checkpoint.reading(path) as tree:
        return checkpoint.loaded(tree)


def saved(tree):
    file = io.BytesIO()
    checkpoint.save(file, tree)
    return file.getvalue()


def same(a, b):
    """Whether two trees have the same types and bits."""
    if isinstance(a, np.ndarray):
        return (type(b) is np.ndarray and a.dtype.str == b.dtype.str and a.shape == b.shape
                and a.flags.fnc == b.flags.fnc and a.tobytes("A") == b.tobytes("A"))
    if isinstance(a, dict):
        return type(b) is dict and same(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.generic):
        return type(a) is type(b) and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return type(b) is float and a.hex() == b.hex()
    return type(a) is type(b) and a == b


# --- trees

ARRAYS = [
    np.array(3.5), np.zeros(0), np.zeros((3, 0, 2), np.int8), np.array([True, False]), np.arange(4, dtype=np.float16),
    np.array([np.nan, -np.nan, np.inf, -0.0, 5e-324]), np.arange(6, dtype=np.uint64).reshape(1, 2, 3),
    np.array([1 + 2j]), np.array([1.5], np.longdouble), np.array([1.5j], np.clongdouble),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.arange(3, dtype=">f4"), np.arange(3, dtype=">i8"),
    np.ones((1,) * 32, np.float32),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str} {a.shape}")
def test_arrays_come_back_with_type_order_and_bits(tmp_path, array):
    checkpoint.save(tmp_path / "states", [array])
    assert same(whole(tmp_path / "states"), [array])
    with checkpoint.reading(tmp_path / "states") as (stored,):
        assert stored.shape == array.shape and stored.dtype == array.dtype
        buffer = np.empty(array.shape, array.dtype)
        stored.read_into(buffer)
        assert buffer.tobytes() == array.tobytes()
    with np.load(tmp_path / "states", allow_pickle=False) as file:
        assert same(file["array0"], array)


def test_strided_and_mapped_arrays_are_saved_as_what_they_show(tmp_path):
    a = np.arange(12.0).reshape(3, 4)
    mapped = np.memmap(tmp_path / "mapped", np.float32, "w+", shape=(5,))
    mapped[:] = 7
    views = [a[:, ::2], a[::-1], a.T[1:], np.broadcast_to(np.float32(3), (2, 2)), mapped]
    for view, back in zip(views, whole(io.BytesIO(saved(views))), strict=True):
        assert (back == view).all() and back.dtype == view.dtype and type(back) is np.ndarray and back.flags.owndata


class Level(enum.IntEnum):
    LOW = 3


class Name(str):
    pass


class Array(np.ndarray):
    pass


@pytest.mark.parametrize("tree, back", [
    (Name("ab"), "ab"), (np.str_("ab"), "ab"), (Level.LOW, 3),
    ({np.int64(7): 1, np.bool_(True): 2, np.float32(0.5): 3, (np.int8(1), Name("x")): 4},
     {7: 1, True: 2, 0.5: 3, (1, "x"): 4}),
    ({Level.LOW: Level.LOW, np.str_("w"): 1}, {3: 3, "w": 1}),
])
def test_subclasses_become_plain_and_so_do_numpy_scalars_in_keys(tree, back):
    assert same(whole(io.BytesIO(saved(tree))), back)


def test_plain_values_come_back_as_they_are():
    tree = {"": None, True: 1, False: 0, 2: True, None: [], -1.5: (), float("inf"): "\0\ud800ä", (1, ("a", None)): {},
            "numbers": [2**4095, -2**4095, 0, -0.0, float("nan"), float("-inf"), 5e-324, 1e308],
            "array": "array0", "dict": {"dict": {"float": "tuple"}}}
    assert same(whole(io.BytesIO(saved(tree))), tree)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
keys = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=4)
numbers = stn.scalar_dtypes().filter(lambda d: d.kind in "biufc")
arrays = stn.arrays(numbers, stn.array_shapes(min_dims=0, min_side=0)) | stn.arrays(numbers, ()).map(lambda a: a[()])
lists = st.lists
nested = st.recursive(scalars | arrays, lambda inner: (
    lists(inner) | lists(inner).map(tuple) | st.dictionaries(keys, inner)), max_leaves=12)


@settings(max_examples=100, deadline=None)
@given(nested)
def test_any_tree_comes_back(tree):
    assert same(whole(io.BytesIO(saved(tree))), tree)


def deep(depth):
    return [deep(depth - 1)] if depth else []


CYCLE = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize("tree, message", [
    (object(), "object"), (b"bytes", "bytes"), (1j, "complex"), ({1}, "set"), (len, "builtin"), (range(3), "range"),
    (OrderedDict(a=1), "OrderedDict"), (defaultdict(int), "defaultdict"), (namedtuple("P", "x")(1), "P"),
    (np.array([None]), "array of object"), (np.array(["a"]), "array of <U1"),
    (np.zeros(1, "M8[s]"), "array of datetime"), (np.datetime64(1, "s"), "array of datetime64"),
    (np.zeros(1, [("a", "f4")]), r"array of \[\('a'"), (np.void(b"a"), r"array of \|V1"),
    (np.ma.masked_array([1.0], [True]), "MaskedArray"), (np.zeros(1).view(Array), "Array"),
    (np.zeros(2, "f4,f4").view(np.recarray), "recarray"), ({np.longdouble(1): 1}, r"array of float\d+ in a key"),
    ({(1, frozenset()): 1}, "frozenset in a key"), (2**4096, "int of 4097 bits"), (deep(101), "more than 100 deep"),
    (CYCLE, "contains itself"), ({"a": [1, {"b": object()}]}, "object"), (enum.Enum("E", "A").A, "E"),
], ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_what_cannot_be_saved_is_refused_before_a_file_is_touched(tmp_path, tree, message):
    (tmp_path / "states").write_text("precious")
    file = io.BytesIO()
    for target in (tmp_path / "states", file, "/no/such/folder/states"):
        with pytest.raises(TypeError, match=f"cannot save .*{message}"):
            checkpoint.save(target, [np.zeros(3), tree])
    assert (tmp_path / "states").read_text() == "precious" and len(list(tmp_path.iterdir())) == 1
    assert file.getvalue() == b""


def test_nesting_as_deep_as_can_be_saved_is_read():
    assert same(whole(io.BytesIO(saved(deep(100)))), deep(100))


def test_the_format_is_numpys_and_stays(tmp_path):
    """Byte for byte what ``np.savez`` writes of this text, which files of 0.1 have."""
    tree = {"t": 3, "x": [(0.5, None), True], "m": np.arange(6, dtype=np.float32).reshape(2, 3)}
    text = ('{"format": "numoptim-states-1", "tree": {"dict": [["t", 3], ["x", {"list": [{"tuple": [{"float": '
            '"0x1.0000000000000p-1"}, null]}, true]}], ["m", {"array": "array0"}]]}}')
    np.savez(tmp_path / "numpy.npz", tree=np.frombuffer(text.encode(), np.uint8), array0=tree["m"])
    checkpoint.save(tmp_path / "states", tree)
    assert (tmp_path / "states").read_bytes() == (tmp_path / "numpy.npz").read_bytes()
    assert same(whole(tmp_path / "numpy.npz"), tree)


# --- reading array by array

def test_arrays_are_read_in_any_order_again_and_into_parts(tmp_path):
    given = {"a": np.arange(400_000.0), "b": np.arange(6, dtype=np.int8)}
    checkpoint.save(tmp_path / "states", given)
    buffer = np.zeros(400_010)
    with checkpoint.reading(tmp_path / "states") as tree:
        assert same(tree["b"].read(), given["b"])
        tree["a"].read_into(buffer[5:-5])
        assert same(tree["b"].read(), given["b"]) and same(checkpoint.loaded(tree), given)
    assert buffer[:5].tolist() == buffer[-5:].tolist() == [0] * 5 and (buffer[5:-5] == given["a"]).all()
    with pytest.raises(ValueError, match="read within the block"):
        tree["a"].read()


def test_buffers_that_do_not_fit_are_refused_and_not_written_to():
    frozen = np.zeros((2, 3))
    frozen.flags.writeable = False
    with checkpoint.reading(io.BytesIO(saved([np.ones((2, 3))]))) as (stored,):
        for buffer in (np.zeros((3, 2)), np.zeros(6), np.zeros((2, 3), np.float32), np.zeros((2, 3), ">f8"),
                       np.zeros((3, 2)).T, np.zeros((2, 6))[:, ::2], frozen):
            with pytest.raises(ValueError, match="buffer is") as error:
                stored.read_into(buffer)
            assert not buffer.any() and not isinstance(error.value, checkpoint.Damaged)


def test_errors_of_the_callers_pass_unchanged(tmp_path):
    checkpoint.save(tmp_path / "states", 1)
    for error in (KeyError("mine"), OSError("mine"), zipfile.BadZipFile("mine"), StopIteration(), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, checkpoint.reading(tmp_path / "states"):
            raise error
        assert caught.value is error


def test_reading_into_buffers_takes_little_memory(tmp_path):
    given = {name: np.full(3_000_000, value) for name, value in (("m", 1.0), ("v", 2.0))}
    checkpoint.save(tmp_path / "states", given)
    buffers = {name: np.zeros(3_000_000) for name in given}
    tracemalloc.start()
    try:
        with checkpoint.reading(tmp_path / "states") as tree:
            for name, stored in tree.items():
                stored.read_into(buffers[name])
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert all((buffers[name] == given[name]).all() for name in given)
