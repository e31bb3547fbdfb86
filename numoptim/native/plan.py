"""The plan that calls a rule's kernels on flat buffers, and the record of what a step does."""
import math
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from numoptim import kernels
from numoptim.kernels.abi import PLAN_DTYPE, norms_size, places
from numoptim.rule import Rule

from . import processors
from .arrays import Array
from .library import entry, extension

SERIAL_BELOW = 32_768          # elements: under this, two threads take longer than one (measured)
ROUSING = 262_144              # elements that it pays to wake a thread for
PIECES_PER_THREAD = 4          # from there on, so that a thread that loses its core does not hold up the rest
KERNEL, CLEAR = 0, 1           # kinds of passes (aot/steps.c)
EVERY = slice(None)            # group
ANOTHER = 1                    # a status: what was prepared is not the next step any more, or not to be repeated


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
    for the gradient is then set to 0. scale: of its gradient, in place of the optimizer's. lag: how many steps what it
    updates has missed.
    """

    rule: Rule
    buffers: tuple[str, ...]
    every: int = 1
    since: int = 0
    clears: bool = False
    scale: float | None = None
    lag: int = 0


class Plan:
    """A pass bound to flat buffers: all that a step needs, worked out once.

    buffers: those that the pass names, contiguous, those of elements of one dtype and size; their owner checks them.
    offsets: int64 (k + 1,), the segments. which: int64 (k,), the group of a segment, FROZEN for none: nothing of it is
    read or written. groups: how many there are; ``fill`` says what hyper-parameters they have.

    Its ``hyper`` is the array of the rule's C structs, one for each group; ``passes``: int64 (n, 9), what a step does;
    ``small``: whether that takes so little that no other thread of Python need run meanwhile; ``check``: the entry, and
    the plan of no elements, that check hyper-parameters and t.
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
        self._threads = min(threads, processors.usable())  # more would only take turns
        offsets, which = np.ascontiguousarray(offsets), np.ascontiguousarray(which)
        self._nothing = self._planned(1, offsets, which)       # on which the processor's kernel checks, and no more
        self.check = entry(self.rule, buffers[0].dtype, "range"), self._nothing.ctypes.data
        self._call = extension().check
        self._factors, self._decays, self._ones = np.zeros(groups), np.zeros(groups), np.ones(groups)
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
        when = self.pass_.every, self.pass_.since, self.pass_.lag
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

    def fill(self, groups: Sequence[Mapping[str, float]],
             own: Mapping[str, Sequence[int]] = MappingProxyType({})) -> None:
        """Set every hyper-parameter of each group but those that ``set`` does. KeyError where one is missing.

        "wd_mult" is what "wd" is multiplied with, "lr_mult" the learning rate: here, or by a rule that has it as a
        hyper-parameter. own: in which of them a group has no part in what ``set`` sets, {"learning_rate": groups,
        "rescale_grad": groups}; these are what ``follow`` says.
        """
        for k, group in enumerate(groups):
            values = {**group, "learning_rate": np.nan, "rescale_grad": np.nan, "wd": group["wd"] * group["wd_mult"]}
            self.hyper[k] = tuple(values[key] for key in self.rule.fields)
        multipliers = np.array([group["lr_mult"] for group in groups])
        self._factors[:] = 1.0 if "lr_mult" in self.rule.fields else multipliers
        self._decays[:] = [group["wd_mult"] for group in groups]
        if self.pass_.scale is not None:
            own = {**own, "rescale_grad": ()}
        every = np.arange(len(groups))
        shared = {key: np.setdiff1d(every, own.get(key, ())) for key in ("learning_rate", "rescale_grad")}
        self._shared = shared if own else None
        self._most_rate = max(multipliers[shared["learning_rate"]].tolist(), default=0.0)

    def set(self, t: int, rate: float, rescale: float) -> None:
        """Set what step t takes: learning rate (before multipliers) and gradient scale.

        ValueError where they, or other hyper-parameters, are out of range, also after their multipliers.
        """
        rescale = rescale if self.pass_.scale is None else self.pass_.scale
        if math.isfinite(rate * self._most_rate):
            if self._shared is not None:
                self.follow("learning_rate", rate, self._shared["learning_rate"])
                self._scales[self._shared["rescale_grad"]] = rescale
            elif len(self._rates) == 1:            # which NumPy takes as long to multiply as all else here together
                self._rates[0], self._scales[0] = self._factors.item() * rate, rescale
            else:
                np.multiply(self._factors, rate, out=self._rates)
                self._scales.fill(rescale)
            status = self._call(*self.check, t)
            if status == 0:
                return
        decay = float(self.hyper["wd"].max())
        for key, most in (("learning_rate", rate * self._most_rate), ("wd", decay), ("rescale_grad", rescale)):
            if not math.isfinite(most):
                raise ValueError(f"{self.rule.name}: {key} out of range after its multipliers: {most}")
        raise ValueError(_refused(self.rule, self.hyper, self._buffers[0].dtype, status))

    def follow(self, key: str, value: float, groups: Any = EVERY) -> None:
        """Change one hyper-parameter, before ``set``; groups: of these alone."""
        if found := self._column(key):
            numbers, factors = found
            with np.errstate(over="ignore"):           # which ``set`` reports
                numbers[groups] = factors[groups] * value

    def scale(self, factor: float) -> None:
        """Multiply the gradient's scale, as ``set`` has set it. ValueError where it is out of range then."""
        if self.pass_.scale is None:
            self._scales *= factor
            if status := self._call(*self.check, 1):
                raise ValueError(_refused(self.rule, self.hyper, self._buffers[0].dtype, status))

    def leave_out(self, phase: str) -> None:
        """Make a step without one of its phases."""
        names = [*kernels.phases(self.rule)]
        self.passes = np.delete(self.passes, names.index(phase), axis=0)

    def column(self, key: str, groups: Any = EVERY) -> list[tuple[int, ...]]:
        """Where groups have a number, and its factors, as aot/steps.c has it; [] where they do not follow any."""
        if self._shared is not None and groups is EVERY:
            groups = self._shared.get(key, EVERY)
        if (found := self._column(key)) is None:
            return []
        numbers, factors = found
        if groups is EVERY:
            return [(numbers.ctypes.data, factors.ctypes.data, len(numbers), *numbers.strides)]
        return [(numbers[k:].ctypes.data, factors[k:].ctypes.data, 1, *numbers.strides) for k in groups]

    def _column(self, key: str) -> tuple[Array, Array] | None:
        """A number of all groups, and its factors; None where nothing follows it."""
        if key == "learning_rate":
            return self._rates, self._factors
        if key not in self.rule.fields or (key == "rescale_grad" and self.pass_.scale is not None):
            return None
        return self.hyper[key], self._decays if key == "wd" else self._ones


class StepRecord:
    """What aot/steps.c makes steps by: the passes of plans, and where their number is counted (arrays of one int64)."""

    def __init__(self, plans: Sequence[Any], t: "array[int]", latest: "array[int]") -> None:
        self._plans, self._counts = plans, (t, latest)
        self.count_at: int = t.buffer_info()[0]
        self._passes = np.concatenate([plan.passes for plan in plans])
        self._checks = np.array([plan.check for plan in plans], np.int64)
        self.small = all(plan.small for plan in plans) and extension().repeat is not None
        self._foreseen: Any = None
        self._words = array("q", [
            self._passes.ctypes.data, len(self._passes), self.count_at, latest.buffer_info()[0], self.small, 0,
            0, 0, 0, 0, self._checks.ctypes.data, len(self._checks)])
        self.address: int = self._words.buffer_info()[0]

    def admit(self, ticket: int, foreseen: Sequence[tuple[str, Any, Array]] = (), begin: int = 0) -> None:
        """Let holders of a ticket, a number that no other has been, repeat the latest step; 0: nobody.

        foreseen: (hyper-parameter, groups, its values in the steps from ``begin`` on, before multipliers); others are
        as in the latest step.
        """
        if foreseen:
            ends = {begin + len(values) for _, _, values in foreseen}
            rows = [(*column, values.ctypes.data) for key, groups, values in foreseen
                    for plan in self._plans for column in plan.column(key, groups)]
            followed = np.array(rows, np.int64)
            self._words[6:10] = array("q", [begin, min(ends), followed.ctypes.data, len(followed)])
            self._foreseen = foreseen, followed    # they live as long as they are read
        elif ticket:
            self._words[9] = 0
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
