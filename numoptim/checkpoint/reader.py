"""Reading a file of arrays and plain values, which may be damaged or of another kind."""
import errno
import io
import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import IO, Any

import numpy as np

from numoptim.native.arrays import Array

from .files import File, is_path, label, regular
from .tree import decode

CHUNK = 1 << 20                                 # bytes read at once
LOCAL = 30                                      # bytes before each member, its name apart
END = 22                                        # bytes that end an archive
HEADER = re.compile(rb"\{'descr': '([<>|][biufc]\d{1,2})', 'fortran_order': (False|True), "
                    rb"'shape': \(((?:\d{1,19}, )*\d{1,19},?|)\), \} *\n")
# What zipfile, NumPy, json and the code here raise for damaged bytes, and no class derived from these.
DAMAGE = (zipfile.BadZipFile, json.JSONDecodeError, UnicodeDecodeError, UnicodeEncodeError, struct.error, EOFError,
          ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError, RuntimeError,
          NotImplementedError)
# How files that are often taken for states begin.
OTHERS = (
    (rb"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19\.", "a file of torch.save, which is a pickle"),
    (rb"\x80[\x02-\x05]", "a pickle of Python, as MXNet's save_states writes, and pickles are never opened"),
    (rb"\x12\x01\0\0\0\0\0\0", "a file of MXNet's parameters"),
    (rb"\x93NUMPY", "a NumPy .npy"),
    (rb"\x89HDF\r\n", "an HDF5 file"),
    (rb"\x1f\x8b", "a gzip file"),
    (rb".{6}\0\0\{\"", "a safetensors file"),
)


@contextmanager
def reading(path: File) -> Iterator[Any]:
    """The tree that ``save`` wrote, in which every array is a ``Stored``, to be read while the block lasts.

    path: a regular file; or a binary file object that can seek, read from its present position to its end, which
    stays open, at no certain position. Raises Damaged, a ValueError, for a file that is damaged or of another kind,
    here or when an array is read; that takes no more memory than the file has bytes, a small factor for its tree apart.
    """
    with _opened(path) as file:
        source = _Source(file, label(path))
        try:
            yield source.tree()
        finally:
            source.close()


def loaded(tree: Any) -> Any:
    """``tree`` of ``reading`` with every Stored read."""
    if isinstance(tree, Stored):
        return tree.read()
    if isinstance(tree, dict):
        return {key: loaded(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map(loaded, tree))
    return tree


class Damaged(ValueError):
    """A file is no file of optimizer states, or not as it was written."""


class Stored:
    """An array in a file that is being read: ``shape`` and ``dtype`` are known, the data is read when asked for."""

    def __init__(self, source: "_Source", info: zipfile.ZipInfo) -> None:
        with source.open(info) as member:
            start = member.read(10)             # of format 1.0, which is enough for arrays of numbers
            header = member.read(int.from_bytes(start[8:], "little"))
        match = HEADER.fullmatch(header)
        if start[:8] != b"\x93NUMPY\x01\x00" or not match:
            raise ValueError(f"{info.filename} is no array of numbers")
        self._source, self._info, self._start = source, info, len(start + header)
        self._fortran = match[2] == b"True"
        self.dtype = np.dtype(match[1].decode())
        self.shape = tuple(int(n) for n in match[3].split(b",") if n)
        if info.file_size - self._start != math.prod(self.shape) * self.dtype.itemsize:
            raise ValueError(f"{info.filename} has not the size of {self.dtype} {self.shape}")

    def read(self) -> Array:
        """A new array of the data. Raises Damaged."""
        with self._source.damage():
            array = np.empty(self.shape, self.dtype, "F" if self._fortran else "C")
        self._fill(array.T if self._fortran else array)
        return array

    def read_into(self, buffer: Array) -> None:
        """Read the data into a writable C-contiguous array of this shape and dtype.

        ValueError for another array. Raises Damaged, and then the buffer's content is undefined.
        """
        if buffer.dtype != self.dtype or buffer.shape != self.shape:
            raise ValueError(f"the buffer is {buffer.dtype} {buffer.shape}; expected {self.dtype} {self.shape}")
        if not buffer.flags.c_contiguous or not buffer.flags.writeable:
            raise ValueError("the buffer is read-only or not C-contiguous")
        if self._fortran:
            buffer[...] = self.read()
        else:
            self._fill(buffer)

    def _fill(self, array: Array) -> None:
        data = array.reshape(-1).view(np.uint8)
        with self._source.open(self._info) as member:
            member.read(self._start)
            for at in range(0, data.size, CHUNK):
                chunk = data[at:at + CHUNK]
                if member.readinto(chunk.data) != chunk.size:           # with the last byte the checksum is compared
                    raise ValueError(f"{self._info.filename} is cut short")


class _Source:
    """An archive that ``save`` should have written. Whatever fails in reading it is its own fault."""

    def __init__(self, file: Any, name: str) -> None:
        self._name = name
        with self.damage():
            window = _Window(file)
            _check_kind(window)
            self._archive = zipfile.ZipFile(window)
            self._members = _members(self._archive, window.size)

    def tree(self) -> Any:
        with self.damage():
            text = self._take("tree").read().tobytes().decode()
            tree = decode(text, self._take)
            if self._members:
                raise ValueError(f"its tree does not know the member {min(self._members)}")
        return tree

    def _take(self, name: str) -> Stored:
        return Stored(self, self._members.pop(f"{name}.npy"))

    @contextmanager
    def open(self, info: zipfile.ZipInfo) -> Iterator[Any]:
        """A member, as a file."""
        if self._archive.fp is None:
            raise ValueError(f"{self._name}: arrays are read within the block of checkpoint.reading")
        with self.damage(), self._archive.open(info) as member:
            yield member

    @contextmanager
    def damage(self) -> Iterator[None]:
        try:
            yield
        except DAMAGE as error:
            if type(error) not in DAMAGE:       # of the program around: a signal's handler may raise what it will
                raise
            reason = str(error)[:300]
            raise Damaged(f"{self._name}: not a file of optimizer states, or damaged ({reason})") from error

    def close(self) -> None:
        self._archive.close()


class _Window:
    """A file object from its present position to its end, never asked for more bytes than it has."""

    def __init__(self, file: Any) -> None:
        self._file, self._start, self._at = file, file.tell(), 0
        file.seek(0, os.SEEK_END)
        self.size = file.tell() - self._start

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        at = offset + (0, self._at, self.size)[whence]
        if not 0 <= at <= self.size:
            raise ValueError("it ends too early")
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        left = self.size - self._at
        size = left if size < 0 else min(size, left)
        self._file.seek(self._start + self._at)
        data: bytes = self._file.read(size)
        while len(data) < size and (more := self._file.read(size - len(data))):      # a raw file may return less
            data += more
        self._at += len(data)
        return data


def _opened(path: File) -> AbstractContextManager[IO[bytes]]:
    if is_path(path):
        regular(path)
        return open(path, "rb")
    if not all(hasattr(path, name) for name in ("read", "seek", "tell")) or isinstance(path, io.TextIOBase):
        raise TypeError(f"path is {type(path).__name__}; expected a path or a file object open for reading bytes")
    if hasattr(path, "seekable") and not path.seekable():
        raise io.UnsupportedOperation(errno.ESPIPE, "states are read from a file that can seek", label(path))
    return nullcontext(path)                    # type: ignore[arg-type]


def _check_kind(window: _Window) -> None:
    """ValueError for what does not begin and end as an archive does."""
    start = window.read(64)
    for pattern, kind in OTHERS:
        if re.match(pattern, start, re.DOTALL):
            raise ValueError(f"it is {kind}")
    if not start.startswith(b"PK\x03\x04"):
        raise ValueError("it does not begin as one" if start else "it is empty")
    window.seek(-END, os.SEEK_END)
    if not window.read(END).startswith(b"PK\x05\x06"):
        raise ValueError("it is cut short, or something follows it")


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """What an archive of ``size`` bytes has, by name; ValueError unless ``save`` could have written it."""
    names = archive.namelist()
    if any(name.split("/")[-1] == "data.pkl" for name in names):
        raise ValueError("it is a file of torch.save, which is a pickle")
    if "tree.npy" not in names:
        kind = "a NumPy .npz" if all(name.endswith(".npy") for name in names) else "a zip archive"
        raise ValueError(f"it is {kind} without optimizer states")
    end, members = 0, dict[str, zipfile.ZipInfo]()
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise ValueError(f"{info.filename} is compressed or encrypted")
        if info.filename in members or info.header_offset < end:
            raise ValueError(f"{info.filename} is there twice, or overlaps another member")
        if not members and info.header_offset > 0:
            raise ValueError("something precedes it")
        end = info.header_offset + LOCAL + len(info.filename) + info.file_size
        members[info.filename] = info
    if end > size:
        raise ValueError("its members would take more bytes than it has")
    return members
