"""Compiled loops over flat buffers, one set per rule and element type.

``over_arrays`` is for callers who are jitted themselves; ``over_pointers`` has the C ABI.
"""
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from numoptim.rule import Rule

from . import text
from .compile import OPTIONS
from .text import BLOCK, STATUS

__all__ = ["BLOCK", "STATUS", "hyper_dtype", "over_arrays", "over_pointers"]


@functools.cache
def hyper_dtype(rule: Rule) -> np.dtype[Any]:
    """Layout of a rule's C struct: float64 and int64 fields in the order of ``rule.fields``."""
    return np.dtype([(key, "i8" if isinstance(default, int) else "f8") for key, (default, _) in rule.fields.items()], align=True)


@functools.cache
def over_pointers(rule: Rule, dtype: str, entry: str = "entry_range") -> Any:
    """A Numba CFunc of the C ABI; its ``address`` can be called from anywhere, without the GIL.

    The entries, where T is float ("f32") or double ("f64"), buffers are ``T *w, const T *g, T *slot...``,
    and each returns 0 or a key of STATUS, having written nothing then:

    entry         (int64 size, buffers, const H *h, int64 t); layer-wise rules: (int64 k, const int64 *offsets, ...)
    entry_range   (int64 lo, int64 n, int64 k, const int64 *offsets, const int64 *which, int64 groups, const H *h,
                  [const double *norms,] buffers, int64 t): elements lo ... lo + n - 1 of a flat buffer of k segments,
                  segment s being [offsets[s], offsets[s + 1]) with hyper-parameters h[which[s]]; the buffers
                  passed begin at element lo, norms at the first block of the flat buffer
    entry_norms   (... as entry_range, double *norms): the partial norms of the 4,096-element blocks that begin
                  in the range, at norms[2*(offsets[s]/4096 + s + block)]; w, g and slots must reach to their ends
    entry_init    (int64 size, const T *w, T *slot..., const H *h): the slots of a rule that has ``init``
    """
    from numba import cfunc, from_dtype, types
    pointer = types.CPointer(from_dtype(text.FLOAT[dtype]))
    table = types.CPointer(types.int64)
    size, record, slots = types.int64, from_dtype(hyper_dtype(rule)), [pointer] * len(rule.slots)
    buffers = [pointer, pointer, *slots]
    norms = [types.CPointer(types.float64)] if rule.layerwise else []
    arguments = {
        "entry": [size, *([table] if rule.layerwise else []), *buffers, record, types.int64],
        "entry_range": [size, size, size, table, table, size, record, *norms, *buffers, types.int64],
        "entry_norms": [size, size, size, table, table, size, record, *norms, *buffers, types.int64],
        "entry_init": [size, pointer, *slots, record],
    }[entry]
    return cfunc(types.int32(*arguments), **OPTIONS)(text.functions(rule, dtype)[entry])


@functools.cache
def over_arrays(rule: Rule, dtype: str) -> Any:
    """``kernel(w, g, *slots, hyper, t)`` for contiguous one-dimensional arrays, as an ``@njit`` function.

    Layer-wise rules take the int64 array of segment offsets before ``w``. ``hyper`` is a record of
    ``hyper_dtype(rule)``. Raises ValueError where sizes differ, t < 1 or a hyper-parameter is out of range.
    """
    from numba import njit
    return njit(**OPTIONS)(text.functions(rule, dtype)["entry_arrays"])
