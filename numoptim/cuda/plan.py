"""The plan that launches a rule's kernels on flat device buffers, beside native.plan."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from numoptim import kernels
from numoptim.kernels.abi import norms_size, places
from numoptim.native import plan as native
from numoptim.native.library import extension
from numoptim.rule import Rule

from . import driver, launch
from .array import Array

LAUNCH, CLEAR_DEVICE = 2, 3              # kinds of passes (aot/steps.c)


class Plan(native.Plan):
    """A rule bound to flat device buffers: native.Plan for a GPU, asynchronous on the weight's stream.

    One group of hyper-parameters goes with the launch, by value, and so does t; several are a table on the device,
    uploaded when they have changed. A captured step takes all from the table, and t: ``advance`` writes them.
    """

    small = False                            # the driver may wait

    def _bind(self, buffers: Sequence[Any], offsets: Any, which: Any) -> None:
        weight: Array = buffers[0]
        self.context, self._stream = weight.context, weight.stream
        self._buffers: list[Any] = list(buffers)
        self._launcher = launch.launcher()
        self._kernels = launch.kernels(self.rule, weight.dtype, self.context)
        self._tables = len(self.hyper) > 1 or kernels.FROZEN in which
        # On the device: t, hyper, offsets, which; then norms.
        head = 1 + self.hyper.nbytes // 8
        table = np.concatenate([np.zeros(head, np.int64), offsets, which])
        norms = norms_size(self.rule, weight.size, len(which))
        self._memory = driver.Allocation(self.context, table.nbytes + 8 * norms)
        self._table = table[:head]
        self._written = False
        starts = self._memory.ptr + 8 * np.cumsum([0, 1, head - 1, len(offsets), len(which)])
        with self.context:
            driver.upload(self._memory.ptr, table, self._stream)
            driver.synchronise(self._stream)
        self._by_value = self._filled(len(which), starts.tolist(), in_memory=False)
        self._in_memory = self._filled(len(which), starts.tolist(), in_memory=True)
        self.passes = np.array(self._passes(offsets, which), np.int64).reshape(-1, 9)

    def _passes(self, offsets: Any, which: Any) -> list[tuple[int, ...]]:
        weight, gradient = self._buffers[:2]
        if not weight.size:
            return []
        address, when = self._launcher.ffi.cast, (self.pass_.every, self.pass_.since, self.pass_.lag)
        passes: list[tuple[int, ...]] = [
            (LAUNCH, *when, int(address("intptr_t", self._kernels)),
             int(address("intptr_t", self._by_value)), 0 if self._tables else self.hyper.ctypes.data, self._stream, 0)]
        if self.pass_.clears:
            # Neighbours are cleared together: from where frozen segments end to where the next begin.
            thawed = np.diff(which != kernels.FROZEN, prepend=False, append=False)
            ends = offsets[np.flatnonzero(thawed)] * weight.dtype.itemsize
            passes += [(CLEAR_DEVICE, *when, driver.address("cuMemsetD8Async"),
                        gradient.ptr + int(start), int(end - start), self._stream, 0)
                       for start, end in zip(ends[::2], ends[1::2], strict=True) if start < end]
        return passes

    def _filled(self, segments: int, starts: list[int], in_memory: bool) -> Any:
        """The launcher's struct. in_memory: t and one group's hyper-parameters too, as captured steps have them."""
        ffi = self._launcher.ffi
        step, hyper, offsets, which, norms = starts
        tables = in_memory or self._tables
        plan = ffi.new("numoptim_cuda_plan *")
        plan.size, plan.segments, plan.groups = self._buffers[0].size, segments, len(self.hyper)
        if tables or self.rule.layerwise:
            plan.offsets = ffi.cast("int64_t *", offsets)
        if tables:
            plan.which, plan.hyper = ffi.cast("int64_t *", which), ffi.cast("void *", hyper)
        if in_memory:
            plan.step = ffi.cast("int64_t *", step)
        if self.rule.layerwise:
            plan.norms = ffi.cast("double *", norms)
        for k, buffer in enumerate(self._buffers):
            plan.buffers[k] = ffi.cast("void *", buffer.ptr)
        return plan

    def set_gradient(self, grad: Any, start: int) -> None:
        """Read another array, of the same size and dtype, on the same device and stream, from now on."""
        for plan in (self._by_value, self._in_memory):
            plan.buffers[1] = self._launcher.ffi.cast("void *", start)
        self._buffers[1] = grad

    def set(self, t: int, rate: float, rescale: float) -> None:
        """Set what step t takes, as native.Plan does."""
        self._written = False
        super().set(t, rate, rescale)

    def scale(self, factor: float) -> None:
        """Multiply the gradient's scale, as native.Plan does."""
        self._written = False
        super().scale(factor)

    def leave_out(self, phase: str) -> None:
        """Nothing: one launch makes them all."""

    def ready(self) -> None:
        """Upload what the next step takes. RuntimeError while the stream is captured: it would have one t for ever."""
        if driver.capturing(self._stream):
            raise RuntimeError("update cannot be captured in a CUDA graph; Trainer.step can")
        if self._tables and not self._written:
            self._write()

    def capture(self) -> None:
        """Record a step that takes t and the hyper-parameters from device memory."""
        if self._buffers[0].size:
            ffi, lib = self._launcher
            with self.context:
                status = lib.numoptim_cuda_step(self._kernels, self._in_memory, ffi.NULL, 1,
                                                ffi.cast("void *", self._stream))
            self._launcher.check(status, self.rule.name)

    def advance(self, t: int) -> None:
        """Have the next replay of a captured step be step t, with what ``set`` set."""
        with self.context:
            self._table[0] = t
            self._write()

    def _write(self) -> None:
        self._table[1:] = self.hyper.view(np.int64)
        driver.upload(self._memory.ptr, self._table, self._stream)
        self._written = True


def stepper(plans: Sequence[Plan]) -> Callable[[int, int], int]:
    """native.stepper for a GPU, which raises RuntimeError itself. plans: of one context."""
    step = extension().step
    return lambda record, t: _launched(plans, step, record, t)


def make(plans: Iterable[Plan], *arguments: int) -> int:
    """native.make for a GPU, which raises RuntimeError itself. plans: of one context."""
    return _launched(list(plans), extension().steps, *arguments)


def _launched(plans: Sequence[Plan], call: Callable[..., int], *arguments: int) -> int:
    with plans[0].context:
        for plan in plans:
            plan.ready()
        status = call(*arguments)
    if status < 0:
        launch.launcher().check(status, plans[0].rule.name)
    return status


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots over elements of a rule where they do not start at 0; native.initialise for a GPU."""
    nothing = np.zeros(0, weight.dtype)
    native.initialise(rule, nothing, [nothing] * len(slots), values)          # ValueError for values out of range
    if not weight.size:
        return
    ffi, lib = launch.launcher()
    hyper = np.array([tuple(values[key] for key in rule.fields)], kernels.hyper_dtype(rule))
    plan = ffi.new("numoptim_cuda_plan *")
    plan.size = weight.size
    for k, buffer in zip((0, *places(rule, "element")), (weight, *slots), strict=True):
        plan.buffers[k] = ffi.cast("void *", buffer.ptr)
    code = launch.kernels(rule, weight.dtype, weight.context)
    values_at, stream = (ffi.cast("void *", address) for address in (hyper.ctypes.data, weight.stream))
    with weight.context:
        status = lib.numoptim_cuda_init(code, plan, values_at, stream)
    launch.launcher().check(status, f"{rule.name}: slots before the first step")
