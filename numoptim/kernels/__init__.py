"""Compiled loops over flat buffers, one set per rule and element type.

``kernel`` and ``hyper`` are for callers who are jitted themselves; ``over_pointers`` has the C ABI.
"""
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from numoptim import display
from numoptim.hints import instead
from numoptim.hyperparameters import Interval, checked, nearest
from numoptim.rule import Rule
from numoptim.rules import RULES

from . import text
from .compile import FLOAT, OPTIONS
from .text import BLOCK, FROZEN, STATUS, hyper_dtype, least_rate, phases

__all__ = ["BLOCK", "FROZEN", "STATUS", "hyper", "hyper_dtype", "kernel", "least_rate", "misfit", "named",
           "over_arrays", "over_pointers", "phases"]


@functools.cache
def over_pointers(rule: Rule, dtype: str, entry: str = "entry_range") -> Any:
    """A Numba CFunc of the C ABI; its ``address`` can be called from anywhere, without the GIL.

    The entries, where T is float ("f32") or double ("f64"), buffers are ``T *w, const T *g, T *slot...``,
    and each returns 0 or a key of STATUS, having written nothing then:

    entry         (int64 size, buffers, const H *h, int64 t); layer-wise rules: (int64 k, const int64 *offsets, ...)
    entry_range   (int64 lo, int64 n, int64 k, const int64 *offsets, const int64 *which, int64 groups, const H *h,
                  [const double *norms,] buffers, int64 t): elements lo ... lo + n - 1 of a flat buffer of k segments,
                  segment s being [offsets[s], offsets[s + 1]) with hyper-parameters h[which[s]], or left as it is
                  where which[s] is FROZEN; the buffers passed begin at element lo, norms at the first block of
                  the flat buffer
    entry_norms   (as entry_range of a layer-wise rule): writes the partial norms of the 4,096-element blocks that begin
                  in the range to norms[2*(offsets[s]/4096 + s + block)]; w, g and slots must reach to their ends
    entry_init    (int64 size, const T *w, T *slot..., const H *h): the slots of a rule that has ``init``
    plan_range, plan_norms, plan_init (const int64 *words, int64 t): the same with the arguments in a plan
    """
    from numba import cfunc
    return cfunc(signature(rule, dtype, entry), **OPTIONS)(text.functions(rule, dtype)[entry])


def signature(rule: Rule, dtype: str, entry: str) -> Any:
    """Numba's signature of a C-ABI entry."""
    from numba import from_dtype, types
    pointer = types.CPointer(from_dtype(FLOAT[dtype]))
    table = types.CPointer(types.int64)
    size, record, slots = types.int64, from_dtype(hyper_dtype(rule)), [pointer] * len(rule.slots)
    buffers = [pointer, pointer, *slots]
    norms = [types.CPointer(types.float64)] if rule.layerwise else []
    arguments = {
        "entry": [size, *([table] if rule.layerwise else []), *buffers, record, types.int64],
        "entry_range": [size, size, size, table, table, size, record, *norms, *buffers, types.int64],
        "entry_norms": [size, size, size, table, table, size, record, *norms, *buffers, types.int64],
        "entry_init": [size, pointer, *slots, record],
    }.get(entry, [table, types.int64])
    return types.int32(*arguments)


@functools.cache
def over_arrays(rule: Rule, dtype: str) -> Any:
    """``kernel`` of a Rule, for "f32" or "f64"."""
    from numba import njit
    function = text.functions(rule, dtype)["entry_arrays"]
    arguments = [*(["offsets"] if rule.layerwise else []), "w", "g", *rule.slots, "hyper", "t"]
    function.__name__ = f"{rule.name}_{dtype}"
    function.__qualname__ = f"kernel({rule.name!r}, {FLOAT[dtype]})({', '.join(arguments)})"       # its repr
    return njit(**OPTIONS)(function)


class Record(np.void):    # type: ignore[misc]
    """Hyper-parameters that show their names."""

    def __repr__(self) -> str:
        return display.call("hyper", {key: self[key].item() for key in self.dtype.names or ()})


@functools.cache                               # of one object Numba knows the type at once
def record_dtype(rule: Rule) -> "np.dtype[Any]":
    """``hyper_dtype``, of records that show their names."""
    return np.dtype((Record, hyper_dtype(rule)))


def kernel(rule: Rule | str, dtype: npt.DTypeLike = np.float32) -> Any:
    """One update as an ``@njit`` function over arrays, to be called from jitted code (or from Python).

    ``f(w, g, *slots, hyper, t)``, for layer-wise rules ``f(offsets, w, g, *slots, hyper, t)``: contiguous
    one-dimensional arrays of ``dtype`` (float32 or float64) and one size, slots in the order of the rule's
    ``slots``; ``hyper`` from ``numoptim.hyper``; t = 1, 2, ...; segment k of a layer-wise rule is
    ``offsets[k]:offsets[k + 1]``, int64. Changes w and the slots in place. Raises ValueError for
    differing sizes, t < 1, hyper-parameters out of range (``misfit``) and bad offsets, having written nothing.

    rule: a Rule, or the name of a built-in one ("adam", "sgd_momentum", "rmsprop_centered" ...).
    """
    scalar = np.dtype(dtype)
    if scalar not in (np.float32, np.float64):
        raise TypeError(f"dtype {scalar}: kernels exist for float32 and float64")
    return over_arrays(named(rule), f"f{8 * scalar.itemsize}")


def hyper(rule: Rule | str, **values: float | None) -> Any:
    """Hyper-parameters of a rule as a record for ``numoptim.kernel``; ``record["learning_rate"] = x`` changes one.

    Inside ``prange`` take it from an array, ``hypers = np.array([hyper(...)])``: Numba hands no record to its threads.

    Raises TypeError for an unknown keyword, ValueError for a value out of range.
    """
    rule = named(rule)
    record = np.zeros(1, record_dtype(rule))
    for key in values:
        if key not in rule.fields:
            raise TypeError(f"{rule.name} has no hyper-parameter {key!r}{instead(key, list(rule.fields))}")
    for key, (default, interval) in rule.fields.items():
        record[key] = checked(key, values[key], default, interval) if key in values else default
    return record[0]


def misfit(rule: Rule, record: Any, dtype: npt.DTypeLike) -> str:
    """Which hyper-parameter of a record kernels of ``dtype`` refuse, in words; "" where they take them all.

    They want floats in their interval also when rounded to the element type (Interval). Names the first one.
    """
    scalar: Any = np.dtype(dtype)
    for key, (default, interval) in rule.fields.items():
        value, accepted = record[key].item(), Interval.parse(interval)
        with np.errstate(all="ignore"):
            rounded, low, high = (x if isinstance(default, int) else float(scalar.type(x))
                                  for x in (value, accepted.low, accepted.high))
        if value not in accepted or rounded not in accepted._replace(low=low, high=high, or_zero=value == 0):
            known = f" ({rounded} in {scalar.name})" if value in accepted else ""
            return f"{key}={value}{known} is out of range: expected {interval}"
    return ""


def named(rule: Rule | str) -> Rule:
    """A Rule, or the built-in one of that name; ValueError for a name that none has."""
    if isinstance(rule, Rule):
        return rule
    known = {r.name: r for r in RULES}
    if rule not in known:
        raise ValueError(f"unknown rule {rule!r}{nearest(str(rule), known)}")
    return known[rule]
