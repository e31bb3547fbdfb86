"""Kernels by address, ahead of time or compiled in process, and the plan that calls one on flat buffers."""
import functools
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import kernels
from .aot import PACKAGE, digest
from .arrays import Array
from .rule import Rule
from .rules import RULES

SERIAL_BELOW = 32_768          # elements: under this, two threads take longer than one (measured)
ROUSING = 262_144              # elements that it pays to wake a thread for
PIECES_PER_THREAD = 4          # from there on, so that a thread that loses its core does not hold up the rest
FIXED = 8                      # words of a plan before its buffers


def processors() -> int:
    """How many this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def extension() -> Any:
    """``call(entry, plan, t)`` with addresses, and ``run(entry, plans, stride, jobs, t, threads)``, which calls with
    every plan; ``rules``: {Rule: {phase: (entry for float32, for float64)}}; ``isa``.

    From the package's compiled extension. Without one there are no rules, nor with one that was built from
    other sources than these, which a RuntimeWarning says.
    """
    try:
        from . import _native  # type: ignore[attr-defined]
    except ImportError:
        return _without_extension()
    ffi, lib = _native.ffi, _native.lib
    built = ffi.string(lib.numoptim_sources()).decode()
    rules = {}
    for k, rule in enumerate(RULES):
        descriptor = lib.numoptim_rule_at(k)
        rules[rule] = {phase: [int(ffi.cast("intptr_t", function)) for function in getattr(descriptor, phase)]
                       for phase in ("range", "norms", "init")}
    if built != digest():
        warnings.warn(f"{_native.__file__} was built from other sources (digest {built}) than the rules and kernels "
                      f"in {PACKAGE} (digest {digest()}): kernels are compiled in process until numoptim is installed "
                      "anew", RuntimeWarning, stacklevel=2)
        rules = {}
    return SimpleNamespace(call=lib.call, run=lib.run, rules=rules, isa=lib.numoptim_isa())


def _without_extension() -> Any:
    import cffi
    function = functools.cache(functools.partial(cffi.FFI().cast, "int32_t (*)(intptr_t, int64_t)"))

    def call(entry: int, plan: int, t: int) -> int:
        return int(function(entry)(plan, t))

    def run(entry: int, plans: int, stride: int, jobs: int, t: int, threads: int) -> int:
        with ThreadPoolExecutor(min(threads, jobs)) as pool:
            return min(pool.map(lambda k: call(entry, plans + k * stride, t), range(jobs)))

    return SimpleNamespace(call=call, run=run, rules={}, isa=0)


def source() -> str:
    """Where the kernels of built-in rules come from, in words."""
    if not extension().rules:
        return "compiled in process by Numba"
    return f"compiled ahead of time, instruction set {extension().isa}"


@functools.cache
def entry(rule: Rule, dtype: "np.dtype[Any]", phase: str) -> int:
    """Address of the C function for one phase of a rule's step: range, norms or init."""
    known = extension().rules
    if rule in known:
        return int(known[rule][phase][dtype.itemsize == 8])
    compiled = kernels.over_pointers(rule, f"f{8 * dtype.itemsize}", f"plan_{phase}")      # cached there: it lives on
    return int(compiled.address)


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots of a rule whose slots do not start at 0."""
    hyper = np.array([tuple(values[key] for key in rule.fields)], kernels.hyper_dtype(rule))
    words = np.zeros(FIXED + 2 + len(slots), np.int64)
    words[[1, 6, FIXED]] = weight.size, hyper.ctypes.data, weight.ctypes.data
    words[FIXED + 2:] = [slot.ctypes.data for slot in slots]
    status = extension().call(entry(rule, weight.dtype, "init"), words.ctypes.data, 1)
    if status:
        raise ValueError(f"{rule.name}: {kernels.STATUS[status]} ({hyper})")


def pieces(size: int, threads: int) -> list[tuple[int, int]]:
    """(first, count) of the parts that a buffer is cut into: one where few elements or one thread leave no choice."""
    threads = max(1, min(threads, 2 * size // SERIAL_BELOW))
    if threads == 1:
        return [(0, size)] if size else []
    each = PIECES_PER_THREAD if size >= ROUSING else 1
    step = -(-size // (threads * each * kernels.BLOCK)) * kernels.BLOCK
    return [(first, min(step, size - first)) for first in range(0, size, step)]


class Plan:
    """A rule bound to flat buffers: all that a step needs, worked out once.

    buffers: w, g and the rule's slots, contiguous and of one dtype and size; their owner checks them.
    offsets: int64 (k + 1,), the segments. group: int64 (k,), which set of hyper-parameters a segment has.
    multipliers: (learning rate, wd) of every group. values: every other hyper-parameter of the rule.
    Its ``hyper`` is the array of the rule's C structs, one for each group.
    """

    def __init__(self, rule: Rule, buffers: Sequence[Array], offsets: Array, group: Array,
                 multipliers: Sequence[tuple[float, float]], values: Mapping[str, float], threads: int) -> None:
        self.rule = rule
        if not rule.layerwise:                     # neighbours with one set of hyper-parameters are one segment
            first = np.flatnonzero(np.diff(group, prepend=-1))
            offsets, group = np.append(offsets[:-1][first], offsets[-1]), group[first]
        self.hyper = np.zeros(len(multipliers), kernels.hyper_dtype(rule))
        for key in rule.fields:
            self.hyper[key] = values.get(key, 0.0)
        self._lr_mult, wd_mult = np.array(multipliers, np.float64).reshape(-1, 2).T.copy()
        self._most = float(self._lr_mult.max(initial=0.0))
        with np.errstate(over="ignore"):           # ``set`` refuses what overflows
            self.hyper["wd"] *= wd_mult
        self._wd = float(self.hyper["wd"].max(initial=0.0))
        self._rates = self.hyper["learning_rate"] if "learning_rate" in rule.fields else np.zeros_like(self._lr_mult)
        self._rate, self._rescale = np.nan, np.nan
        self._threads = threads
        self._bind(buffers, np.ascontiguousarray(offsets), np.ascontiguousarray(group))

    def _bind(self, buffers: Sequence[Array], offsets: Array, group: Array) -> None:
        """Write the plan of every call: a row of words for each piece of the buffers."""
        size, itemsize = buffers[0].size, buffers[0].itemsize
        norms = np.zeros(2 * (size // kernels.BLOCK + len(group)) if self.rule.layerwise else 0)
        table = [len(group), offsets.ctypes.data, group.ctypes.data, len(self.hyper), self.hyper.ctypes.data,
                 norms.ctypes.data]
        addresses = [b.ctypes.data for b in buffers]
        words = np.array([(first, count, *table, *(a + first * itemsize for a in addresses))
                          for first, count in pieces(size, self._threads)], np.int64)
        self._words = words.reshape(-1, FIXED + len(buffers))
        self._buffers, self._alive = list(buffers), (offsets, group, norms)
        self._entries = [entry(self.rule, buffers[0].dtype, phase) for phase in kernels.phases(self.rule)]
        self._call, self._run = extension().call, extension().run
        self._pieces = self._words.ctypes.data, self._words.strides[0], len(self._words)
        self._only = (self._entries[0], self._pieces[0]) if len(self._entries) == len(self._words) == 1 else None

    def set_gradient(self, grad: Array) -> None:
        """Read another array, of the same size and dtype, from now on."""
        self._words[:, FIXED + 1] += grad.ctypes.data - self._buffers[1].ctypes.data
        self._buffers[1] = grad

    def set(self, t: int, rate: float, rescale: float) -> None:
        """Set what step t takes: learning rate (before multipliers) and gradient scale.

        ValueError where a product overflows.
        """
        if rate == self._rate and rescale == self._rescale:
            return
        for key, most in (("learning_rate", rate * self._most), ("wd", self._wd), ("rescale_grad", rescale)):
            if not math.isfinite(most):
                raise ValueError(f"{self.rule.name}: {key} out of range after its multipliers: {most}")
        np.multiply(self._lr_mult, rate, out=self._rates)
        self.hyper["rescale_grad"] = rescale
        self._rate, self._rescale = rate, rescale

    def run(self, t: int) -> None:
        """Step t on all buffers."""
        status = self._run_phases(t) if self._only is None else self._call(*self._only, t)
        if status:
            raise ValueError(f"{self.rule.name}: {kernels.STATUS[status]} ({self.hyper})")

    def _run_phases(self, t: int) -> int:
        for entry in self._entries if len(self._words) else ():
            status = self._run(entry, *self._pieces, t, self._threads)
            if status:
                return int(status)
        return 0
