"""State: the slots of one parameter, or of a whole flat buffer."""
import copy
import math
from array import array
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from numoptim.buffers.memory import Buffer, Memory
from numoptim.buffers.memory import of as memory_of
from numoptim.face.sealed import Sealed
from numoptim.kernels.gradient import flush
from numoptim.native.arrays import Array
from numoptim.rule import SCOPES, Rule, Slot
from numoptim.rule.hyperparameters import COUNT, checked

from .rest import Rest

if TYPE_CHECKING:
    from numoptim.optimizer import Optimizer

    from .stepper import Stepper


class Layout(NamedTuple):
    """Shape and dtype of a slot."""

    shape: tuple[int, ...]
    dtype: "np.dtype[Any]"

    @classmethod
    def of(cls, slot: Slot, shape: tuple[int, ...], dtype: "np.dtype[Any]", segments: tuple[int, ...] = ()) -> Self:
        """Of weights of this shape and dtype; segments: the shape of one number for each of their parameters."""
        if slot.over == "element":
            return cls(shape, dtype)
        return cls(segments if slot.over == "segment" else (), np.dtype(np.float64))

    def begin(self, memory: Memory, start: float) -> Buffer:
        """A new slot with a number everywhere. ValueError for one beyond its type."""
        made = memory.zeros(math.prod(self.shape), self.dtype).reshape(self.shape)
        if start:
            with np.errstate(over="ignore"):
                number = self.dtype.type(start)
            if not np.isfinite(number):
                raise ValueError(f"a slot that begins at {start} is out of range for {self.dtype}")
            memory.write(made, np.full(self.shape, flush(number, np.finfo(self.dtype).tiny)))
        return made


class State(Sealed):
    """The slots of one parameter (or of a whole flat buffer), and how many updates it has seen.

    slots: {name: array in the memory of the weight, and like it; or float64, of one number for each parameter, or of
    one for all, where the rule's slot is over those}. t: update number of the latest update; a parameter that has
    missed some counts fewer. offset: the first element of its noise (noisy rules). rule: the rule the slots belong to.
    """

    def __init__(self, rule: Rule, slots: Mapping[str, Buffer], t: int, offset: int = 0,
                 rest: Rest | None = None) -> None:
        known = {str(slot): slot for slot in rule.slots_over(*SCOPES)}
        self._slots: dict[Any, Buffer] = {
            known.get(name) or (name if isinstance(name, Slot) else Slot(name)): slot for name, slot in slots.items()}
        self._rule, self._offset = rule, offset
        self._count = array("q", [t])              # where steps count, in C (aot/steps.c)
        self._rest = Rest(1) if rest is None else rest
        self._stepper: Stepper | None = None

    @property
    def rule(self) -> Rule:
        return self._rule

    @property
    def slots(self) -> Mapping[str, Buffer]:
        return MappingProxyType(self._slots)

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def t(self) -> int:
        return self._count[0]

    @t.setter
    def t(self, value: int) -> None:
        self._count[0] = int(checked("t", value, 0, COUNT))

    def __repr__(self) -> str:
        return f"<State of {self.rule.name}: {', '.join(self.slots) or 'no slots'}, t={self.t}>"

    # A copy has slots of its own, in the same memory, and is bound to no weight.

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __reduce__(self) -> Any:
        memories = {name: memory_of(slot) for name, slot in self._slots.items()}
        slots = {name: (memories[name], memories[name].host(slot)) for name, slot in self._slots.items()}
        return _restored, (type(self), self._rule, slots, self.t, self._offset, self._rest)


def _restored(cls: type[State], rule: Rule, given: Mapping[str, tuple[Memory, Array]], t: int, offset: int,
              rest: Rest) -> State:
    slots = {}
    for name, (memory, content) in given.items():
        slots[name] = memory.zeros(content.size, content.dtype).reshape(content.shape)
        memory.write(slots[name], content)
    return cls(rule, slots, t, offset, rest)


def count(saved: Mapping[str, Any], key: str) -> int:
    """A count out of a file of states; TypeError or ValueError for what is none."""
    return int(checked(key, saved[key], 0, COUNT))


def as_saved(state: State, memory: Memory) -> dict[str, Any]:
    """A rule's state as a file holds it; memory: that of its slots."""
    slots = {str(name): memory.host(slot) for name, slot in state.slots.items()}
    lags = state._rest.lags(state.t)
    return {"rule": state.rule.name, "slots": slots, "t": state.t, "offset": state.offset,
            **({"lags": lags} if lags.any() else {})}


def check_saved(saved: Mapping[str, Any], rule: Rule, slots: tuple[Slot, ...]) -> None:
    """ValueError where what a file holds is not of this rule with these slots."""
    if saved["rule"] != rule.name or tuple(saved["slots"]) != slots:
        raise ValueError(f"its slots {tuple(saved['slots'])} of {saved['rule']!r} are not {slots} of {rule.name!r}")


def counted(optimizer: "Optimizer") -> dict[str, Any]:
    """What of an optimizer written in Python goes on beside the states of its parameters, as a file holds it."""
    return {"counts": optimizer._counts, "saved": {key: getattr(optimizer, key) for key in optimizer.saved}}


def go_on(optimizer: "Optimizer", saved: Mapping[str, Any]) -> None:
    """Make an optimizer what ``counted`` told. ValueError, and nothing changed, where that has other attributes."""
    own = saved.get("saved", {})                    # not in files of before
    if set(own) != set(optimizer.saved):
        raise ValueError(f"its attributes are {sorted(own)}, here they are {sorted(optimizer.saved)}")
    optimizer._counts = dict(saved["counts"])
    for key, value in own.items():
        setattr(optimizer, key, value)
