"""Compiled kernels called by address: the plan of one rule on one set of flat buffers."""
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cffi
import numpy as np

from . import kernels
from .parameters import Array
from .rule import Rule
from .threads import CREW

SOURCE = "compiled in process by Numba"
SERIAL_BELOW = 65_536          # elements: under this, waking a second thread costs more than it saves
PIECES_PER_THREAD = 4          # so that a thread that loses its core for a moment does not hold up the rest
ffi = cffi.FFI()


@functools.cache
def function(rule: Rule, dtype: str, entry: str) -> tuple[Callable[..., int], object]:
    """A kernel entry as a cffi function, and what keeps its code alive."""
    compiled = kernels.over_pointers(rule, dtype, entry)
    types = {"int64": "int64_t", "int32": "int32_t"}
    arguments = [types.get(str(a), "void *") for a in compiled._sig.args]
    return ffi.cast(f"int32_t (*)({', '.join(arguments)})", compiled.address), compiled


def short(dtype: "np.dtype[Any]") -> str:
    """"f32" or "f64"."""
    return f"f{8 * dtype.itemsize}"


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots of a rule whose slots do not start at 0."""
    hyper = np.zeros(1, kernels.hyper_dtype(rule))
    for key in rule.fields:
        hyper[key] = values[key]
    call, _ = function(rule, short(weight.dtype), "entry_init")
    call(weight.size, *(ffi.from_buffer(a) for a in (weight, *slots, hyper)))


class Plan:
    """A rule bound to flat buffers: all that a step needs, worked out once.

    buffers: w, g and the rule's slots, contiguous and of one dtype and size; their owner checks them.
    offsets: int64 (k + 1,), the segments. group: int64 (k,), which set of hyper-parameters a segment has.
    multipliers: (learning rate, wd) of every group. values: every other hyper-parameter of the rule.
    """

    def __init__(self, rule: Rule, buffers: Sequence[Array], offsets: Array, group: Array,
                 multipliers: Sequence[tuple[float, float]], values: Mapping[str, float], threads: int) -> None:
        self.rule, self.buffers = rule, tuple(buffers)
        if not rule.layerwise:                     # a run of segments with one set of hyper-parameters is one segment
            first = np.flatnonzero(np.diff(group, prepend=-1))
            offsets, group = np.append(offsets[:-1][first], offsets[-1]), group[first]
        self._table = np.ascontiguousarray(offsets), np.ascontiguousarray(group)
        self._hyper = np.zeros(len(multipliers), kernels.hyper_dtype(rule))
        self._lr_mult, self._wd_mult = np.array(multipliers, np.float64).reshape(-1, 2).T
        for key in rule.fields:
            self._hyper[key] = values.get(key, 0.0)
        self._hyper["wd"] *= self._wd_mult
        self._rate = self._hyper["learning_rate"] if "learning_rate" in rule.fields else None
        self._rescale = self._hyper["rescale_grad"]
        self._now: tuple[float, float] | None = None
        self._threads = min(threads, max(1, buffers[0].size // (SERIAL_BELOW // 2)))
        self._bind()

    def _bind(self) -> None:
        """The arguments of every call, but for t."""
        w, (offsets, group) = self.buffers[0], self._table
        dtype, blocks = short(w.dtype), w.size // kernels.BLOCK + len(group)
        norms = np.zeros(2 * blocks) if self.rule.layerwise else None
        table = [len(group), *map(ffi.from_buffer, self._table), len(self._hyper), ffi.from_buffer(self._hyper)]
        table += [ffi.from_buffer(norms)] if norms is not None else []
        base = [ffi.cast("char *", ffi.from_buffer(b)) for b in self.buffers]
        self._alive = base, table, norms
        pieces = 1 if self._threads == 1 else self._threads * PIECES_PER_THREAD
        step = -(-max(w.size, 1) // (pieces * kernels.BLOCK)) * kernels.BLOCK if pieces > 1 else w.size
        calls = [(lo, min(step, w.size - lo), *table, *(p + lo * w.itemsize for p in base))
                 for lo in range(0, w.size, max(step, 1))]
        entries = ["entry_norms", "entry_range"] if self.rule.layerwise else ["entry_range"]
        self._phases = [(function(self.rule, dtype, entry)[0], calls) for entry in entries]

    def run(self, t: int, rate: float, rescale: float) -> None:
        """Step t with this learning rate (before multipliers) and gradient scale, on all buffers."""
        if self._now != (rate, rescale):
            if self._rate is not None:
                np.multiply(self._lr_mult, rate, out=self._rate)
            self._rescale[...] = rescale
            self._now = rate, rescale
        for call, pieces in self._phases:
            if len(pieces) == 1:
                self._check(call(*pieces[0], t))
            elif pieces:
                CREW.run(lambda *a: self._check(call(*a, t)), pieces, self._threads - 1)   # noqa: B023

    def _check(self, status: int) -> None:
        if status != 0:
            values = ", ".join(f"{key}={self._hyper[key].tolist()}" for key in self.rule.fields)
            raise ValueError(f"{self.rule.name}: {kernels.STATUS[status]} ({values})")
