"""Trainer: one optimizer on all parameters of a model."""
import copy
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy.typing as npt

from . import checkpoint, lr_scheduler, native
from .hyperparameters import checked, nearest
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer, create
from .parameters import Parameters
from .steps import Graphed, count, driver_of


class Trainer:
    """Applies an optimizer to ``Parameters``.

    params: the weights, and the gradients ``step`` reads. optimizer: a name, with its keywords in
    optimizer_params, or an Optimizer made for these parameters. threads: how many a step may use;
    None: all processors, where the buffers are large enough to gain. The bits do not depend on it.
    With parameters on a GPU steps are made there, asynchronously on the parameters' stream, with the same bits.
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
        self._driver = driver_of(self)

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

        grads: ``{name: array of that parameter's shape}``, all of them; on a GPU arrays of it. Raises ValueError or
        TypeError before anything is written.
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
        if not isinstance(self._driver, Graphed):
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

    def save_states(self, path: checkpoint.File) -> None:
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

    def load_states(self, path: checkpoint.File) -> None:
        """Become what the trainer was that saved ``path``, weights apart: see ``save_states``.

        ValueError, and nothing changed, for a damaged or foreign file, another optimizer, other
        parameter names or shapes, another dtype.
        """
        with checkpoint.reading(path) as tree:
            saved = checkpoint.loaded(tree)
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
            optimizer.begin_num_update = count(saved, "begin_num_update")
            optimizer.num_update = count(saved, "num_update")
            optimizer.set_lr_mult(saved["lr_mult"])
            optimizer.set_wd_mult(saved["wd_mult"])
            state = self._driver.load(saved, optimizer)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{checkpoint.label(path)}: these states do not fit this trainer: {error}") from error
        vars(self._optimizer).update(vars(optimizer))
        self._driver.adopt(state)


def _thread_count(given: int | None) -> int:
    if given is None:
        return native.processors()
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
