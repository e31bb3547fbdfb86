"""Kernels by address, ahead of time or compiled in process, and the plan that calls one on flat buffers."""
import functools
import math
import warnings
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from . import kernels
from .aot import PACKAGE, digest
from .arrays import Array
from .kernels.abi import PLAN_DTYPE, norms_size, phases, places
from .processors import processors as processors  # how many threads are of use, for those who ask here
from .rule import Rule
from .rules import RULES

SERIAL_BELOW = 32_768          # elements: under this, two threads take longer than one (measured)
ROUSING = 262_144              # elements that it pays to wake a thread for
PIECES_PER_THREAD = 4          # from there on, so that a thread that loses its core does not hold up the rest
KERNEL, CLEAR = 0, 1           # kinds of passes (aot/steps.c)
ANOTHER = 1                    # a status: what was prepared is not the next step any more, or not to be repeated


@functools.cache
def extension() -> Any:
    """``call(entry, plan, t)``, ``check`` like it for plans without elements, and ``step(record, t)`` and
    ``steps(records, numbers, count)``, which make whole steps (aot/steps.c), with addresses as integers; ``repeat``
    (aot/python.c), or None; ``rules``: {Rule: {phase: (entry for float32, for float64)}}; ``isa``; ``launcher``,
    (ffi, lib), or None.

    From the package's compiled extension. Without one, or with one that was built from other sources than these, which
    a RuntimeWarning says, from Numba, and there are no rules.
    """
    try:
        from . import _native  # type: ignore[attr-defined]
    except ImportError:
        _native = None
    if _native is None or not _current(_native):
        from .kernels import serial
        return SimpleNamespace(**vars(serial.functions()), repeat=None, rules={}, isa=0, launcher=None)
    ffi, lib = _native.ffi, _native.lib
    if lib.expose():
        raise ImportError(f"{_native.__file__} cannot add functions to its module")
    rules = {rule: _entries(ffi, rule, lib.numoptim_rule_at(k)) for k, rule in enumerate(RULES)}
    python = {name: getattr(_native, name) for name in ("check", "step", "repeat")}
    return SimpleNamespace(call=lib.call, steps=lib.steps, **python, rules=rules, isa=lib.numoptim_isa(),
                           launcher=(ffi, lib))


def _current(module: Any) -> bool:
    """Whether a compiled extension is of these sources: of others, its rules and structs may be others, too."""
    built = module.ffi.string(module.lib.numoptim_sources()).decode()
    if built != digest():
        warnings.warn(f"{module.__file__} was built from other sources (digest {built}) than the rules and kernels "
                      f"in {PACKAGE} (digest {digest()}): kernels are compiled in process, and steps use one thread, "
                      "until numoptim is installed anew", RuntimeWarning, stacklevel=3)
    return bool(built == digest())


def _entries(ffi: Any, rule: Rule, descriptor: Any) -> dict[str, list[int]]:
    pairs = {"init": descriptor.init, **dict(zip(phases(rule), descriptor.passes, strict=False))}
    return {phase: [int(ffi.cast("intptr_t", function)) for function in pair] for phase, pair in pairs.items()}


def source() -> str:
    """Where the kernels of built-in rules come from, in words."""
    try:
        built = extension()
    except ImportError as error:
        return f"none: neither a C compiler when numoptim was installed nor Numba now ({error})"
    return f"compiled ahead of time, instruction set {built.isa}" if built.rules else "compiled in process by Numba"


@functools.cache
def entry(rule: Rule, dtype: "np.dtype[Any]", phase: str) -> int:
    """Address of the C function for one phase of a rule's step: range, norms or init."""
    known = extension().rules
    if rule in known:
        return int(known[rule][phase][dtype.itemsize == 8])
    compiled = kernels.over_plans(rule, f"f{8 * dtype.itemsize}", phase)      # cached there: it lives on
    return int(compiled.address)


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots over elements of a rule where they do not start at 0."""
    hyper = np.array([tuple(values[key] for key in rule.fields)], kernels.hyper_dtype(rule))
    plan = np.zeros(1, PLAN_DTYPE)
    plan["count"], plan["hyper"] = weight.size, hyper.ctypes.data
    plan["buffers"][0, [0, *places(rule, "element")]] = [weight.ctypes.data, *(slot.ctypes.data for slot in slots)]
    status = extension().call(entry(rule, weight.dtype, "init"), plan.ctypes.data, 1)
    if status:
        raise ValueError(_refused(rule, hyper, weight.dtype, status))


def _refused(rule: Rule, hyper: Array, dtype: "np.dtype[Any]", status: int) -> str:
    """Why a kernel did: the hyper-parameter of these sets that it does not take, else what the status says."""
    misfits = (kernels.misfit(rule, each, dtype) for each in hyper)
    return f"{rule.name}: {next(filter(None, misfits), kernels.STATUS[status])}"


def pieces(size: int, threads: int) -> list[tuple[int, int]]:
    """(first, count) of the parts that a buffer is cut into: one where few elements or one thread leave no choice."""
    threads = max(1, min(threads, 2 * size // SERIAL_BELOW))
    if threads == 1:
        return [(0, size)] if size else []
    each = PIECES_PER_THREAD if size >= ROUSING else 1
    step = -(-size // (threads * each * kernels.BLOCK)) * kernels.BLOCK
    return [(first, min(step, size - first)) for first in range(0, size, step)]


class Pass(NamedTuple):
    """One of the things that a step does: a rule on some buffers, named "w", "g" and as the slots of a state are.

    every, since: the steps t in which it is made, those where t - since is a multiple of every. clears: what it took
    for the gradient is then set to 0. scale: of its gradient, in place of the optimizer's.
    """

    rule: Rule
    buffers: tuple[str, ...]
    every: int = 1
    since: int = 0
    clears: bool = False
    scale: float | None = None


class Plan:
    """A pass bound to flat buffers: all that a step needs, worked out once.

    buffers: those that the pass names, contiguous, those of elements of one dtype and size; their owner checks them.
    offsets: int64 (k + 1,), the segments. which: int64 (k,), the group of a segment, FROZEN for none: nothing of it is
    read or written. groups: how many there are; ``fill`` says what hyper-parameters they have.

    Its ``hyper`` is the array of the rule's C structs, one for each group; ``passes``: int64 (n, 8), what a step does;
    ``small``: whether that takes so little that no other thread of Python need run meanwhile; ``rated``: where the
    learning rates of groups are, as aot/steps.c has it.
    """

    def __init__(self, pass_: Pass, buffers: Sequence[Array], offsets: Array, which: Array, groups: int,
                 threads: int) -> None:
        self.pass_, self.rule = pass_, pass_.rule
        if not self.rule.layerwise:                # neighbours of one group are one segment
            first = np.flatnonzero(np.diff(which, prepend=kernels.FROZEN - 1))
            offsets, which = np.append(offsets[:-1][first], offsets[-1]), which[first]
        self.hyper = np.zeros(groups, kernels.hyper_dtype(self.rule))
        self._scales = self.hyper["rescale_grad"]
        self._rates = self.hyper["learning_rate"] if "learning_rate" in self.rule.fields else np.zeros(groups)
        self._threads = min(threads, processors())  # more would only take turns
        offsets, which = np.ascontiguousarray(offsets), np.ascontiguousarray(which)
        # A kernel of the processor on no elements checks hyper-parameters and t, and no more.
        nothing = self._planned(1, offsets, which)
        self._check = entry(self.rule, buffers[0].dtype, "range"), nothing.ctypes.data, nothing
        self._call = extension().check
        self._factors = np.zeros(groups)
        at = self._rates.ctypes.data, self._factors.ctypes.data
        self.rated = (*self._check[:2], *at, groups, *self._rates.strides)
        self._bind(buffers, offsets, which)

    def _bind(self, buffers: Sequence[Array], offsets: Array, which: Array) -> None:
        """Write the plan of every call: one for each piece of the buffers."""
        size, itemsize = buffers[0].size, buffers[0].itemsize
        norms = np.zeros(norms_size(self.rule, size, len(which)))
        cut = np.array(pieces(size, self._threads), np.int64).reshape(-1, 2)
        plans = self._planned(len(cut), offsets, which)
        plans["first"], plans["count"], plans["norms"] = *cut.T, norms.ctypes.data
        self._firsts, self._gradients = cut[:, 0] * itemsize, plans["buffers"][:, 1]
        whole = places(self.rule, "segment", "all")
        for k, buffer in enumerate(buffers):
            plans["buffers"][:, k] = buffer.ctypes.data + (0 if k in whole else self._firsts)
        self._buffers, self._alive = list(buffers), (plans, offsets, which, norms)
        self.small = size < SERIAL_BELOW
        jobs = plans.ctypes.data, plans.itemsize, len(plans)
        when = self.pass_.every, self.pass_.since
        passes = [(KERNEL, *when, entry(self.rule, buffers[0].dtype, phase), *jobs, self._threads)
                  for phase in kernels.phases(self.rule)]
        if self.pass_.clears:
            passes.append((CLEAR, *when, itemsize, *jobs, 1))
        self.passes = np.array(passes, np.int64)

    def _planned(self, count: int, offsets: Array, which: Array) -> Array:
        """So many plans with these tables."""
        plans = np.zeros(count, PLAN_DTYPE)
        plans["segments"], plans["offsets"], plans["which"] = len(which), offsets.ctypes.data, which.ctypes.data
        plans["groups"], plans["hyper"] = len(self.hyper), self.hyper.ctypes.data
        return plans

    def set_gradient(self, grad: Array, start: int) -> None:
        """Read another array, of the same size and dtype, from now on; start: its address."""
        np.add(self._firsts, start, out=self._gradients)
        self._buffers[1] = grad

    def fill(self, groups: Sequence[Mapping[str, float]]) -> None:
        """Set every hyper-parameter of each group but the gradient's scale; the learning rate for a rate of 1.

        KeyError where a group lacks one.
        """
        for k, group in enumerate(groups):
            self.hyper[k] = tuple(np.nan if key == "rescale_grad" else group[key] for key in self.rule.fields)
        self._factors[:] = [group["learning_rate"] for group in groups]
        self._largest = max(group["learning_rate"] for group in groups), max(group["wd"] for group in groups)

    def set(self, t: int, rate: float, rescale: float) -> None:
        """Set what step t takes: learning rate (before multipliers) and gradient scale.

        ValueError where they, or other hyper-parameters, are out of range, also after their multipliers.
        """
        rescale = rescale if self.pass_.scale is None else self.pass_.scale
        factor, wd = self._largest
        if math.isfinite(rate * factor):
            np.multiply(self._factors, rate, out=self._rates)
            self._scales.fill(rescale)
            kernel, plan, _ = self._check
            status = self._call(kernel, plan, t)
            if status == 0:
                return
        for key, most in (("learning_rate", rate * factor), ("wd", wd), ("rescale_grad", rescale)):
            if not math.isfinite(most):
                raise ValueError(f"{self.rule.name}: {key} out of range after its multipliers: {most}")
        raise ValueError(_refused(self.rule, self.hyper, self._buffers[0].dtype, status))


class StepRecord:
    """What aot/steps.c makes steps by: the passes of plans, and where their number is counted (arrays of one int64)."""

    def __init__(self, plans: Sequence[Any], t: "array[int]", latest: "array[int]") -> None:
        self._alive = plans, t, latest
        self.count_at: int = t.buffer_info()[0]
        self._passes = np.concatenate([plan.passes for plan in plans])
        self._rated = np.array([plan.rated for plan in plans], np.int64)
        self.small = all(plan.small for plan in plans) and extension().repeat is not None
        self._foreseen = array("d")
        self._words = array("q", [
            self._passes.ctypes.data, len(self._passes), self.count_at, latest.buffer_info()[0], self.small, 0,
            0, 0, 0, self._rated.ctypes.data, len(self._rated)])
        self.address: int = self._words.buffer_info()[0]

    def admit(self, ticket: int, foreseen: "array[float] | None" = None, begin: int = 0) -> None:
        """Let holders of a ticket, a number that no other has been, repeat the latest step; 0: nobody.

        foreseen: the learning rates of the steps from ``begin`` on, before multipliers; None: that of the latest step.
        """
        if foreseen is not None:
            self._words[6:9] = array("q", [foreseen.buffer_info()[0], begin, begin + len(foreseen)])
            self._foreseen = foreseen              # it lives as long as it is read
        elif ticket:
            self._words[6] = 0
        self._words[5] = ticket


def stepper(plans: Sequence[Plan]) -> Callable[[int, int], int]:
    """What makes and counts step t of a record of these plans: ``f(record, t)``.

    Returns 0; ANOTHER, and makes nothing, where the record's next step is not t; or the status of a pass that failed.
    """
    step: Callable[[int, int], int] = extension().step
    return step


def make(plans: Iterable[Plan], records: int, numbers: int, count: int) -> int:
    """The same for a list of records of these plans and a list of their t: all or none."""
    status: int = extension().steps(records, numbers, count)
    return status
