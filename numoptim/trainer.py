"""Trainer: one optimizer on all parameters of a model."""
import copy
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from . import checkpoint, lr_scheduler, threads
from .hyperparameters import checked, nearest
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer, RuleOptimizer, State, create
from .optimizer.rule_optimizer import Bound
from .parameters import Parameters


class Trainer:
    """Applies an optimizer to ``Parameters``.

    params: the weights, and the gradients ``step`` reads. optimizer: a name, with its keywords in
    optimizer_params, or an Optimizer made for these parameters. threads: how many a step may use;
    None: all processors, where the buffers are large enough to gain. The bits do not depend on it.
    """

    def __init__(self, params: Parameters, optimizer: str | Optimizer,
                 optimizer_params: Mapping[str, Any] | None = None, *, threads: int | None = None) -> None:
        if not isinstance(params, Parameters):
            raise TypeError(f"params is {type(params).__name__}; expected numoptim.Parameters(your mapping of arrays)")
        if isinstance(optimizer, Optimizer):
            if optimizer_params:
                raise ValueError("optimizer_params go with an optimizer's name; this one is made already")
        else:
            optimizer = create(optimizer, **(optimizer_params or {}))
        optimizer._name_parameters(list(params))
        self.params = params
        self.threads = _thread_count(threads)
        self._optimizer = optimizer
        self._driver: _Flat | _Loop = _driver(self)

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer

    @property
    def learning_rate(self) -> float:
        """Learning rate of the latest step, before multipliers."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: float) -> None:
        """Change the learning rate from the next step on; ValueError where a schedule sets it."""
        self._optimizer.set_learning_rate(lr)

    def step(self, batch_size: float, grads: Mapping[str, npt.ArrayLike] | None = None) -> None:
        """One step with the gradients in ``params.grad`` (or ``grads``, copied there), times 1/batch_size.

        grads: ``{name: array of that parameter's shape}``, all of them. Raises ValueError or TypeError
        before anything is written.
        """
        if batch_size.__class__ is not int or not 1 <= batch_size < 2**53:
            batch_size = checked("batch_size", batch_size, 1.0, "(0, inf)")
        self._driver.prepare(batch_size)
        if grads is not None:
            self._copy_in(grads)
        self._driver.step()

    def advance(self, batch_size: float) -> None:
        """Before each replay of a CUDA graph with a captured ``step``: what the next step takes, put on the device.

        ``step`` in a stream capture records kernels that read the step number and the hyper-parameters from the
        device's memory, and is no step itself: its batch_size is not used. ``advance`` counts a step and writes its
        number, learning rate and gradient scale there, on the parameters' stream, where the graph must follow.
        RuntimeError where nothing was captured, or not since hyper-parameters (but the learning rate), multipliers or
        states have changed.
        """
        if not isinstance(self._driver, _Graphed):
            raise RuntimeError("advance goes with captured steps of a built-in optimizer or Rule on a GPU")
        self._driver.advance(checked("batch_size", batch_size, 1.0, "(0, inf)"))

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        self.params.grad.flat.fill(0)

    def _copy_in(self, grads: Mapping[str, npt.ArrayLike]) -> None:
        if not isinstance(grads, Mapping):
            raise TypeError(f"grads is {type(grads).__name__}; expected a mapping of names to arrays")
        for name in grads:
            if name not in self.params:
                raise ValueError(f"grads: no parameter {name!r}{nearest(str(name), self.params)}")
        arrays, memory = {}, self.params.memory
        for name, weight in self.params.items():
            if name not in grads:
                raise ValueError(f"grads: {name!r} is missing; every parameter needs one")
            arrays[name] = array = memory.given(grads[name])
            if array.shape != weight.shape:
                raise ValueError(f"grads: {name!r} has shape {array.shape}; expected {weight.shape}")
            memory.check_source(f"grads: {name!r}", array, weight)
        for name, array in arrays.items():
            self.params.grad[name] = array

    # --- saving and resuming

    def save_states(self, path: str | os.PathLike[str]) -> None:
        """Write all that a resumed run needs beside the weights, so that it continues bit for bit.

        Slots, step count, position in the noise, hyper-parameters, multipliers, the schedule (of
        lr_scheduler; another function is left to the program that resumes). The weights are yours to save.
        Replaces an older file only when complete. TypeError for a custom state that is not arrays and numbers.
        """
        optimizer = self._optimizer
        checkpoint.save(path, {
            "optimizer": type(optimizer).__name__.lower(),
            "dtype": str(self.params.flat.dtype),
            "shapes": list(self.params.shapes.items()),
            "learning_rate": optimizer._learning_rate,
            "schedule": _schedule(optimizer),
            "hyper": dict(optimizer._values),
            "lr_mult": dict(optimizer.lr_mult),
            "wd_mult": dict(optimizer.wd_mult),
            "begin_num_update": optimizer.begin_num_update,
            "num_update": optimizer.num_update,
            **self._driver.save(),
        })

    def load_states(self, path: str | os.PathLike[str]) -> None:
        """Become what the trainer was that saved ``path``, weights apart: see ``save_states``.

        ValueError, and nothing changed, for a damaged or foreign file, another optimizer, other
        parameter names or shapes, another dtype.
        """
        saved = checkpoint.load(path)
        optimizer = copy.copy(self._optimizer)
        try:
            own = {"optimizer": type(optimizer).__name__.lower(), "dtype": str(self.params.flat.dtype),
                   "shapes": list(self.params.shapes.items())}
            for key, value in own.items():
                if saved[key] != value:
                    raise ValueError(f"its {key} is {saved[key]}, here it is {value}")
            if saved["schedule"] != "custom":
                optimizer.lr_scheduler = _from_schedule(saved["schedule"])
            elif optimizer.lr_scheduler is None:
                raise ValueError("its learning rate came from a function: give this trainer that lr_scheduler")
            if set(saved["hyper"]) != set(optimizer._values):
                raise ValueError(f"its hyper-parameters are {sorted(saved['hyper'])}")
            optimizer._values = {}
            for key, value in saved["hyper"].items():
                setattr(optimizer, key, None if math.isinf(value) else value)
            optimizer._learning_rate = checked("learning_rate", saved["learning_rate"], 0.0, "[0, inf)")
            optimizer.begin_num_update = _count(saved, "begin_num_update")
            optimizer.num_update = _count(saved, "num_update")
            optimizer.set_lr_mult(saved["lr_mult"])
            optimizer.set_wd_mult(saved["wd_mult"])
            state = self._driver.load(saved, optimizer)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)}: these states do not fit this trainer: {error}") from error
        vars(self._optimizer).update(vars(optimizer))
        self._driver.adopt(state)


class _Flat:
    """Drives a RuleOptimizer: every parameter in one call."""

    def __init__(self, trainer: Trainer) -> None:
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
        optimizer._noise = _count(saved, "noise")
        state = State(rule, {}, _count(saved, "t"), _count(saved, "offset"))
        for name, slot in saved["slots"].items():
            if slot.shape != flat.shape or slot.dtype != flat.dtype:
                raise ValueError(f"slot {name!r} is {slot.dtype} {slot.shape}; expected {flat.dtype} {flat.shape}")
            state.slots[name] = memory.zeros(flat.size, flat.dtype)
            memory.write(state.slots[name], slot)
        return state


class _Graphed(_Flat):
    """The same on a GPU, where steps can be captured in CUDA graphs."""

    def __init__(self, trainer: Trainer) -> None:
        self._captured: list[Any] = []              # plans whose memory graphs may still use
        super().__init__(trainer)

    def adopt(self, state: Any) -> None:
        super().adopt(state)
        self.prepare, self.step = self._prepare, self._step

    def _prepare(self, batch_size: float = 1) -> None:
        memory: Any = self.trainer.params.memory
        self._capturing = memory.capturing()
        if not self._capturing:
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


class _Loop:
    """Drives an optimizer written in Python: its ``update`` is called parameter by parameter."""

    def __init__(self, trainer: Trainer) -> None:
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


def _driver(trainer: Trainer) -> _Flat | _Loop:
    if not _is_flat(trainer._optimizer):
        return _Loop(trainer)
    return _Flat(trainer) if trainer.params.device == "cpu" else _Graphed(trainer)


def _is_flat(optimizer: Optimizer) -> bool:
    """Whether an optimizer's steps are its rule's: a subclass may override them in Python."""
    cls = type(optimizer)
    return isinstance(optimizer, RuleOptimizer) and all(
        getattr(cls, name) is getattr(RuleOptimizer, name) for name in ("update", "create_state"))


def _plain(state: Any) -> Any:
    if isinstance(state, State):
        raise TypeError("cannot save a rule's state inside a custom optimizer's")
    return state


def _count(saved: Mapping[str, Any], key: str) -> int:
    return int(checked(key, saved[key], 0, "[0, inf)"))


def _thread_count(given: int | None) -> int:
    if given is None:
        return threads.available()
    return int(checked("threads", given, 1, "[1, inf)"))


def _schedule(optimizer: Optimizer) -> Any:
    schedule = optimizer.lr_scheduler
    if schedule is None:
        return None
    if not isinstance(schedule, LRScheduler) or type(schedule).__module__ != lr_scheduler.__name__:
        return "custom"
    return {"class": type(schedule).__name__, **asdict(schedule)}


def _from_schedule(saved: dict[str, Any] | None) -> Any:
    if saved is None:
        return None
    keywords = {key: value for key, value in saved.items() if key != "class"}
    return getattr(lr_scheduler, saved["class"])(**keywords)
