"""Trainer: one optimizer on all parameters of a model."""
import copy
import weakref
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Never, Self, SupportsFloat

from .buffers.parameters import Parameters, Views
from .face import display
from .face.sealed import Stepping
from .native import processors
from .optimizer import Optimizer, create
from .optimizer.groups import Table
from .optimizer.keywords import misplaced, set_groups
from .rule.hyperparameters import checked, one_of
from .step.averaged import evaluating
from .step.guard import APPLIED, Guard, StepInfo
from .step.locks import at_once
from .step.python import PythonStepper
from .step.resting import Resting
from .step.scaler import LossScaler
from .step.state import State

if TYPE_CHECKING:                      # else whoever saves nothing would wait for archives and JSON
    from . import checkpoint


class Trainer(Resting, Stepping):
    """Applies an optimizer to ``Parameters``.

    params: the weights, and the gradients ``step`` reads. optimizer: a name, with its keywords in
    optimizer_params, or an Optimizer made for these parameters. threads: how many a step may use,
    of which no more than processors work; None: all processors. The bits do not depend on it.
    groups: hyper-parameters of some parameters, {name or pattern: {hyper-parameter: number or schedule}}, such as
    ``{"*.bias": {"wd": 0}}``, which the optimizer keeps: see ``set_groups`` of a built-in one.
    clip_norm: the gradients of a step, as it takes them, are multiplied by clip_norm/norm where the norm of all of them
    is above that; it comes before clip_gradient. ValueError for a step with a norm that is not finite, and nothing
    changed; with skip_nonfinite such a step is left out, and not counted. On a GPU a step then waits for the norm.
    loss_scaler: a ``LossScaler``; gradients are divided by its scale, and steps left out as with skip_nonfinite.
    on_step: called with what ``step`` returns, after each step.
    kvstore: None, "local" or "device", as MXNet calls one process; ValueError for others.
    With parameters on a GPU steps are made there, asynchronously on the parameters' stream, with the same bits.

    A step is made whole and counted, or not at all, also under Ctrl-C. Calls from several threads wait for each other.
    A copy, or what is unpickled, has parameters, optimizer and state of its own, and goes on as the original would.
    """

    _instead: ClassVar[dict[str, str]] = {
        "threads": "Trainer(params, optimizer, threads=n)", "learning_rate": "set_learning_rate(x)",
        "params": "Trainer(params, ...) for other parameters", "optimizer": "Trainer(params, optimizer)"}

    def __init__(self, params: Parameters, optimizer: str | Optimizer,
                 optimizer_params: Mapping[str, Any] | None = None, *, groups: Table | None = None,
                 clip_norm: SupportsFloat | None = None, skip_nonfinite: bool = False,
                 loss_scaler: LossScaler | None = None, on_step: Callable[[StepInfo], object] | None = None,
                 threads: int | None = None, kvstore: str | None = None, **unknown: Never) -> None:
        if unknown:
            raise TypeError(misplaced(optimizer, unknown))
        if not one_of(kvstore, "local", "device"):
            raise ValueError(f"kvstore={kvstore!r}: a trainer is one process, None, 'local' or 'device'")
        if not isinstance(params, Parameters):
            raise TypeError(f"params is {type(params).__name__}; expected numoptim.Parameters(your mapping of arrays)")
        if not isinstance(optimizer_params, (Mapping, type(None))):
            raise TypeError(f"optimizer_params={optimizer_params!r}: expected a mapping, such as "
                            '{"learning_rate": 0.1}')
        if isinstance(optimizer, Optimizer):
            if optimizer_params:
                raise ValueError("optimizer_params go with an optimizer's name; this one is made already")
        else:
            optimizer = create(optimizer, **(optimizer_params or {}))
        threads = _thread_count(threads)
        if on_step is not None and not callable(on_step):
            raise TypeError(f"on_step={on_step!r}: expected a function of a StepInfo")
        self._guard, self._on_step, self._frozen = Guard(clip_norm, skip_nonfinite, loss_scaler), on_step, frozenset()
        _check_guarded(optimizer, self._guard.limits)
        optimizer._name_parameters(list(params))
        if groups is not None:
            set_groups(optimizer, groups)
        self._claim(optimizer)
        self._params, self._optimizer, self._threads = params, optimizer, threads
        self._state = optimizer._begin(params)
        self._stepper: Any = optimizer._stepper(params, self._state, threads, params.memory.captures())

    def _claim(self, optimizer: Optimizer) -> None:
        """Refuse an optimizer written in Python that another Trainer has: it holds the counts, and more, of one."""
        if not optimizer._steps_in_python():
            return
        owner = optimizer._trainer and optimizer._trainer()
        if owner is not None and owner is not self:
            raise ValueError(f"this {type(optimizer).__name__} belongs to another Trainer already: make one for each")
        optimizer._trainer = weakref.ref(self)

    @property
    def params(self) -> Parameters:
        """The weights, and their gradients."""
        return self._params

    @property
    def threads(self) -> int:
        """How many a step may use."""
        return self._threads

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer

    @property
    def loss_scaler(self) -> LossScaler | None:
        """By whose scale gradients are divided; a copy of the trainer has one of its own."""
        return self._guard.scaler

    @property
    def learning_rate(self) -> float:
        """Learning rate of the latest step, or of the first while none was made; before multipliers."""
        return self._optimizer.learning_rate

    def set_learning_rate(self, lr: SupportsFloat) -> None:
        """Change the learning rate from the next step on; ValueError where a schedule sets it."""
        self._optimizer.set_learning_rate(lr)

    # By position, too: Python takes longer for defaults of keywords.
    def step(self, batch_size: float = 1, grads: Mapping[str, Any] | None = None,
             clip_norm: SupportsFloat | None = None, skip_nonfinite: bool | None = None,
             missing: Literal["error", "skip", "zero"] | None = None) -> StepInfo:
        """One step with the gradients in ``params.grad`` (or ``grads``, copied there), times 1/batch_size.

        grads: ``{name: array of that parameter's shape}``; on a GPU arrays of it. missing: what becomes of parameters
        that it lacks, or has None for: an "error", as by default; "skip", they are left out of this step, and count one
        fewer; or "zero". clip_norm, skip_nonfinite: for this step, in place of the trainer's. Raises ValueError or
        TypeError before any weight or slot is written, RuntimeError in the middle of another step.
        """
        if (grads is None and clip_norm is None and skip_nonfinite is None and missing is None
                and self._stepper.repeat(batch_size)):
            return APPLIED
        guard, limits = self._guard, self._guard.limits
        if clip_norm is not None or skip_nonfinite is not None:
            limits = guard.limited(clip_norm, skip_nonfinite)
            _check_guarded(self._optimizer, limits)
        if batch_size.__class__ is not int or not 1 <= batch_size < 2**53:      # which a float holds, without a check
            batch_size = checked("batch_size", batch_size, 1.0, "(0, inf)")
        self._stepper.check_outside()
        if not one_of(missing, "error", "skip", "zero"):
            raise ValueError(f"missing={missing!r}: expected 'error', 'skip' or 'zero'")
        with self._stepper.lock:
            stepper = self._stepper
            stepper.halt()
            absent = self._absent(grads) if grads is not None and missing == "skip" else ()
            stepper.leave_out(self._frozen.union(absent))
            stepper.prepare(batch_size if guard.scaler is None else batch_size * guard.scaler.scale)
            if grads is not None:
                self._params.grad.assign(grads, "grads", missing or "error", self.frozen)
            if limits is None:
                stepper.step()
                if grads is None and self._on_step is None:
                    stepper.admit()
                info = APPLIED
            else:
                info = guard.step(stepper, self._params.grad, limits)
        if self._on_step is not None:
            self._on_step(info)
        return info

    def advance(self, batch_size: float = 1) -> None:
        """Before each replay of a CUDA graph with a captured ``step``: what the next step takes, put on the device.

        ``step`` in a stream capture records kernels that read the step number and the hyper-parameters from the
        device's memory, and is no step itself: its batch_size is not used. ``advance`` counts a step and writes its
        number, learning rate and gradient scale there, on the parameters' stream, where the graph must follow.
        RuntimeError where nothing was captured, or not since hyper-parameters (but the learning rate), multipliers or
        states have changed.
        """
        if self._stepper.captures is None:
            raise RuntimeError("advance goes with captured steps of a built-in optimizer or Rule on a GPU")
        self._stepper.check_outside()
        with self._stepper.lock:
            self._stepper.captures.advance(self._stepper, checked("batch_size", batch_size, 1.0, "(0, inf)"))

    def zero_grad(self) -> None:
        """Set all gradients to 0."""
        self.params.grad.flat.fill(0)

    def averaged(self) -> AbstractContextManager[Parameters]:
        """``with trainer.averaged():`` the parameters have the weights to evaluate and to save, of schedule-free rules.

        They are what they were afterwards, and frozen ones all the time; changes of them meanwhile are lost. ValueError
        where there are no others to evaluate; RuntimeError for steps, loading and copies meanwhile, also of other
        threads, and in the middle of a step.
        """
        average = self._optimizer._average()
        if average is None or self._optimizer._steps_in_python():
            raise ValueError(f"{type(self._optimizer).__name__} keeps no average that a trainer knows: evaluate its "
                             "weights")
        return evaluating(self, average)

    @property
    def slots(self) -> Mapping[str, Any]:
        """{slot: {name: live view}}: ``trainer.slots["m"]["weight"]``; ask again after ``load_states``.

        A slot with one number for each parameter has views of shape (), one with a number for all is that itself.

        AttributeError for an optimizer written in Python, whose states are its own.
        """
        if not isinstance(self._state, State):
            raise AttributeError(f"slots are a rule's: a {type(self._optimizer).__name__} keeps states of its own")
        params = self._params
        slots: dict[str, Any] = {}
        for slot, flat in self._state._slots.items():
            shapes = params.shapes if slot.over == "element" else dict.fromkeys(params, ())
            slots[slot] = flat if slot.over == "all" else Views(flat, shapes, params.memory)
        return MappingProxyType(slots)

    def __repr__(self) -> str:
        return display.trainer(self)

    def _repr_html_(self) -> str:
        return display.trainer_html(self)

    # --- as Apache MXNet's Gluon splits a step

    def allreduce_grads(self) -> None:
        """Nothing: the gradients of one process are summed already."""

    def update(self, batch_size: float = 1, ignore_stale_grad: bool = False) -> StepInfo:
        """``step``, after ``allreduce_grads``; ignore_stale_grad: with missing="skip", where gradients are given."""
        return self.step(batch_size, missing="skip" if ignore_stale_grad else None)

    # --- saving and resuming

    def save_states(self, path: "checkpoint.File") -> None:
        """Write all that a resumed run needs beside the weights, so that it continues bit for bit.

        Slots, step count, position in the noise, hyper-parameters, multipliers, the schedule (of
        lr_scheduler; another function is left to the program that resumes). The weights are yours to save.
        Replaces an older file only when complete. TypeError for a custom state that is not arrays and numbers.
        """
        from . import checkpoint, resume
        with self._stepper.lock:
            self._stepper.halt()
            scaler = self._guard.scaler
            checkpoint.save(path, {**resume.own(self._optimizer, self._params), "frozen": list(self.frozen),
                                   **({} if scaler is None else {"loss_scaler": (scaler.scale, scaler.good)}),
                                   **resume.kept(self._optimizer, self._params, self._state)})

    def load_states(self, path: "checkpoint.File", missing: Literal["new"] | None = None) -> None:
        """Become what the trainer was that saved ``path``, weights apart: see ``save_states``.

        missing="new": parameters that the file lacks begin with new states, among those that it has, by name and shape
        and in any order, and keep their entries in lr_mult and wd_mult, if they have any, before the file's patterns;
        all go on from the file's update number. ValueError, and nothing changed, for a damaged or foreign file, another
        optimizer, other parameter names or shapes, another dtype; RuntimeError in the middle of a step.
        """
        from . import checkpoint, resume
        if not one_of(missing, "new"):
            raise ValueError(f"missing={missing!r}: expected None or 'new'")
        self._stepper.check_outside()
        with self._stepper.lock:
            old, scaler = self._stepper, self._guard.scaler
            if not isinstance(old, PythonStepper):         # else a step that was left in the middle is forgotten
                old.halt()
            optimizer = self._optimizer._draft()
            try:
                with checkpoint.reading(path) as tree:
                    saved = {key: value if key == "slots" else checkpoint.loaded(value) for key, value in tree.items()}
                    if missing:
                        saved = resume.reindexed(saved, optimizer, self._params.shapes)
                    scaled = {} if scaler is None else scaler._checked(saved.get(
                        "loss_scaler", (scaler.scale, scaler.good)))
                    observed = resume.become(optimizer, self._params, saved)
                    state = resume.states(saved, optimizer, self._params, self._state)
                    frozen = frozenset(self._numbers(saved.get("frozen", ()))).union(
                        self._frozen.intersection(saved.get("new", ())))
                    stepper = optimizer._stepper(self._params, state, self._threads, old.captures)
                    stepper.leave_out(frozen)
                    stepper.optimizer = self._optimizer    # which becomes the draft
            except checkpoint.Damaged:
                raise
            except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
                raise ValueError(f"{checkpoint.label(path)}: these states do not fit this trainer: {error}") from error
            own = {"_state": state, "_stepper": stepper, "_frozen": frozen}
            if scaler is not None:
                observed.append((vars(scaler), scaled))
            at_once((vars(self._optimizer), vars(optimizer)), (vars(self), own), *observed)

    # --- copies and pickles are bound anew

    def __getstate__(self) -> dict[str, Any]:
        with self._stepper.lock:
            self._stepper.halt()
            return {**vars(self), "_stepper": None, "_still": _Still(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update((key, value) for key, value in state.items() if key != "_still")
        self._claim(self._optimizer)
        self._stepper = self._optimizer._stepper(self._params, self._state, self._threads,
                                                 self._params.memory.captures())
        if isinstance(self._stepper, PythonStepper):       # others have it in their states
            self._stepper.leave_out(self._frozen)

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        with self._stepper.lock:
            twin = memo[id(self)] = object.__new__(type(self))
            twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        return twin


class _Still:
    """Last in a pickle: RuntimeError where another thread has stepped while what is before was written."""

    def __init__(self, trainer: Trainer) -> None:
        self._stepper, self._counts = trainer._stepper, trainer._stepper.counts()

    def __reduce__(self) -> Any:
        with self._stepper.lock:
            if self._stepper.counts() != self._counts:
                raise RuntimeError("the trainer has stepped while it was pickled: pickle a copy (copy.copy(trainer))")
        return type(None), ()


def _check_guarded(optimizer: Optimizer, limits: object) -> None:
    if limits is not None and optimizer._steps_in_python():
        raise ValueError("clip_norm, skip_nonfinite and loss_scaler go with a rule's steps; those of "
                         f"{type(optimizer).__name__} are its own, in Python")


def _thread_count(given: int | None) -> int:
    if given is None:
        return processors.usable()
    return int(checked("threads", given, 1, "[1, inf)"))
