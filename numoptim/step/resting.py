"""What a Trainer says of parameters that sit steps out."""
from collections.abc import Iterable, Mapping
from typing import Any

from numoptim.buffers.parameters import Parameters
from numoptim.buffers.trees import flattened
from numoptim.face.names import fitting


class Resting:
    """Part of a Trainer: which of its parameters are frozen."""

    _params: Parameters
    _stepper: Any
    _frozen: frozenset[int]

    @property
    def frozen(self) -> tuple[str, ...]:
        """The parameters that ``freeze`` has left out of steps."""
        return tuple(name for k, name in enumerate(self._params) if k in self._frozen)

    def freeze(self, *names: str) -> None:
        """Leave parameters out of steps, by name or pattern (as fnmatch reads it), until ``thaw``.

        Neither weight, gradient nor slots are read or written, and such a parameter goes on with its own number of
        steps, while schedules follow the trainer's. (An optimizer written in Python counts for itself.) ValueError for
        what fits no parameter, and in the middle of a batch of LBSGD; RuntimeError in a step.
        """
        self._set_frozen(self._frozen | self._numbers(names))

    def thaw(self, *names: str) -> None:
        """Have parameters take part in steps again: see ``freeze``. One with a multiplier of 0 goes on resting."""
        self._set_frozen(self._frozen - self._numbers(names))

    def _numbers(self, names: Iterable[str]) -> set[int]:
        return set().union(*(fitting(name, list(self._params)) for name in names))

    def _set_frozen(self, numbers: Iterable[int]) -> None:
        self._stepper.check_outside()
        with self._stepper.lock:
            frozen = frozenset(numbers)
            self._stepper.leave_out(frozen)
            vars(self)["_frozen"] = frozen

    def _absent(self, grads: Mapping[str, Any]) -> set[int]:
        """The numbers of parameters without gradients."""
        absent = set(self._params.grad.absent(flattened(grads, "grads")))
        return {k for k, name in enumerate(self._params) if name in absent}
