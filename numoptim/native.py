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
SERIAL_BELOW = 131_072         # elements: under this, waking a second thread costs more than it saves (measured)
PIECES_PER_THREAD = 4          # so that a thread that loses its core for a moment does not hold up the rest
ffi = cffi.FFI()


@functools.cache
def function(rule: Rule, dtype: "np.dtype[Any]", entry: str, arguments: str) -> Callable[..., int]:
    """A kernel entry as a cffi function."""
    compiled = kernels.over_pointers(rule, f"f{8 * dtype.itemsize}", entry)      # which caches it, so it lives on
    return ffi.cast(f"int32_t (*)({arguments})", compiled.address)


def pointer(array: Any) -> Any:
    return ffi.cast("void *", array.ctypes.data)


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots of a rule whose slots do not start at 0."""
    hyper = np.array([tuple(values[key] for key in rule.fields)], kernels.hyper_dtype(rule))
    pointers = [pointer(array) for array in (weight, *slots, hyper)]
    call = function(rule, weight.dtype, "entry_init", "int64_t" + ", void *" * len(pointers))
    call(weight.size, *pointers)


def pieces(size: int, threads: int) -> list[tuple[int, int]]:
    """(first, count) of the parts that a buffer is cut into: one where few elements or one thread leave no choice."""
    threads = max(1, min(threads, 2 * size // SERIAL_BELOW))
    if threads == 1:
        return [(0, size)] if size else []
    step = -(-size // (threads * PIECES_PER_THREAD * kernels.BLOCK)) * kernels.BLOCK
    return [(first, min(step, size - first)) for first in range(0, size, step)]


class Plan:
    """A rule bound to flat buffers: all that a step needs, worked out once.

    buffers: w, g and the rule's slots, contiguous and of one dtype and size; their owner checks them.
    offsets: int64 (k + 1,), the segments. group: int64 (k,), which set of hyper-parameters a segment has.
    multipliers: (learning rate, wd) of every group. values: every other hyper-parameter of the rule.
    """

    def __init__(self, rule: Rule, buffers: Sequence[Array], offsets: Array, group: Array,
                 multipliers: Sequence[tuple[float, float]], values: Mapping[str, float], threads: int) -> None:
        self.rule = rule
        if not rule.layerwise:                     # neighbours with one set of hyper-parameters are one segment
            first = np.flatnonzero(np.diff(group, prepend=-1))
            offsets, group = np.append(offsets[:-1][first], offsets[-1]), group[first]
        self._hyper = np.zeros(len(multipliers), kernels.hyper_dtype(rule))
        for key in rule.fields:
            self._hyper[key] = values.get(key, 0.0)
        self._lr_mult, wd_mult = np.array(multipliers, np.float64).reshape(-1, 2).T
        with np.errstate(over="ignore"):           # ``set`` refuses what overflows
            self._hyper["wd"] *= wd_mult
        self._rate, self._rescale = np.nan, np.nan
        self._helpers = threads - 1
        self._bind(buffers, np.ascontiguousarray(offsets), np.ascontiguousarray(group))

    def _bind(self, buffers: Sequence[Array], offsets: Array, group: Array) -> None:
        """Pack the arguments of every call: a row of words for each piece of the buffers."""
        size, itemsize = buffers[0].size, buffers[0].itemsize
        norms = np.zeros(2 * (size // kernels.BLOCK + len(group))) if self.rule.layerwise else None
        table = [len(group), offsets.ctypes.data, group.ctypes.data, len(self._hyper), self._hyper.ctypes.data]
        table += [norms.ctypes.data] if norms is not None else []
        addresses = [b.ctypes.data for b in buffers]
        words = np.array([(first, count, *table, *(a + first * itemsize for a in addresses))
                          for first, count in pieces(size, self._helpers + 1)], np.int64)
        words = words.reshape(-1, 2 + len(table) + len(addresses))
        rows = [(pointer(row),) for row in words]
        self._words, self._buffers, self._alive = words, list(buffers), (offsets, group, norms)
        self._phases = [(function(self.rule, buffers[0].dtype, f"entry_{phase}_packed", "void *, int64_t"), rows)
                        for phase in kernels.phases(self.rule)]

    def set_gradient(self, grad: Array) -> None:
        """Read another array, of the same size and dtype, from now on."""
        column = self._words.shape[1] - len(self._buffers) + 1
        self._words[:, column] += grad.ctypes.data - self._buffers[1].ctypes.data
        self._buffers[1] = grad

    def set(self, rate: float, rescale: float) -> None:
        """Set learning rate (before multipliers) and gradient scale; ValueError where a product overflows."""
        if rate == self._rate and rescale == self._rescale:
            return
        self._rate = self._rescale = np.nan
        if "learning_rate" in self.rule.fields:
            with np.errstate(over="ignore"):
                self._hyper["learning_rate"] = self._lr_mult * rate
        self._hyper["rescale_grad"] = rescale
        for key in self.rule.fields.keys() & {"learning_rate", "wd", "rescale_grad"}:
            if not np.isfinite(self._hyper[key]).all():
                raise ValueError(f"{self.rule.name}: {key} out of range after its multipliers: {self._hyper[key]}")
        self._rate, self._rescale = rate, rescale

    def run(self, t: int) -> None:
        """Step t on all buffers."""
        for call, rows in self._phases:
            if len(rows) == 1:
                status = call(rows[0][0], t)
            else:
                status = min(CREW.run(call, [(*row, t) for row in rows], self._helpers), default=0)
            if status:
                raise ValueError(f"{self.rule.name}: {kernels.STATUS[status]} ({self._hyper})")
