"""Files of arrays and plain values, without pickle: written whole or not at all, read whole or refused."""
import json
import os
import threading
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Array

FORMAT = "numoptim-states-1"
# What reading a broken archive, or archive of something else, may raise.
DAMAGE = (ValueError, TypeError, LookupError, AttributeError, EOFError, OSError, RuntimeError, zipfile.BadZipFile,
          zlib.error)


def save(path: str | os.PathLike[str], tree: Any) -> None:
    """Write ``tree``: dicts with string keys, lists, tuples, numbers, strings, None and arrays of numbers.

    The file is a NumPy .npz whose member "tree" is JSON. It replaces an older one only when complete.
    Raises TypeError for anything else in the tree, OSError where the file cannot be written.
    """
    arrays: dict[str, Array] = {}
    text = json.dumps({"format": FORMAT, "tree": _encode(tree, arrays)})
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f"{target.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, tree=np.frombuffer(text.encode(), np.uint8), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Any:
    """The tree that ``save`` wrote. ValueError for a file that is damaged or of another kind."""
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:      # np.load checks only what it reads, and only then
                if archive.testzip() is not None:
                    raise ValueError(f"checksum of {archive.testzip()}")
            file.seek(0)
            with np.load(file, allow_pickle=False) as members:
                content = json.loads(members["tree"].tobytes().decode())
                if content["format"] != FORMAT:
                    raise ValueError(f"its format is {content['format']!r}, expected {FORMAT!r}")
                return _decode(content["tree"], members)
        except DAMAGE as error:
            raise ValueError(f"{os.fspath(path)}: not a file of optimizer states, or damaged ({error})") from error


def _encode(tree: Any, arrays: dict[str, Array]) -> Any:
    """JSON for ``tree``; arrays go to ``arrays``. What JSON has no type for is {"<type>": value}."""
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    if isinstance(tree, float):
        return {"float": tree.hex()}
    if isinstance(tree, np.generic):
        tree = np.asarray(tree)
    if isinstance(tree, np.ndarray) and tree.dtype.kind in "biufc":
        key = f"array{len(arrays)}"
        arrays[key] = tree
        return {"array": key}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [_encode(item, arrays) for item in tree]}
    if isinstance(tree, dict):
        return {"dict": [[_encode(key, arrays), _encode(value, arrays)] for key, value in tree.items()]}
    raise TypeError(f"cannot save {type(tree).__name__}: states are None, numbers, strings, arrays, and "
                    "tuples, lists, dicts of them")


def _decode(code: Any, members: Any) -> Any:
    if not isinstance(code, dict):
        return code
    (kind, value), = code.items()
    if kind == "float":
        return float.fromhex(value)
    if kind == "array":
        return members[value]
    if kind == "dict":
        return {_decode(key, members): _decode(item, members) for key, item in value}
    items = [_decode(item, members) for item in value]
    return tuple(items) if kind == "tuple" else items
