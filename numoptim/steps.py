"""How a Trainer makes its steps: a rule's on all parameters at once, or an optimizer's in Python one by one."""
import itertools
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from .arrays import Array
from .optimizer import Optimizer, RuleOptimizer, State
from .optimizer.bound import Bound
from .optimizer.locks import check_outside
from .optimizer.state import Layout, as_saved, check_saved, count, counted, go_on
from .parameters import Parameters, segments


class Flat(Bound):
    """Drives a RuleOptimizer: every parameter in one call. state: of the flat buffers; None: before the first step."""

    def __init__(self, optimizer: RuleOptimizer, params: Parameters, threads: int, state: State | None = None) -> None:
        self.params = params
        indices = range(len(params))
        self.state = state or optimizer._state(params.memory, params.flat, indices, params.offsets, (len(params),))
        self.lock = optimizer._lock                 # held during a step
        super().__init__(optimizer, params.memory, params.flat, params.grad.flat, self.state, indices, params.offsets,
                         threads)

    def check_outside(self) -> None:
        """RuntimeError in the middle of a step or an update."""
        check_outside(self.lock)

    def counts(self) -> Any:
        """Others once a step is made."""
        return self._count[0]

    def save(self) -> dict[str, Any]:
        optimizer = self.optimizer
        return {**as_saved(self.state, self.params.memory), "noise": optimizer._noise,
                "options": {key: getattr(optimizer, key) for key in optimizer.options}}

    def resumed(self, saved: dict[str, Any], optimizer: Any) -> Self:
        """What makes the steps from a saved state on.

        optimizer: the draft that becomes what the file says; the driver is of the optimizer that becomes the draft.
        """
        driver = type(self)(optimizer, self.params, self.threads, self._loaded(saved, optimizer))
        driver.optimizer = self.optimizer
        return driver

    def _loaded(self, saved: dict[str, Any], optimizer: Any) -> State:
        for key, (default, *_) in optimizer.options.items():
            setattr(optimizer, key, saved["options"].get(key, default))     # an earlier version may not have had it
        rule, flat, memory = optimizer.rule, self.params.flat, self.params.memory
        check_saved(saved, rule, optimizer._slots())
        optimizer._noise = count(saved, "noise")
        ends = segments(saved["named"]) if "named" in saved else self.params.offsets
        for name, slot in zip(optimizer._slots(), saved["slots"].values(), strict=True):
            layout = Layout.of(name, (int(ends[-1]),), flat.dtype, (len(ends) - 1,))
            shape, dtype = getattr(slot, "shape", ""), getattr(slot, "dtype", type(slot).__name__)
            if (shape, dtype) != layout:
                raise ValueError(f"slot '{name}' is {dtype} {shape}; expected {layout.dtype} {layout.shape}")
        if "named" in saved:
            return State(rule, self._among_new(saved, optimizer, ends), count(saved, "t"), count(saved, "offset"))
        slots = {}
        for name, slot in saved["slots"].items():
            slots[name] = memory.zeros(math.prod(slot.shape), slot.dtype).reshape(slot.shape)
            memory.load(slots[name], slot)
        return State(rule, slots, count(saved, "t"), count(saved, "offset"))

    def _among_new(self, saved: dict[str, Any], optimizer: Any, ends: Array) -> Mapping[str, Any]:
        """New slots, with those of a file in the places of its parameters, whose segments are ``ends``."""
        params, flat = self.params, self.params.flat
        new: State = optimizer._state(params.memory, flat, range(len(params)), params.offsets, (len(params),))
        if optimizer.rule.noisy:                    # all of the buffer goes on at the file's offset
            optimizer._noise = max(count(saved, "noise"), count(saved, "offset") + flat.size)
        begins, numbers = params.offsets.tolist(), {key: k for k, key in enumerate(params)}
        spans = {"element": [(begins[numbers[key]], lo, hi) for key, (lo, hi) in
                             zip(saved["named"], itertools.pairwise(ends.tolist()), strict=True)],
                 "segment": [(numbers[key], k, k + 1) for k, key in enumerate(saved["named"])],
                 "all": [(0, 0, 1)]}
        for name, slot in new._slots.items():
            stored, flat = saved["slots"][name].read().reshape(-1), slot.reshape(-1)
            for begin, lo, hi in spans[name.over]:
                if lo < hi:
                    params.memory.write(flat[begin:begin + hi - lo], stored[lo:hi])
        return new.slots


class Graphed(Flat):
    """The same on a GPU, where steps can be captured in CUDA graphs."""

    _captured: tuple[Any, ...] = ()                 # plans whose memory graphs may still use
    _capture: Any = None                            # the latest one's, and the version of the optimizer that it has
    _capturing = False

    def resumed(self, saved: dict[str, Any], optimizer: Any) -> Self:
        driver = super().resumed(saved, optimizer)
        driver._captured, driver._capture = self._captured, self._capture
        return driver

    def prepare(self, batch_size: float = 1, rates: dict[int, float] | None = None) -> None:
        memory: Any = self.params.memory
        self._capturing = memory.capturing()
        if not self._capturing:
            super().prepare(batch_size, rates)
        elif self._version is not self.optimizer._version:
            raise RuntimeError("hyper-parameters or multipliers have changed since the latest step: make one before "
                               "the capture")
        elif len(self.plans) > 1:
            raise RuntimeError("LBSGD with batch_scale > 1 cannot be captured: what a step does depends on its number")

    def step(self) -> None:
        """The step that ``prepare`` prepared; in a capture, a record of it in the graph, for any t, and no step."""
        if not self._capturing:
            super().step()
            return
        plan = self.plans[0]
        plan.capture()
        if plan not in self._captured[-1:]:
            self._captured += (plan,)
        self._capture = plan, self._version

    def advance(self, batch_size: float) -> None:
        """Make the next step the one that the next replay of a captured step makes."""
        if self._capture is None:
            raise RuntimeError("advance goes before the replay of a captured step: none has been captured")
        super().prepare(batch_size)
        (plan, version), latest, t = self._capture, self.optimizer._latest, self._count[0] + 1
        if plan is not self.plans[0] or version is not self._version:
            raise RuntimeError("hyper-parameters, multipliers or states have changed since the step was captured: "
                               "capture it anew")
        plan.advance(t)
        self._count[0], latest[0] = t, max(latest[0], t)


class Loop:
    """Drives an optimizer written in Python: its ``update`` is called parameter by parameter."""

    def __init__(self, optimizer: Optimizer, params: Parameters, states: list[Any] | None = None) -> None:
        self.optimizer, self.params = optimizer, params
        self.host = params.device == "cpu"
        self.lock = optimizer._outer                # held during a step: a RuleOptimizer's own code may call update
        self.half_made = ""                         # the parameter at which a step was left
        self.begun = 0                              # steps
        if states is None:
            states = [optimizer.create_state(i, w) for i, w in enumerate(params.values())]
        self.state = states

    def repeat(self, batch_size: float) -> bool:
        """False: no step is a mere call."""
        return False

    def admit(self) -> None:
        """Nothing, then."""

    def halt(self) -> None:
        """RuntimeError where the latest step was left in the middle."""
        if self.half_made:
            raise RuntimeError(f"the latest step was interrupted at parameter {self.half_made!r}, with others updated "
                               "already: load_states, or make a new Trainer")

    def prepare(self, batch_size: float) -> None:
        """All of a step that can fail before the optimizer's own code runs."""
        with self.optimizer._lock:                  # a schedule is no place for updates
            self.optimizer._rate(self.optimizer.num_update + 1)
        with np.errstate(over="ignore"):
            self.scale = self.params.flat.dtype.type(batch_size)
        if not 0 < self.scale < math.inf:
            raise ValueError(f"batch_size={batch_size!r} is out of range for {self.scale.dtype}")
        if not self.host and self.scale != 1:
            raise ValueError(f"batch_size={batch_size!r}: on a GPU an optimizer written in Python gets its gradients "
                             "as they are; divide them there, and step with batch_size=1")

    def step(self) -> None:
        """Call the optimizer's ``update`` for each parameter."""
        self.begun += 1
        for index, (name, weight) in enumerate(self.params.items()):
            self.half_made = name
            if self.optimizer._lr_mult.of(index) == 0:             # frozen
                self.optimizer._update_count(index)
                continue
            grad = self.params.grad[name]
            self.optimizer.update(index, weight, np.asarray(grad / self.scale) if self.host else grad,
                                  self.state[index])
        self.half_made = ""

    def check_outside(self) -> None:
        """RuntimeError in the middle of a step or an update."""
        check_outside(self.lock)
        check_outside(self.optimizer._lock)

    def counts(self) -> Any:
        """Others once a step is made."""
        return self.begun, dict(self.optimizer._counts)

    def save(self) -> dict[str, Any]:
        return {"states": [_plain(state) for state in self.state], **counted(self.optimizer)}

    def resumed(self, saved: dict[str, Any], optimizer: Optimizer) -> "Loop":
        """What makes the steps from saved states on; optimizer: the draft that becomes what the file says."""
        if len(saved["states"]) != len(self.state):
            raise ValueError(f"it has {len(saved['states'])} states for {len(self.state)} parameters")
        go_on(optimizer, saved)
        new = saved.get("new", ())                  # parameters that the file lacks
        return Loop(self.optimizer, self.params, [
            optimizer.create_state(i, w) if i in new else state
            for i, (w, state) in enumerate(zip(self.params.values(), saved["states"], strict=True))])


Driver = Flat | Loop


def driver_of(optimizer: Optimizer, params: Parameters, threads: int, state: Any = None) -> Driver:
    """What makes the steps of an optimizer on parameters, on their device."""
    if not is_flat(optimizer):
        return Loop(optimizer, params, state)
    assert isinstance(optimizer, RuleOptimizer)
    return (Flat if params.device == "cpu" else Graphed)(optimizer, params, threads, state)


def is_flat(optimizer: Optimizer) -> bool:
    """Whether an optimizer's steps are its rule's: a subclass may override them in Python."""
    cls = type(optimizer)
    return isinstance(optimizer, RuleOptimizer) and all(
        getattr(cls, name) is getattr(RuleOptimizer, name) for name in ("update", "create_state"))


def _plain(state: Any) -> Any:
    if isinstance(state, State):
        raise TypeError("cannot save a rule's state inside a custom optimizer's")
    return state
