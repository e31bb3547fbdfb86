"""RuleOptimizer: the face of rules, one or several between which an option chooses."""
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from numoptim.arrays import Array
from numoptim.hyperparameters import COMMON, Hyper, nearest
from numoptim.memory import Buffer, Memory
from numoptim.memory import of as memory_of
from numoptim.native import Plan
from numoptim.rule import Rule

from .base import HyperParameter, Key, Optimizer, add

Options = dict[str, tuple[Any, Callable[[Any], bool], str]]
"""Keyword: default, check, what the check accepts."""


class Option:
    """An option as an attribute: checked when set."""

    def __init__(self, name: str, accepts: Callable[[Any], bool], accepted: str) -> None:
        self.name, self.accepts, self.accepted = name, accepts, accepted

    def __get__(self, optimizer: Optimizer | None, owner: type) -> Any:
        return self if optimizer is None else vars(optimizer)[self.name]

    def __set__(self, optimizer: Optimizer, value: Any) -> None:
        if not self.accepts(value):
            raise ValueError(f"{self.name}={value!r}: expected {self.accepted}")
        vars(optimizer)[self.name] = value.item() if isinstance(value, np.generic) else value
        optimizer._version += 1


class State:
    """The slots of one parameter (or of a whole flat buffer), and how many updates it has seen.

    slots: {name: array like the weight, in its memory}. t: update number of the latest update. offset: the first
    element of its noise (noisy rules). rule: the rule the slots belong to.
    """

    def __init__(self, rule: Rule, slots: dict[str, Buffer], t: int, offset: int = 0) -> None:
        self.rule, self.slots, self.t, self.offset = rule, slots, t, offset
        self.bound: Bound | None = None

    def __repr__(self) -> str:
        return f"<State of {self.rule.name}: {', '.join(self.slots) or 'no slots'}, t={self.t}>"


class RuleOptimizer(Optimizer):
    """An optimizer that applies a rule. Hyper-parameters are keywords and attributes, checked when set."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    options: ClassVar[Options] = {}
    hyper: ClassVar[Hyper] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        fields: Hyper = {}
        for rule in cls.rules:
            fields.update(rule.fields)
        cls.hyper = {key: value for key, value in fields.items() if key not in (*COMMON, "learning_rate", "offset")}
        for key, (default, interval) in cls.hyper.items():
            descriptor = HyperParameter(default, interval)
            descriptor.__set_name__(cls, key)
            setattr(cls, key, descriptor)
        for key, (_, accepts, accepted) in cls.options.items():
            setattr(cls, key, Option(key, accepts, accepted))
        if "learning_rate" in fields:
            cls.default_learning_rate = fields["learning_rate"][0]
        common = list(inspect.signature(Optimizer.__init__).parameters.values())[1:]
        defaults = {"learning_rate": cls.default_learning_rate,
                    **{key: None if math.isinf(default) else default for key, (default, _) in cls.hyper.items()},
                    **{key: default for key, (default, *_) in cls.options.items()},
                    **{p.name: p.default for p in common if p.name != "learning_rate"}}
        cls.__signature__ = inspect.Signature(    # type: ignore[attr-defined]
            [inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value) for key, value in defaults.items()])

    def __init__(self, **keywords: Any) -> None:
        known = inspect.signature(type(self)).parameters
        for key in keywords:
            if key not in known:
                raise TypeError(f"{type(self).__name__} has no keyword {key!r}{nearest(key, known)}")
        values = {key: keywords.pop(key, known[key].default) for key in (*self.hyper, *self.options)}
        super().__init__(**keywords)
        for key, value in values.items():
            setattr(self, key, value)
        self._noise = 0

    @property
    def rule(self) -> Rule:
        """The rule that the options choose."""
        return self.rules[0]

    # --- state

    def create_state(self, index: Key, weight: Any) -> State:
        """The state of one parameter before its first update. TypeError for other dtypes than float32, float64."""
        memory = memory_of(weight)
        weight = memory.checked("weight", weight)
        return self._state(memory, weight.reshape(-1), weight.shape, [index], np.array([0, weight.size]))

    def _state(self, memory: Memory, weight: Buffer, shape: tuple[int, ...], indices: Sequence[Key],
               offsets: Array) -> State:
        """State of a flat buffer whose segment k is the parameter indices[k]."""
        rule = self.rule
        slots = {name: memory.zeros(weight.size, weight.dtype) for name in self._slot_names()}
        if self._warm():
            for index, lo, hi in zip(indices, offsets, offsets[1:], strict=False):
                own = [slots[s][lo:hi] for s in rule.slots]
                memory.kernels.initialise(rule, weight[lo:hi], own, self._hyper_of(index))
        state = State(rule, {name: slot.reshape(shape) for name, slot in slots.items()}, self.begin_num_update)
        if rule.noisy:
            state.offset, self._noise = self._noise, self._noise + weight.size
        return state

    def _slot_names(self) -> tuple[str, ...]:
        return self.rule.slots

    def _warm(self) -> bool:
        """Whether slots begin at the rule's ``init``."""
        return self.rule.init is not None

    def _hyper_of(self, index: Key) -> dict[str, float]:
        """Every hyper-parameter of the rule, as it is for one parameter now."""
        # A parameter at rest is initialised for the rate it would have with a multiplier of 1.
        rate = self._rate(self.begin_num_update + 1) * (self._multiplier(self.lr_mult, index) or 1.0)
        return {**self._values, "learning_rate": rate, "wd": self._get_wd(index), "offset": 0}

    # --- update

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step on one parameter, in place, or on lists of index, weight, grad and state.

        weight, state slots: C-contiguous, writable, float32 or float64, any shape; grad alike, only read. NumPy
        arrays, or arrays of one GPU and stream (what ``cuda.asarray`` takes), where the update is asynchronous.
        Raises TypeError or ValueError before anything is written.
        """
        if not isinstance(index, (list, tuple)):
            index, weight, grad, state = [index], [weight], [grad], [state]
        lengths = [len(x) for x in (index, weight, grad, state)]
        if len(set(lengths)) != 1:
            raise ValueError(f"index, weight, grad and state are lists of {lengths} elements; expected equal lengths")
        steps = [self._bound(*each) for each in zip(index, weight, grad, state, strict=True)]
        for bound in steps:
            bound.prepare()
        for bound in steps:
            bound.step()

    def _bound(self, index: Key, weight: Any, grad: Any, state: State) -> "Bound":
        """The state's binding to these very arrays: what is new is checked in full, the rest known by identity."""
        if not isinstance(state, State):
            raise TypeError(f"state of {index!r} is {type(state).__name__}; expected what create_state returned")
        bound = state.bound
        if bound is None or not bound.is_of(self, index, weight):
            memory = memory_of(weight)
            weight = memory.checked(f"weight of {index!r}", weight)
            if bound is None or not (memory.same(bound.weight, weight) and bound.is_of(self, index, bound.weight)):
                bound = self._bind(memory, index, weight, grad, state)
        if bound.grad is not grad:
            bound.set_gradient(self._checked_gradient(bound.memory, index, grad, state, bound.weight))
        return bound

    def _bind(self, memory: Memory, index: Key, weight: Buffer, grad: Any, state: State) -> "Bound":
        self._check_state(state)
        buffers: dict[str, Buffer] = {"weight": weight}
        for name, slot in state.slots.items():
            what = f"slot {name!r} of {index!r}"
            memory.checked(what, slot, like=weight)
            _check_apart(memory, what, slot, buffers)
            buffers[f"slot {name!r}"] = slot
        grad = self._checked_gradient(memory, index, grad, state, weight)
        bound = Bound(self, memory, weight, grad, state, [index], np.array([0, weight.size]), 1)
        bound.refresh()
        state.bound = bound
        return bound

    def _checked_gradient(self, memory: Memory, index: Key, grad: Any, state: State, weight: Buffer) -> Buffer:
        what = f"gradient of {index!r}"
        checked: Buffer = memory.checked(what, grad, like=weight, written=False)
        _check_apart(memory, what, checked, {"weight": weight, **state.slots})
        return checked

    def _check_state(self, state: State) -> None:
        if state.rule is not self.rule or tuple(state.slots) != self._slot_names():
            raise ValueError(f"the state belongs to {state.rule.name!r} with slots {tuple(state.slots)}; "
                             f"{type(self).__name__} now applies {self.rule.name!r} with slots {self._slot_names()}")

    def _drive(self, plan: Callable[..., Plan], weight: Buffer, grad: Buffer, slots: Mapping[str, Buffer]) -> Any:
        """What makes the steps on flat buffers: a Plan, or what has its ``set``, ``run`` and ``set_gradient``.

        plan: makes one, ``plan(rule, [w, g, *slots])``.
        """
        return plan(self.rule, [weight, grad, *(slots[s] for s in self.rule.slots)])


class Bound:
    """An optimizer bound to flat buffers and their segments: makes steps on them."""

    def __init__(self, optimizer: RuleOptimizer, memory: Memory, weight: Buffer, grad: Buffer, state: State,
                 indices: Sequence[Key], offsets: Array, threads: int) -> None:
        self.optimizer, self.memory, self.state = optimizer, memory, state
        self.weight, self.grad = weight, grad
        self.indices, self.offsets, self.threads = indices, offsets, threads
        self._version = -1

    def is_of(self, optimizer: RuleOptimizer, index: Key, weight: Any) -> bool:
        return self.weight is weight and self.indices[0] == index and self.optimizer is optimizer

    def set_gradient(self, grad: Buffer) -> None:
        """Read another array from the next step on."""
        self._plan.set_gradient(grad.reshape(-1))
        self.grad = grad

    def refresh(self) -> None:
        """Make the plans, anew where hyper-parameters or multipliers changed."""
        optimizer = self.optimizer
        optimizer._check_state(self.state)
        pairs = [(optimizer._multiplier(optimizer.lr_mult, i), optimizer._multiplier(optimizer.wd_mult, i))
                 for i in self.indices]
        distinct = {pair: k for k, pair in enumerate(dict.fromkeys(pairs))}
        group = np.array([distinct[pair] for pair in pairs], np.int64)
        values = {**optimizer._values, "offset": self.state.offset}

        def plan(rule: Rule, buffers: Sequence[Buffer]) -> Plan:
            made: Plan = self.memory.kernels.Plan(rule, buffers, self.offsets, group, list(distinct), values,
                                                  self.threads)
            return made

        slots = {name: slot.reshape(-1) for name, slot in self.state.slots.items()}
        self._plan = optimizer._drive(plan, self.weight.reshape(-1), self.grad.reshape(-1), slots)
        self._version = optimizer._version

    def prepare(self, batch_size: float = 1) -> None:
        """All of the next update that can fail. The gradient is that of a sum over ``batch_size``."""
        optimizer, t = self.optimizer, self.state.t + 1
        if self._version != optimizer._version:
            self.refresh()
        rate = optimizer._learning_rate if optimizer.lr_scheduler is None else optimizer._rate(t)
        self._plan.set(t, rate, optimizer._values["rescale_grad"] / batch_size)

    def step(self) -> None:
        """The update that ``prepare`` prepared."""
        optimizer, state = self.optimizer, self.state
        t = state.t + 1
        self._plan.run(t)
        state.t = t
        if t > optimizer.num_update:
            optimizer.num_update = t

    def prepare_capture(self) -> None:
        """All of ``capture`` that can fail before the driver is asked."""
        if self._version != self.optimizer._version:
            raise RuntimeError("hyper-parameters or multipliers have changed since the latest step: make one before "
                               "the capture")

    def capture(self) -> Any:
        """Record a step in a CUDA graph, for any t, without making it; returns what it uses, which must stay alive."""
        self._plan.capture()
        return self._plan

    def advance(self, captured: Any) -> None:
        """Make the update that ``prepare`` prepared the one that the next replay of a captured step makes."""
        if captured is not self._plan:
            raise RuntimeError("hyper-parameters, multipliers or states have changed since the step was captured: "
                               "capture it anew")
        t = self.state.t + 1
        self._plan.advance(t)
        self.state.t = t
        self.optimizer.num_update = max(self.optimizer.num_update, t)


def _check_apart(memory: Memory, what: str, array: Buffer, others: Mapping[str, Buffer]) -> None:
    for name, other in others.items():
        if memory.overlap(array, other):
            raise ValueError(f"{what} overlaps the {name} in memory")


def from_rule(rule: Rule) -> type[RuleOptimizer]:
    """The class of an optimizer that is one rule."""
    name = rule.title or rule.name
    doc = rule.doc or f"The rule {rule.name!r}."
    return type(name, (RuleOptimizer,), {"rules": (rule,), "__doc__": doc, "__module__": rule.update.__module__})


def register(what: Any) -> Any:
    """Add an optimizer to the registry: an Optimizer subclass (as a decorator), or a Rule.

    Returns the class; for a Rule that is a new one, with a keyword for each hyper-parameter, named by
    ``rule.title`` or else ``rule.name``.
    """
    return add(from_rule(what) if isinstance(what, Rule) else what)
