"""Writing a file of arrays and plain values."""
import errno
import io
import zipfile
from typing import Any

import numpy as np

from numoptim.native.arrays import Array

from .files import File, is_path, replacing
from .tree import encode


def save(path: File, tree: Any) -> None:
    """Write ``tree``: None, numbers, strings, arrays of numbers, and lists, tuples, dicts of them.

    path: a regular file, replaced when the new one is complete; or a file object with ``write``, which gets the bytes
    from its present position on and stays open. Numbers and strings of subclasses come back as plain ones, NumPy's
    numbers as they are, or as plain ones in a dict's key. Raises TypeError for anything else, before a file is touched;
    OSError where it cannot be written, and then an older file is as it was.
    """
    text, arrays = encode(tree)
    members = {"tree": np.frombuffer(text.encode(), np.uint8), **arrays}
    if is_path(path):
        with replacing(path) as file:
            _write(file, members)
    elif hasattr(path, "write") and not isinstance(path, io.TextIOBase):
        _write(_Stream(path), members)
    else:
        raise TypeError(f"path is {type(path).__name__}; expected a path or a file object open for writing bytes")


def _write(file: Any, members: dict[str, Array]) -> None:
    archive = zipfile.ZipFile(file, "w")
    try:
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.close()
    finally:
        archive.fp = None                       # one that failed is not to be ended, now or when it is collected


class _Stream:
    """A file object of others as zipfile sees it: it begins here, it cannot seek, and it takes all of a write."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        size = len(data)
        while data:
            count = self._file.write(data)
            if count is None and not isinstance(self._file, io.RawIOBase):
                break                           # what writes all, and does not say so
            if not count:
                raise BlockingIOError(errno.EAGAIN, "the file takes no bytes now", None, size - len(data))
            data = data[count:]
        return size

    def flush(self) -> None:
        if hasattr(self._file, "flush"):
            self._file.flush()
