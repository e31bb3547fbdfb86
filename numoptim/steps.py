"""How a Trainer makes its steps: a rule's on all parameters at once, or an optimizer's in Python one by one."""
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .hyperparameters import checked
from .optimizer import Optimizer, RuleOptimizer, State
from .optimizer.rule_optimizer import Bound

if TYPE_CHECKING:
    from .trainer import Trainer


class Flat:
    """Drives a RuleOptimizer: every parameter in one call."""

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer = trainer
        optimizer, params = trainer._optimizer, trainer.params
        assert isinstance(optimizer, RuleOptimizer)
        self.optimizer = optimizer
        self.adopt(optimizer._state(params.memory, params.flat, params.flat.shape, range(len(params)), params.offsets))

    def adopt(self, state: Any) -> None:
        params = self.trainer.params
        self.bound = Bound(self.optimizer, params.memory, params.flat, params.grad.flat, state, range(len(params)),
                           params.offsets, self.trainer.threads)
        self.bound.refresh()
        self.prepare, self.step = self.bound.prepare, self.bound.step

    def save(self) -> dict[str, Any]:
        state, optimizer = self.bound.state, self.optimizer
        slots = {name: self.trainer.params.memory.host(slot) for name, slot in state.slots.items()}
        return {"rule": state.rule.name, "slots": slots, "t": state.t, "offset": state.offset,
                "noise": optimizer._noise, "options": {key: getattr(optimizer, key) for key in optimizer.options}}

    def load(self, saved: dict[str, Any], optimizer: Any) -> State:
        for key in optimizer.options:
            setattr(optimizer, key, saved["options"][key])
        rule, flat, memory = optimizer.rule, self.trainer.params.flat, self.trainer.params.memory
        if saved["rule"] != rule.name or tuple(saved["slots"]) != optimizer._slot_names():
            raise ValueError(f"its slots {tuple(saved['slots'])} of {saved['rule']!r} are not those of {rule.name!r}")
        optimizer._noise = count(saved, "noise")
        state = State(rule, {}, count(saved, "t"), count(saved, "offset"))
        for name, slot in saved["slots"].items():
            if slot.shape != flat.shape or slot.dtype != flat.dtype:
                raise ValueError(f"slot {name!r} is {slot.dtype} {slot.shape}; expected {flat.dtype} {flat.shape}")
            state.slots[name] = memory.zeros(flat.size, flat.dtype)
            memory.write(state.slots[name], slot)
        return state


class Graphed(Flat):
    """The same on a GPU, where steps can be captured in CUDA graphs."""

    def __init__(self, trainer: "Trainer") -> None:
        self._captured: list[Any] = []              # plans whose memory graphs may still use
        super().__init__(trainer)

    def adopt(self, state: Any) -> None:
        super().adopt(state)
        self.prepare, self.step = self._prepare, self._step

    def _prepare(self, batch_size: float = 1) -> None:
        memory: Any = self.trainer.params.memory
        self._capturing = memory.capturing()
        if self._capturing:
            self.bound.prepare_capture()
        else:
            self.bound.prepare(batch_size)

    def _step(self) -> None:
        if self._capturing:
            plan = self.bound.capture()
            if plan not in self._captured[-1:]:
                self._captured.append(plan)
        else:
            self.bound.step()

    def advance(self, batch_size: float) -> None:
        if not self._captured:
            raise RuntimeError("advance goes before the replay of a captured step: none has been captured")
        self.bound.prepare(batch_size)
        self.bound.advance(self._captured[-1])


class Loop:
    """Drives an optimizer written in Python: its ``update`` is called parameter by parameter."""

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer, self.optimizer = trainer, trainer._optimizer
        self.host = trainer.params.device == "cpu"
        self.adopt([self.optimizer.create_state(i, w) for i, w in enumerate(trainer.params.values())])

    def adopt(self, states: Any) -> None:
        self.states = states

    def prepare(self, batch_size: float) -> None:
        """All of a step that can fail before the optimizer's own code runs."""
        self.optimizer._rate(self.optimizer.num_update + 1)
        with np.errstate(over="ignore"):
            self.scale = self.trainer.params.flat.dtype.type(batch_size)
        if not 0 < self.scale < math.inf:
            raise ValueError(f"batch_size={batch_size!r} is out of range for {self.scale.dtype}")
        if not self.host and self.scale != 1:
            raise ValueError(f"batch_size={batch_size!r}: on a GPU an optimizer written in Python gets its gradients "
                             "as they are; divide them there, and step with batch_size=1")

    def step(self) -> None:
        params = self.trainer.params
        for index, (name, weight) in enumerate(params.items()):
            grad = params.grad[name]
            self.optimizer.update(index, weight, np.asarray(grad / self.scale) if self.host else grad,
                                  self.states[index])

    def save(self) -> dict[str, Any]:
        return {"states": [_plain(state) for state in self.states], "counts": self.optimizer._counts}

    def load(self, saved: dict[str, Any], optimizer: Optimizer) -> list[Any]:
        if len(saved["states"]) != len(self.states):
            raise ValueError(f"it has {len(saved['states'])} states for {len(self.states)} parameters")
        optimizer._counts = dict(saved["counts"])
        return list(saved["states"])


def driver_of(trainer: "Trainer") -> Flat | Loop:
    """What makes the steps of a trainer with its optimizer on its parameters' device."""
    if not _is_flat(trainer._optimizer):
        return Loop(trainer)
    return Flat(trainer) if trainer.params.device == "cpu" else Graphed(trainer)


def _is_flat(optimizer: Optimizer) -> bool:
    """Whether an optimizer's steps are its rule's: a subclass may override them in Python."""
    cls = type(optimizer)
    return isinstance(optimizer, RuleOptimizer) and all(
        getattr(cls, name) is getattr(RuleOptimizer, name) for name in ("update", "create_state"))


def _plain(state: Any) -> Any:
    if isinstance(state, State):
        raise TypeError("cannot save a rule's state inside a custom optimizer's")
    return state


def count(saved: Mapping[str, Any], key: str) -> int:
    """A count out of a file of states; TypeError or ValueError for what is none."""
    return int(checked(key, saved[key], 0, "[0, inf)"))
