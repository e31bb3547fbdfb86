"""Bound: an optimizer bound to flat buffers and their segments, ready to make steps on them."""
import itertools
import math
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
        self._tables: tuple[Multipliers, Multipliers] | None = None
        self.addresses: tuple[int, ...]
        # Of the latest list of updates that began with this one:
        self.listed: list[tuple[int, ...]] = []
        self.records = np.zeros(0, np.int64)
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
        self.record = Record(self.plans, self._count, optimizer._latest)
        self.addresses = (*map(self.memory.address, (self.weight, self.grad, *slots.values())), self.record.address)
        self._alone, self._step = self.record.alone, self.memory.kernels.stepper(self.plans)
        self._rate = self._rescale = math.nan
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
        if optimizer._warms:
            rate *= optimizer._warmup(t - optimizer._begin_num_update)
        rescale = optimizer._values["rescale_grad"] / batch_size
        if rate != self._rate or rescale != self._rescale:
            self._rate = math.nan                  # whatever interrupts this, nothing half set is taken for set
            for plan in self.plans:
                plan.set(t, rate, rescale)
            self._rescale = rescale
            self._rate = rate

    def step(self) -> None:
        """The update that ``prepare`` prepared, and its count: both or neither, whatever interrupts it."""
        status = self._step(self._alone, 1)
        if status:
            raise RuntimeError(f"{self._rule.name}: {kernels.STATUS[status]} in a step that was checked before")


def step_all(bounds: Sequence[Bound]) -> None:
    """The updates that all have prepared, in one call: all or none of them, whatever interrupts it.

    ValueError, and none, where a weight, gradient or slot is in the list twice.
    """
    first, addresses = bounds[0], [bound.addresses for bound in bounds]
    if addresses != first.listed:                  # another list than in the latest call
        _check_distinct(bounds)
        first.records = np.array([bound.record.address for bound in bounds], np.int64)
        first.listed = addresses
    step = first.memory.kernels.stepper(itertools.chain.from_iterable(bound.plans for bound in bounds))
    status = step(first.records.ctypes.data, len(bounds))
    if status:
        raise RuntimeError(f"{first._rule.name}: {kernels.STATUS[status]} in steps that were checked before")


def _check_distinct(bounds: Sequence[Bound]) -> None:
    """ValueError where a weight, gradient or slot occurs twice in a list, or memory of two devices."""
    addresses = [address for bound in bounds for address in bound.addresses if address]
    if len(set(addresses)) < len(addresses):
        seen: set[int] = set()
        for bound in bounds:
            twice = seen.intersection(bound.addresses)
            if twice:
                raise ValueError(f"a weight, gradient or state of {bound.indices[0]!r} is in these lists twice")
            seen.update(filter(None, bound.addresses))
    places = {bound.memory.name for bound in bounds}
    if len(places) > 1:
        raise ValueError(f"the weights of one list are on {', '.join(sorted(places))}: update them apart")
