"""Trees of plain values and arrays as JSON text. What JSON has no type for is {"<type>": value}."""
import json
from collections.abc import Callable
from typing import Any

import numpy as np

from numoptim.native.arrays import Array

FORMAT = "numoptim-states-1"
DEPTH = 100                                     # far more than states need, less than every Python can parse
BITS = 4096                                     # of an int, likewise
NUMBERS = "biufc"                               # kinds of NumPy's dtypes


def encode(tree: Any) -> tuple[str, dict[str, Array]]:
    """``tree`` as text, and its arrays by the names that the text has for them. TypeError for what cannot be saved."""
    arrays: dict[str, Array] = {}
    return json.dumps({"format": FORMAT, "tree": _encode(tree, arrays, 0)}), arrays


def _encode(tree: Any, arrays: dict[str, Array] | None, depth: int) -> Any:
    """JSON for ``tree``; arrays go to ``arrays``, which is None in a dict's key."""
    if depth > DEPTH:
        raise TypeError(f"cannot save what is nested more than {DEPTH} deep, or contains itself")
    if isinstance(tree, np.generic) and tree.dtype.kind in NUMBERS:
        if arrays is not None:                  # as what it is: its type decides those of results
            return {"scalar": _added(np.asarray(tree), arrays)}
        tree = tree.item()                      # equal to it, and hashed equally
    if isinstance(tree, float):
        return {"float": float.hex(tree)}
    if isinstance(tree, int) and tree.bit_length() > BITS:
        raise TypeError(f"cannot save an int of {tree.bit_length()} bits: {BITS} are the most")
    if tree is None or isinstance(tree, (bool, int, str)):
        return tree
    if isinstance(tree, np.generic):
        tree = np.asarray(tree)
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [_encode(item, arrays, depth + 1) for item in tree]}
    if arrays is not None and type(tree) in (np.ndarray, np.memmap) and tree.dtype.kind in NUMBERS:
        return {"array": _added(tree, arrays)}
    if arrays is not None and type(tree) is dict:
        return {"dict": [[_encode(key, None, depth + 1), _encode(value, arrays, depth + 1)]
                         for key, value in tree.items()]}
    what = f"array of {tree.dtype}" if type(tree) is np.ndarray else type(tree).__name__
    raise TypeError(f"cannot save {what}{' in a key' if arrays is None else ''}: states are None, numbers, strings, "
                    "arrays of numbers, and tuples, lists, dicts of them")


def _added(array: Array, arrays: dict[str, Array]) -> str:
    """The name that an array gets among others."""
    key = f"array{len(arrays)}"
    arrays[key] = array
    return key


def decode(text: str, take: Callable[[str], Any]) -> Any:
    """The tree of ``encode``'s text; arrays are what ``take`` returns for their names. Raises for any other text."""
    content = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
    if not isinstance(content, dict) or content.keys() != {"format", "tree"}:
        raise ValueError("its tree has no format")
    if content["format"] != FORMAT:
        raise ValueError(f"its format is {content['format']!r}, expected {FORMAT!r}")
    return _decode(content["tree"], take, 0)


def _decode(code: Any, take: Callable[[str], Any], depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError(f"its tree is nested more than {DEPTH} deep")
    if code is None or isinstance(code, (bool, int, str)):
        return code
    (kind, value), = code.items()
    if kind == "float":
        return float.fromhex(value)
    if kind == "array":
        return take(value)
    if kind == "scalar":
        array: Array = take(value).read()
        if array.shape:
            raise ValueError(f"its tree has a number of shape {array.shape}")
        return array[()]
    if kind not in ("list", "tuple", "dict") or not isinstance(value, list):
        raise ValueError(f"its tree has a {kind!r} that is none")
    if kind != "dict":
        items = [_decode(item, take, depth + 1) for item in value]
        return tuple(items) if kind == "tuple" else items
    if not all(isinstance(pair, list) for pair in value):
        raise ValueError("its tree has a 'dict' that is none")
    tree = {_decode(key, _refuse, depth + 1): _decode(item, take, depth + 1) for key, item in value}
    if len(tree) < len(value):
        raise ValueError("a key of its tree is there twice")
    return tree


def _refuse(text: str) -> Any:
    raise ValueError(f"its tree has {text!r} where that cannot be")
