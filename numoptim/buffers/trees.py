"""Nested dicts and lists of arrays as one mapping of names."""
from collections.abc import Mapping
from typing import Any

import numpy as np


def flattened(tree: Any, what: str) -> Mapping[str, Any]:
    """The arrays of nested mappings, lists and tuples by names joined with ".", items of lists by their position.

    ``{"layers": [{"w": a}, {"w": b}]}`` is ``{"layers.0.w": a, "layers.1.w": b}``. A list of numbers, or of lists of
    them, is an array itself; empty mappings and lists hold nothing. Raises TypeError for another tree and for names
    that are not strings, ValueError where two have one name or the tree does not end; messages begin with ``what``.
    """
    if not isinstance(tree, Mapping):
        raise TypeError(f"{what} is {type(tree).__name__}; expected a mapping of names to arrays")
    try:
        if all(isinstance(name, str) and not _is_branch(x) for name, x in tree.items()):
            return tree
        flat: dict[str, Any] = {}
        _visit(tree, "", flat, what)
    except RecursionError:
        raise ValueError(f"{what}: mappings and lists are nested too deeply, or contain themselves") from None
    return flat


def _is_branch(x: Any) -> bool:
    if isinstance(x, np.ndarray):                   # quick to tell
        return False
    return _holds_arrays(x) or _is_empty(x)


def _holds_arrays(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(_holds_arrays(item) or (hasattr(item, "shape") and not isinstance(item, np.generic)) for item in x)
    return isinstance(x, Mapping)


def _is_empty(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and all(map(_is_empty, x))


def _visit(branch: Any, prefix: str, flat: dict[str, Any], what: str) -> None:
    items = branch.items() if isinstance(branch, Mapping) else ((str(k), x) for k, x in enumerate(branch))
    for key, x in items:
        if not isinstance(key, str):
            raise TypeError(f"{what}: the name {key!r} is not a string")
        name = prefix + key
        if _is_branch(x):
            _visit(x, f"{name}.", flat, what)
        elif name in flat:
            raise ValueError(f"{what}: two arrays have the name {name!r}")
        else:
            flat[name] = x
