"""RuleOptimizer: the face of rules, one or several between which an option chooses."""
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from numoptim.hyperparameters import COMMON, Hyper, nearest
from numoptim.native import Plan, initialise
from numoptim.parameters import Array, aligned_zeros, check_dtype
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

    slots: {name: array like the weight}. t: update number of the latest update. offset: the first
    element of its noise (noisy rules). rule: the rule the slots belong to.
    """

    def __init__(self, rule: Rule, slots: dict[str, Array], t: int, offset: int = 0) -> None:
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

    def create_state(self, index: Key, weight: Array) -> State:
        """The state of one parameter before its first update. TypeError for other dtypes than float32, float64."""
        _check_array("weight", weight)
        return self._state(weight.reshape(-1), weight.shape, [index], np.array([0, weight.size]))

    def _state(self, weight: Array, shape: tuple[int, ...], indices: Sequence[Key], offsets: Array) -> State:
        """State of a flat buffer whose segment k is the parameter indices[k]."""
        rule = self.rule
        slots = {name: aligned_zeros(weight.size, weight.dtype) for name in self._slot_names()}
        if self._warm():
            for index, lo, hi in zip(indices, offsets, offsets[1:], strict=False):
                initialise(rule, weight[lo:hi], [slots[s][lo:hi] for s in rule.slots], self._hyper_of(index))
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

        weight, state slots: C-contiguous, writable, float32 or float64, any shape; grad alike, only read.
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

    def _bound(self, index: Key, weight: Array, grad: Array, state: State) -> "Bound":
        """The state's binding to these very arrays: what is new is checked in full, the rest known by identity."""
        if not isinstance(state, State):
            raise TypeError(f"state of {index!r} is {type(state).__name__}; expected what create_state returned")
        bound = state.bound
        if bound is None or not bound.is_of(self, index, weight):
            _check_array(f"weight of {index!r}", weight)
            self._check_state(state)
            buffers = {"weight": weight}
            for name, slot in state.slots.items():
                _check_array(f"slot {name!r} of {index!r}", slot, like=weight)
                _check_apart(f"slot {name!r} of {index!r}", slot, buffers)
                buffers[f"slot {name!r}"] = slot
            self._check_gradient(index, grad, state, weight)
            bound = Bound(self, weight, grad, state, [index], np.array([0, weight.size]), 1)
            bound.refresh()
            state.bound = bound
        if bound.grad is not grad:
            self._check_gradient(index, grad, state, weight)
            bound.set_gradient(grad)
        return bound

    def _check_gradient(self, index: Key, grad: Array, state: State, weight: Array) -> None:
        _check_array(f"gradient of {index!r}", grad, like=weight, written=False)
        _check_apart(f"gradient of {index!r}", grad, {"weight": weight, **state.slots})

    def _check_state(self, state: State) -> None:
        if state.rule is not self.rule or tuple(state.slots) != self._slot_names():
            raise ValueError(f"the state belongs to {state.rule.name!r} with slots {tuple(state.slots)}; "
                             f"{type(self).__name__} now applies {self.rule.name!r} with slots {self._slot_names()}")

    def _drive(self, plan: Callable[..., Plan], weight: Array, grad: Array, slots: Mapping[str, Array]) -> Any:
        """What makes the steps on flat buffers: a Plan, or what has its ``set``, ``run`` and ``set_gradient``.

        plan: makes one, ``plan(rule, [w, g, *slots])``.
        """
        return plan(self.rule, [weight, grad, *(slots[s] for s in self.rule.slots)])


class Bound:
    """An optimizer bound to flat buffers and their segments: makes steps on them."""

    def __init__(self, optimizer: RuleOptimizer, weight: Array, grad: Array, state: State,
                 indices: Sequence[Key], offsets: Array, threads: int) -> None:
        self.optimizer, self.weight, self.grad, self.state = optimizer, weight, grad, state
        self.indices, self.offsets, self.threads = indices, offsets, threads
        self._version = -1

    def is_of(self, optimizer: RuleOptimizer, index: Key, weight: Array) -> bool:
        return self.weight is weight and self.indices[0] == index and self.optimizer is optimizer

    def set_gradient(self, grad: Array) -> None:
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

        def plan(rule: Rule, buffers: Sequence[Array]) -> Plan:
            return Plan(rule, buffers, self.offsets, group, list(distinct), values, self.threads)

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


def _check_array(what: str, array: Array, like: Array | None = None, written: bool = True) -> None:
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{what} is {type(array).__name__}; expected a NumPy array")
    check_dtype(what, array.dtype)
    if like is not None and array.dtype != like.dtype:
        raise TypeError(f"{what} is {array.dtype}; expected {like.dtype} as the weight is")
    if like is not None and array.shape != like.shape:
        raise ValueError(f"{what} has shape {array.shape}; expected {like.shape} as the weight has")
    if not array.flags.c_contiguous or not array.flags.aligned:
        raise ValueError(f"{what} is not C-contiguous (strides {array.strides} for shape {array.shape})")
    if written and not array.flags.writeable:
        raise ValueError(f"{what} is read-only")


def _check_apart(what: str, array: Array, others: Mapping[str, Array]) -> None:
    for name, other in others.items():
        if np.may_share_memory(array, other):
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
