"""Updater, as Apache MXNet has it: an optimizer that keeps the states of parameters by their index."""
import io
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from numoptim.face.sealed import Stepping
from numoptim.native.memory import HOST
from numoptim.step.locks import at_once, check_outside
from numoptim.step.rest import Rest
from numoptim.step.state import State, as_saved, check_saved, count, counted, go_on

from .base import Optimizer
from .multipliers import Key
from .rule_optimizer import RuleOptimizer


class Updater(Stepping):
    """``updater(index, grad, weight)`` updates in place, and makes a parameter's state when it first sees it.

    index, grad, weight: as ``Optimizer.update`` takes them, or lists of them. states: {index: state}. Raises what
    ``update`` does; a new state stays if its update was counted, and else is as if it had not been asked for. Calls
    from several threads wait for each other.
    """

    _instead: ClassVar[dict[str, str]] = {
        "optimizer": "get_updater(optimizer)", "states": ".set_states(states)"}

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"expected an Optimizer, was given {optimizer!r}")
        self._optimizer = optimizer
        self._states: dict[Key, Any] = {}

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer

    @property
    def states(self) -> dict[Key, Any]:
        """{index: state}; ``set_states`` makes another."""
        return self._states

    def __call__(self, index: Any, grad: Any, weight: Any) -> None:
        if not isinstance(index, (list, tuple)):
            index, grad, weight = [index], [grad], [weight]
        if not len(index) == len(grad) == len(weight):
            raise ValueError(f"index, grad and weight are lists of {len(index)}, {len(grad)} and {len(weight)}")
        check_outside(self.optimizer._outer)
        check_outside(self.optimizer._lock)
        with self.optimizer._outer:
            if all(map(self.states.__contains__, index)):
                self._update(index, weight, grad)
            else:
                self._begin(index, weight, grad)

    def _begin(self, index: Sequence[Key], weight: Sequence[Any], grad: Sequence[Any]) -> None:
        """The same where parameters are new: their states are there before an update, which may be left anywhere."""
        optimizer = self.optimizer
        before = {i: optimizer._counts.get(i) for i in index if i not in self.states}
        noise = optimizer._noise
        try:
            for i, w in zip(index, weight, strict=True):
                if i not in self.states:
                    self.states[i] = optimizer.create_state(i, w)
            self._update(index, weight, grad)
        except BaseException:
            for i in [i for i in before if i in self.states and not self._counted(i, before[i])]:
                del self.states[i]
            if self.states.keys().isdisjoint(before):
                optimizer._noise = noise
            raise

    def _counted(self, index: Key, before: int | None) -> bool:
        """Whether a parameter whose state is new has been updated; before: what an optimizer in Python counted then."""
        state, optimizer = self.states[index], self.optimizer
        stepped = isinstance(state, State) and state.t != optimizer.begin_num_update
        return stepped or optimizer._counts.get(index) != before

    def _update(self, index: Sequence[Key], weight: Sequence[Any], grad: Sequence[Any]) -> None:
        states = [self.states[i] for i in index]
        if isinstance(self.optimizer, RuleOptimizer):
            self.optimizer.update(index, weight, grad, states)
            return
        for each in zip(index, weight, grad, states, strict=True):
            self.optimizer.update(*each)

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """All states with their update numbers, for ``set_states``; not the optimizer's hyper-parameters and schedule.

        Raises ValueError for dump_optimizer, TypeError for states that are not arrays of the processor and numbers.
        """
        if dump_optimizer:
            raise ValueError("dump_optimizer=True: states do not hold the optimizer; Trainer.save_states writes both")
        from numoptim import checkpoint
        file, optimizer = io.BytesIO(), self.optimizer
        with optimizer._outer, optimizer._lock:
            self._halt()
            checkpoint.save(file, {
                "updater": type(optimizer).__name__.lower(), "num_update": optimizer.num_update,
                **counted(optimizer), "noise": optimizer._noise,
                "states": {index: as_saved(state, HOST) if isinstance(state, State) else state
                           for index, state in self.states.items()}})
        return file.getvalue()

    def set_states(self, states: bytes) -> None:
        """Go on from what ``get_states`` gave. ValueError, and nothing changed, for anything else."""
        from numoptim import checkpoint
        optimizer = self.optimizer
        check_outside(optimizer._outer)
        check_outside(optimizer._lock)
        if not isinstance(states, (bytes, bytearray, memoryview)):
            raise ValueError(f"states is {type(states).__name__}; expected the bytes of get_states")
        with checkpoint.reading(io.BytesIO(states)) as tree:
            saved = checkpoint.loaded(tree)
        try:
            if saved["updater"] != type(optimizer).__name__.lower():
                raise ValueError(f"they are of {saved['updater']}, this is of {type(optimizer).__name__}")
            made = {index: _restored(optimizer, state) for index, state in saved["states"].items()}
            num_update, noise = count(saved, "num_update"), count(saved, "noise")
            with optimizer._outer, optimizer._lock:
                self._halt()
                draft = optimizer._draft()
                go_on(draft, saved)
                draft.num_update, draft._noise = num_update, noise
                draft._version = object()          # states that are not of here are bound to the new count
                at_once((vars(optimizer), vars(draft)), (vars(self), {"_states": made}))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise ValueError(f"these states do not fit this updater: {error}") from error

    def _halt(self) -> None:
        """Who holds the lock is alone then: Stepper.halt."""
        for state in self.states.values():
            if isinstance(state, State) and state._stepper is not None:
                state._stepper.halt()


def get_updater(optimizer: Optimizer) -> Updater:
    """A function that updates parameters by their index; see ``Updater``."""
    return Updater(optimizer)


def _restored(optimizer: Optimizer, saved: Any) -> Any:
    """A state out of a file."""
    if not isinstance(optimizer, RuleOptimizer):
        return saved
    check_saved(saved, optimizer.rule, optimizer._slots())
    for name, slot in saved["slots"].items():
        if not isinstance(slot, np.ndarray) or slot.dtype not in (np.float32, np.float64):
            raise ValueError(f"slot {name!r} is {getattr(slot, 'dtype', slot)!s:.40}; expected an array of floats")
    return State(optimizer.rule, saved["slots"], count(saved, "t"), count(saved, "offset"),
                 Rest(1, saved.get("lags", ())))
