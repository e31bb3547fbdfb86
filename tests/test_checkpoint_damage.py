"""Damaged files of states and files of others are refused, cost no memory to speak of, and are never unpickled."""
import io
import pickle
import re
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from test_checkpoint_reading import same, saved, whole

from numoptim import checkpoint

# --- other files

def archive(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as written:
        for name, content in members:
            written.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


class Bomb:
    """Unpickling it does something."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


# How torch.save has begun before it wrote zip archives: a number in a pickle.
LEGACY = pickle.dumps(0x1950a86a20f9469cfc6c, 2)


@pytest.mark.parametrize("content, message", [
    (b"", "it is empty"), (b"P", "does not begin"), (b"weights = 3\n" * 50, "does not begin"),
    *((pickle.dumps({0: Bomb()}, n), "a pickle of Python, as MXNet's save_states writes") for n in range(2, 6)),
    (LEGACY + pickle.dumps(Bomb()), "a file of torch.save"),
    (archive([("archive/data.pkl", pickle.dumps(Bomb())), ("archive/version", b"3\n")]), "a file of torch.save"),
    (archive([("w.npy", npy(np.ones(3)))]), "a NumPy .npz without optimizer states"),
    (archive([("w.npy", npy(np.ones(3)))], zipfile.ZIP_DEFLATED), "a NumPy .npz without optimizer states"),
    (archive([("config.json", b"{}")]), "a zip archive without optimizer states"),
    (archive([]), "does not begin"), (npy(np.ones(3)), "a NumPy .npy"),
    (struct.pack("<Q", 30) + b'{"w":{"dtype":"F32","shape":[0]', "safetensors"),
    (struct.pack("<QQ", 0x112, 0) + bytes(20), "MXNet's parameters"), (b"\x1f\x8b\x08" + bytes(20), "gzip"),
    (b"\x89HDF\r\n\x1a\n" + bytes(20), "HDF5"),
], ids=lambda x: x if isinstance(x, str) else "")
def test_files_of_others_are_recognised_and_never_unpickled(tmp_path, content, message):
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(checkpoint.Damaged, match=f"{tmp_path / 'it'}: not a file of optimizer states, .*{message}"):
        whole(tmp_path / "it")


# --- damage

def members(tree='{"list": [{"array": "array0"}, {"array": "array1"}]}', text=None, **changed):
    """The members of a file, with the tree's code or whole text, and with others changed, added or (None) left out."""
    text = text or f'{{"format": "numoptim-states-1", "tree": {tree}}}'
    text = text if isinstance(text, bytes) else text.encode()
    given = {"tree": npy(np.frombuffer(text, np.uint8)), "array0": npy(np.arange(3.0)), "array1": npy(np.ones(2)),
             **changed}
    return [(f"{name}.npy", content) for name, content in given.items() if content is not None]


def file(*args, **changed):
    return archive(members(*args, **changed))


def alone(code):
    """A file with a tree and no arrays."""
    return file(code, array0=None, array1=None)


def directory(at, form, *values):
    """A file with numbers in the second entry of its directory changed."""
    content = bytearray(GOOD)
    entry = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    struct.pack_into(form, content, entry + at, *values)
    return bytes(content)


def end(count, size, offset):
    """A file with another record at its end."""
    return GOOD[:-22] + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, offset, 0)


PLAIN = "{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n"


def header(old, new, data=bytes(24), version=b"\1\0"):
    """A file whose first array has another header."""
    text = PLAIN.replace(old, new).encode()
    return file(array0=b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data)


GOOD = file()
MANY = 2**32 - 2
NO_ARRAY, NO_SIZE = "array0.npy is no array of numbers", "array0.npy has not the size"
UNKNOWN = "does not know the member"

ARCHIVES = [
    (archive(members(), zipfile.ZIP_DEFLATED), "compressed"), (archive(members(), zipfile.ZIP_LZMA), "compressed"),
    (directory(8, "<H", 1), "encrypted"), (directory(20, "<LL", 152, MANY), "compressed"),
    (directory(20, "<LL", MANY, MANY), "overlaps"), (directory(42, "<L", 0), "overlaps"),
    (directory(42, "<L", 100), "overlaps"), (directory(42, "<L", MANY), "more bytes"), (directory(16, "<L", 1), "CRC"),
    (end(3, MANY, 0), ""), (end(2**16 - 1, MANY + 1, MANY + 1), ""), (end(2, 2, 2), ""),
    (b"x" + GOOD, "does not begin"), (GOOD + b"x", "something follows"), (GOOD + GOOD, "something precedes"),
    (GOOD[:-1], "cut short"), (GOOD[:-30], "cut short"), (GOOD[:40], "cut short"), (GOOD[:5], "too early"),
    (GOOD.replace(b"array0.npy", b"array1.npy"), "there twice"), (GOOD.replace(b"array0.npy", b"a/../0.npy"), "array0"),
    (GOOD.replace(b"array0.npy", b"arr\xffy0.npy"), "array0.npy"), (file(array1=None), "array1.npy"),
    (file(more=npy(np.ones(2))), f"{UNKNOWN} more.npy"), (archive([*members(), ("x", b"")]), f"{UNKNOWN} x"),
    (file('{"list": [{"array": "array0"}]}'), f"{UNKNOWN} array1.npy"),
    (file('{"list": [{"array": "array0"}, {"array": "array0"}]}'), "array0.npy"),
    (file('{"dict": [[{"array": "array0"}, 1]]}'), "array0"),
]
HEADERS = [
    (header("3", "4"), NO_SIZE), (header("3,", "2, 2"), NO_SIZE), (header("3", "9" * 18), NO_SIZE),
    (header("f8", "f4"), NO_SIZE), (header("'<f8'", "'|b1'", bytes(4)), NO_SIZE), (header("3", "9" * 30), NO_ARRAY),
    (header("3,", f"{2**62}, {2**62}, 0", b""), "too big"), (header("3,", "1, " * 64 + "3"), "dim"),
    (header("3,", "9" * 19 + ", 0", b""), "Maximum allowed dimension|too big|too large"),
    (header("3,", "-3,"), NO_ARRAY), (header("<f8", "|O"), NO_ARRAY), (header("<f8", "<f3"), "f3"),
    (header("'<f8'", "[('a', '<f8')]"), NO_ARRAY), (header("False", "0"), NO_ARRAY), (header("}", "}}"), NO_ARRAY),
    (header(PLAIN, "(" * 60_000), NO_ARRAY), (header(PLAIN, "\xff"), NO_ARRAY),
    (header("", "", b"", b"\2\0"), NO_ARRAY),
    (file(array0=b""), NO_ARRAY), (file(array0=b"\x93NUMPY\1\0\xff\xff{'descr'"), NO_ARRAY),
    (file(array0=npy(np.array([Bomb()]), True)), NO_ARRAY), (file(tree=npy(np.zeros(9))), ""),
]
TREES = [
    (file(text=b" "), "value"), (file(text="[]"), "no format"), (file(text='{"tree": 1}'), "no format"),
    (file(text='{"format": "numoptim-states-2", "tree": 1}'), "its format is 'numoptim-states-2', expected 'numoptim"),
    (file(text=f'{{"format": "{"x" * 10**6}", "tree": 1}}'), "its format is 'xxx"), (file(text=GOOD), "decode"),
    (file(text=b'{"format": "\xff", "tree": 1}'), "decode"), (file(text="{}".encode("utf-16")), "decode"),
    (alone("[" * 100_000 + "]" * 100_000), "nested|recursion"),
    (alone('{"list": [' * 102 + "]}" * 102), "nested more than 100 deep"),
    (alone('{"list": [' * 150_000), "recursion|value"), (alone("9" * 5000), "4300"),
    (alone('{"array": 1}'), "1.npy"), (alone('{"array": "tree"}'), "tree.npy"),
    (alone('{"array": "../x"}'), "x.npy"), (alone('{"array": []}'), "npy"),
    (alone("1.5"), "1.5"), (alone("NaN"), "NaN"), (alone("-Infinity"), "Infinity"), (alone("[]"), ""),
    (alone("{}"), ""),
    (alone('{"float": 1}'), ""), (alone('{"float": "x"}'), "float"), (alone('{"float": "0x1p99999"}'), "large"),
    (alone('{"list": 3}'), "list"), (alone('{"list": "ab"}'), "'list'"), (alone('{"set": [1]}'), "'set'"),
    (alone('{"list": [], "tuple": []}'), ""), (alone('{"dict": [["a"]]}'), ""),
    (alone('{"dict": {"ab": 1}}'), "'dict'"),
    (alone('{"dict": [["a", 1], ["a", 2]]}'), "twice"), (alone('{"dict": [[{"list": []}, 1]]}'), "hash"),
    (alone('{"dict": [["a", 1], "cd"]}'), "'dict'"),
    (alone('{"scalar": "array0"}'), "array0"), (alone('{"scalar": 1}'), "1"),
    (file('{"scalar": "array0"}', array1=None), r"a number of shape \(3,\)"),
    (file('{"dict": [[{"scalar": "array0"}, 1]]}'), "array0"),
    (alone('{"dict": 1}'), "'dict'"),
]


def test_the_files_made_here_are_good_ones():
    assert same(whole(io.BytesIO(GOOD)), [np.arange(3.0), np.ones(2)])
    assert same(whole(io.BytesIO(header("", ""))), [np.zeros(3), np.ones(2)])
    assert whole(io.BytesIO(alone('{"dict": [["a", 1]]}'))) == {"a": 1}


@pytest.mark.parametrize("content, message", [
    *(pytest.param(*case, id=f"archive{i}") for i, case in enumerate(ARCHIVES)),
    *(pytest.param(*case, id=f"header{i}") for i, case in enumerate(HEADERS)),
    *(pytest.param(*case, id=f"tree{i}") for i, case in enumerate(TREES)),
])
def test_each_kind_of_damage_is_refused(tmp_path, content, message):
    path = tmp_path / "it"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(checkpoint.Damaged) as error:
            whole(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20 + 50 * len(content)
    finally:
        tracemalloc.stop()
    match = re.fullmatch(rf"{path}: not a file of optimizer states, or damaged \((.*)\)", str(error.value), re.DOTALL)
    assert match and re.search(message, match[1]) and len(match[1]) <= 300


def test_damage_is_found_while_reading_too():
    content = saved([np.arange(1000.0), np.ones(2)])
    content = content.replace(np.float64(2.0).tobytes(), np.float64(3.0).tobytes())
    for read in (lambda stored: stored.read(), lambda stored: stored.read_into(np.zeros(1000))):
        with checkpoint.reading(io.BytesIO(content)) as tree:
            assert tree[1].read().tolist() == [1, 1]
            with pytest.raises(checkpoint.Damaged, match=r"<BytesIO>: not a file of optimizer states, .*CRC-32"):
                read(tree[0])


def test_a_file_cut_while_it_is_read(tmp_path):
    checkpoint.save(tmp_path / "it", np.arange(100_000))
    with checkpoint.reading(tmp_path / "it") as stored:
        (tmp_path / "it").open("r+b").truncate(5000)
        with pytest.raises(checkpoint.Damaged):
            stored.read()


TREE = {"optimizer": "adam", "shapes": [("a", (2, 3)), ("b", (4,))], "rate": 0.1, "hyper": {"wd": -0.0, "n": None},
        "slots": {"m": np.arange(10.0), "v": np.ones((2, 5), np.float32)}, 7: (True, "x", np.float32(0.1))}


class Interrupted(io.BytesIO):
    """A file while whose reading the handler of a signal raises."""

    def __init__(self, content, reads, error):
        super().__init__(content)
        self.reads, self.error = reads, error

    def read(self, size=-1):
        self.reads -= 1
        if self.reads < 0:
            raise self.error("too slow")
        return super().read(size)


@pytest.mark.parametrize("kind", [Exception, ValueError, RuntimeError])
def test_what_a_signal_s_handler_raises_is_no_damage(kind):
    class TooSlow(kind):
        pass

    content, reads = saved(TREE), 0
    while True:
        try:
            assert same(whole(Interrupted(content, reads, TooSlow)), TREE)
            break
        except TooSlow:
            reads += 1
    assert reads > 10
