"""Compiled loops over flat buffers, one set per rule and element type.

``kernel`` and ``hyper`` are for callers who are jitted themselves; ``over_plans`` has the C ABI.
"""
import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from numoptim.face import display
from numoptim.face.hints import instead
from numoptim.face.names import nearest
from numoptim.rule import Rule
from numoptim.rule.hyperparameters import Interval, checked
from numoptim.rules import RULES

from . import abi
from .abi import BLOCK, FLOAT, FROZEN, HYPER, STATUS, STEP, hyper_dtype, least_rate, phases

__all__ = ["BLOCK", "FROZEN", "STATUS", "hyper", "hyper_dtype", "kernel", "least_rate", "misfit", "named",
           "over_arrays", "over_plans", "phases"]


@functools.cache
def over_plans(rule: Rule, dtype: str, phase: str) -> Any:
    """A Numba CFunc ``int32 (const plan *, int64 t)`` for "f32" or "f64"; its ``address`` can be called from anywhere.

    phase: one of abi.kernel_phases, what the functions of the C library's descriptors do; "whole": of a buffer with one
    set of hyper-parameters, without groups or norms. It returns 0, or a key of STATUS and has written nothing then.
    """
    from numba import cfunc, from_dtype, types

    from .compile import OPTIONS
    signature = types.int32(from_dtype(abi.PLAN_DTYPE), types.int64)
    return cfunc(signature, **OPTIONS)(_checked(rule, dtype, phase))


def _checked(rule: Rule, dtype: str, phase: str) -> Any:
    """A kernel that checks its plan before."""
    from numba import from_dtype, int64, types

    from . import check, intrinsics, loops
    from .compile import inline
    kernels, checked = loops.kernels(rule, dtype), check.checker()
    run = inline(kernels["range" if phase == "whole" and phase not in kernels else phase])
    table, needed = abi.bounds(rule, dtype, phase), abi.phase(rule, phase).needed
    address, fields = table.ctypes.data, len(table)
    _alive.append(table)
    bounds_at, table_at = (intrinsics.at_address(kind) for kind in (from_dtype(abi.BOUND), types.CPointer(int64)))
    counts_segments = phase == "whole" and rule.layerwise

    def entry(plan, t):
        status = checked(plan, t, bounds_at(address), fields, needed)
        if status != 0 or plan.count == 0:
            return status
        if counts_segments:
            plan.count = table_at(plan.offsets)[plan.segments]
        return run(plan, t) if plan.count != 0 else 0
    return entry


_alive: list[Any] = []              # what compiled code has addresses of


@functools.cache
def over_arrays(rule: Rule, dtype: str) -> Any:
    """``kernel`` of a Rule, for "f32" or "f64"."""
    from numba import float64, from_dtype, int64, njit, types

    from . import arrays, intrinsics
    from .check import BUFFERS_AT
    from .compile import OPTIONS, inline
    layers, count = int(rule.layerwise), 2 + len(rule.slots)
    between, scoped = slice(layers, -2), abi.places(rule, "segment", "all")
    names = [*["offsets"] * layers, "w", "g", *rule.slots, "hyper", "t"]
    plan_type, table_at = from_dtype(abi.PLAN_DTYPE), intrinsics.at_address(types.CPointer(int64))
    stack_plan, plan_at = arrays.stack_record(plan_type), intrinsics.address_of(plan_type)
    hyper_at = intrinsics.address_of(from_dtype(hyper_dtype(rule)))
    offsets_at, stack_offsets = arrays.data(int64, written=False), intrinsics.stack(int64, 2)
    number, pointer_at = from_dtype(FLOAT[dtype]), arrays.pointer_address
    addresses = intrinsics.each([_of(k, arrays.data(float64 if k in scoped else number, written=k != 1))
                                 for k in range(count)])
    of_elements, of_segments, of_all = (
        _of_size(places) for places in ([0, 1, *abi.places(rule, "element")], abi.places(rule, "segment"),
                                        abi.places(rule, "all")))
    enough = arrays.counted(len(names), f"{rule.name}'s kernel takes ({', '.join(names)})")
    run = inline(_checked(rule, dtype, "whole"))

    def update(*given):
        enough(given)
        buffers, hyper, t, plan = given[between], given[-2], np.int64(given[-1]), stack_plan()
        found, size = addresses(buffers), len(buffers[0])
        if not of_elements(buffers, size):
            raise ValueError("numoptim: weights, gradient and slots differ in size")
        places = table_at(plan_at(plan) + BUFFERS_AT)
        for k, address in enumerate(found):
            places[k] = address
        if layers:
            offsets = given[0]
            if len(offsets) == 0 or offsets[-1] > size:
                raise ValueError("numoptim: offsets reach beyond the weights")
            plan.count = plan.segments = len(offsets) - 1
            plan.offsets = offsets_at(offsets)
        else:
            table = stack_offsets()
            table[0], table[1] = 0, size
            plan.count, plan.segments, plan.offsets = size, 1, pointer_at(table)
        if not (of_segments(buffers, plan.segments) and of_all(buffers, 1)):
            raise ValueError("numoptim: a slot over segments has a number for each, and one over all has one")
        plan.hyper = hyper_at(hyper)
        status = run(plan, t)
        if status == HYPER:
            raise ValueError("numoptim: a hyper-parameter is NaN or out of range")
        if status == STEP:
            raise ValueError("numoptim: steps count from t = 1")
        if status != 0:
            raise ValueError("numoptim: offsets decrease or are negative")

    update.__name__ = f"{rule.name}_{dtype}"
    update.__qualname__ = f"kernel({rule.name!r}, {FLOAT[dtype]})({', '.join(names)})"       # its repr
    return njit(**OPTIONS)(update)


def _of(k: int, function: Any) -> Any:
    """A function of the k-th of some arrays."""
    from .compile import inline

    def value(arrays):
        return function(arrays[k])
    return inline(value)


def _of_size(places: list[int]) -> Any:
    """``f(arrays, size)``: whether those at these places have that."""
    from . import intrinsics
    from .compile import inline
    if not places:
        return inline(lambda arrays, size: True)
    sizes = intrinsics.each([_of(k, len) for k in places])

    def of_size(arrays, size):
        fits = True
        for each in sizes(arrays):
            fits = fits and each == size
        return fits
    return inline(of_size)


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
    ``slots`` (those over segments, or over all, float64, with one number for each, or one); ``hyper`` from
    ``numoptim.hyper``; t = 1, 2, ...; segment k of a layer-wise rule is ``offsets[k]:offsets[k + 1]``, int64. Changes
    w and the slots in place. Raises ValueError for differing sizes, t < 1, hyper-parameters out of range (``misfit``)
    and bad offsets, having written nothing.

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
