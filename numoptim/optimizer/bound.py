"""Bound: an optimizer bound to flat buffers and their segments, ready to make steps on them."""
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numoptim import kernels
from numoptim.arrays import Array
from numoptim.memory import Buffer, Memory
from numoptim.native import Plan, Record
from numoptim.rule import Rule

from .multipliers import Key, Multipliers

if TYPE_CHECKING:
    from .rule_optimizer import RuleOptimizer
    from .state import State


class Bound:
    """An optimizer bound to flat buffers and their segments: makes steps on them.

    It holds what it needs of the state, and not the state, which holds it.
    """

    def __init__(self, optimizer: "RuleOptimizer", memory: Memory, weight: Buffer, grad: Buffer, state: "State",
                 indices: Sequence[Key], offsets: Array, threads: int) -> None:
        self.optimizer, self.memory = optimizer, memory
        self.weight, self.grad = weight, grad
        self.indices, self.offsets, self.threads = indices, offsets, threads
        self._rule, self._slots, self._offset, self._count = state.rule, state.slots, state.offset, state._count
        self._make = memory.kernels.make
        self._tables: tuple[Multipliers, Multipliers] | None = None
        self.addresses: tuple[int, ...]
        self.refresh()

    def is_of(self, optimizer: "RuleOptimizer", index: Key, weight: Any) -> bool:
        return self.weight is weight and self.indices[0] == index and self.optimizer is optimizer

    def set_gradient(self, grad: Buffer) -> None:
        """Read another array from the next step on."""
        self.plans[0].set_gradient(grad.reshape(-1))
        self.grad = grad
        self.addresses = (self.addresses[0], self.memory.address(grad), *self.addresses[2:])

    def refresh(self) -> None:
        """Make the plans, anew where hyper-parameters or multipliers changed."""
        optimizer = self.optimizer
        optimizer._check_rule(self._rule, self._slots)
        which, multipliers = self._groups()
        values = {**optimizer._values, "offset": self._offset}

        def plan(rule: Rule, buffers: Sequence[Buffer], **when: Any) -> Plan:
            made: Plan = self.memory.kernels.Plan(rule, buffers, self.offsets, which, multipliers, values,
                                                  self.threads, **when)
            return made

        slots = {name: slot.reshape(-1) for name, slot in self._slots.items()}
        self.plans: Sequence[Any] = optimizer._plans(plan, self.weight.reshape(-1), self.grad.reshape(-1), slots)
        self.addresses = tuple(map(self.memory.address, (self.weight, self.grad, *slots.values())))
        self._latest = optimizer._latest
        self.record = Record(self.plans, self._count, self._latest)
        self._version = optimizer._version

    def _groups(self) -> tuple[Array, list[tuple[float, float]]]:
        """The set of multipliers of each segment, FROZEN where that of the rate is 0, and the sets."""
        rates, decays = self.optimizer._lr_mult, self.optimizer._wd_mult
        if self._tables != (rates, decays):                # objects that do not change
            pairs = [(1.0, 1.0)] * len(self.indices)
            if rates.table or decays.table:
                pairs = [(rates.of(index), decays.of(index)) for index in self.indices]
            sets = [pair for pair in dict.fromkeys(pairs) if pair[0]] or [(1.0, 1.0)]
            number = {pair: k for k, pair in enumerate(sets)}
            self._which = np.array([number[pair] if pair[0] else kernels.FROZEN for pair in pairs], np.int64)
            self._sets, self._tables = sets, (rates, decays)
        return self._which, self._sets

    def prepare(self, batch_size: float = 1) -> None:
        """All of the next update that can fail. The gradient is that of a sum over ``batch_size``."""
        optimizer, t = self.optimizer, self._count[0] + 1
        if self._version != optimizer._version:
            self.refresh()
        rate = optimizer._learning_rate if optimizer._lr_scheduler is None else optimizer._rate(t)
        optimizer._set(self.plans, t, rate, optimizer._values["rescale_grad"] / batch_size)

    def step(self) -> None:
        """The update that ``prepare`` prepared, and its count: both or neither, whatever interrupts it."""
        self._make(self.record.alone, 1, self.plans)

    def prepare_capture(self) -> None:
        """All of ``capture`` that can fail before the driver is asked."""
        if self._version != self.optimizer._version:
            raise RuntimeError("hyper-parameters or multipliers have changed since the latest step: make one before "
                               "the capture")
        if len(self.plans) > 1:
            raise RuntimeError("LBSGD with batch_scale > 1 cannot be captured: what a step does depends on its number")

    def capture(self) -> Any:
        """Record a step in a CUDA graph, for any t, without making it; returns what it uses, which must stay alive."""
        plan: Any = self.plans[0]
        plan.capture()
        return plan

    def advance(self, captured: Any) -> None:
        """Make the update that ``prepare`` prepared the one that the next replay of a captured step makes."""
        if captured is not self.plans[0]:
            raise RuntimeError("hyper-parameters, multipliers or states have changed since the step was captured: "
                               "capture it anew")
        t = self._count[0] + 1
        captured.advance(t)
        self._count[0], self._latest[0] = t, max(self._latest[0], t)


def step_all(bounds: Sequence[Bound]) -> None:
    """The updates that all have prepared, in one call: all or none of them, whatever interrupts it."""
    records = np.array([bound.record.address for bound in bounds], np.int64)
    bounds[0]._make(records.ctypes.data, len(bounds), [plan for bound in bounds for plan in bound.plans])
