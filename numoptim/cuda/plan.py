"""The plan that launches a rule's kernels on flat device buffers, beside native.Plan."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from numoptim import kernels, native
from numoptim.rule import Rule

from . import driver, launch
from .array import Array


class Plan(native.Plan):
    """A rule bound to flat device buffers: native.Plan for a GPU, asynchronous on the weight's stream.

    One group of hyper-parameters goes with the launch, by value, and so does t; several are a table on the device,
    uploaded when they have changed. A captured step takes all from the table, and t: ``advance`` writes them.
    """

    def _bind(self, buffers: Sequence[Any], offsets: Any, group: Any) -> None:
        weight: Array = buffers[0]
        self._context, self._stream = weight.context, weight.stream
        self._buffers: list[Any] = list(buffers)
        self._launcher = launch.launcher()
        self._kernels = launch.kernels(self.rule, weight.dtype, self._context)
        self._several = len(self.hyper) > 1
        address = 0 if self._several else self.hyper.ctypes.data
        self._value, self._handle = (self._launcher.ffi.cast("void *", x) for x in (address, weight.stream))
        # On the device: t, hyper, offsets, which; then norms.
        head = 1 + self.hyper.nbytes // 8
        table = np.concatenate([np.zeros(head, np.int64), offsets, group])
        norms = 2 * (weight.size // kernels.BLOCK + len(group)) if self.rule.layerwise else 0
        self._memory = driver.Allocation(self._context, table.nbytes + 8 * norms)
        self._table = table[:head]
        self._written = False
        starts = self._memory.ptr + 8 * np.cumsum([0, 1, head - 1, len(offsets), len(group)])
        with self._context:
            driver.upload(self._memory.ptr, table, self._stream)
            driver.synchronise(self._stream)
        self._by_value = self._filled(len(group), starts.tolist(), in_memory=False)
        self._in_memory = self._filled(len(group), starts.tolist(), in_memory=True)
        self._check = self._checking(weight.dtype)

    def _filled(self, segments: int, starts: list[int], in_memory: bool) -> Any:
        """The launcher's struct. in_memory: t and one group's hyper-parameters too, as captured steps have them."""
        ffi = self._launcher.ffi
        step, hyper, offsets, which, norms = starts
        tables = in_memory or self._several
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

    def _checking(self, dtype: "np.dtype[Any]") -> tuple[int, int, Any]:
        """The processor's kernel and a plan of no elements for it: it checks hyper-parameters and t, and no more."""
        words = np.zeros(native.FIXED + len(self._buffers), np.int64)
        words[[5, 6]] = len(self.hyper), self.hyper.ctypes.data
        return native.entry(self.rule, dtype, "range"), words.ctypes.data, words

    def set_gradient(self, grad: Any) -> None:
        """Read another array, of the same size and dtype, on the same device and stream, from now on."""
        for plan in (self._by_value, self._in_memory):
            plan.buffers[1] = self._launcher.ffi.cast("void *", grad.ptr)
        self._buffers[1] = grad

    def set(self, t: int, rate: float, rescale: float) -> None:
        """Set what step t takes, as native.Plan does; ValueError where it is out of the rule's range."""
        if rate == self._rate and rescale == self._rescale:
            return
        super().set(t, rate, rescale)
        entry, plan, _ = self._check
        status = native.extension().call(entry, plan, t)
        self._written = False
        if status:
            self._rate = np.nan
            raise ValueError(f"{self.rule.name}: {kernels.STATUS[status]} ({self.hyper})")

    def run(self, t: int) -> None:
        """Step t on all buffers. RuntimeError while the stream is captured: the step would have the same t for ever."""
        with self._context:
            if driver.capturing(self._stream):
                raise RuntimeError("update cannot be captured in a CUDA graph; Trainer.step can")
            if self._several and not self._written:
                self._write(t)
            self._launch(self._by_value, self._value, t)

    def capture(self) -> None:
        """Record a step that takes t and the hyper-parameters from device memory."""
        with self._context:
            self._launch(self._in_memory, self._launcher.ffi.NULL, 1)

    def advance(self, t: int) -> None:
        """Have the next replay of a captured step be step t, with what ``set`` set."""
        with self._context:
            if driver.capturing(self._stream):
                raise RuntimeError("advance goes before a replay, not into the capture")
            self._write(t)

    def _write(self, t: int) -> None:
        self._table[0] = t
        self._table[1:] = self.hyper.view(np.int64)
        driver.upload(self._memory.ptr, self._table, self._stream)
        self._written = True

    def _launch(self, plan: Any, hyper: Any, t: int) -> None:
        if plan.size:
            status = self._launcher.lib.numoptim_cuda_step(self._kernels, plan, hyper, t, self._handle)
            self._launcher.check(status, self.rule.name)


def initialise(rule: Rule, weight: Array, slots: Sequence[Array], values: Mapping[str, float]) -> None:
    """Fill the slots of a rule whose slots do not start at 0; native.initialise for a GPU."""
    nothing = np.zeros(0, weight.dtype)
    native.initialise(rule, nothing, [nothing] * len(slots), values)          # ValueError for values out of range
    if not weight.size:
        return
    ffi, lib = launch.launcher()
    hyper = np.array([tuple(values[key] for key in rule.fields)], kernels.hyper_dtype(rule))
    plan = ffi.new("numoptim_cuda_plan *")
    plan.size = weight.size
    for k, buffer in zip((0, *range(2, 2 + len(slots))), (weight, *slots), strict=True):
        plan.buffers[k] = ffi.cast("void *", buffer.ptr)
    code = launch.kernels(rule, weight.dtype, weight.context)
    values_at, stream = (ffi.cast("void *", address) for address in (hyper.ctypes.data, weight.stream))
    with weight.context:
        status = lib.numoptim_cuda_init(code, plan, values_at, stream)
    launch.launcher().check(status, f"{rule.name}: slots before the first step")
