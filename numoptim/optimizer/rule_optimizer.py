"""RuleOptimizer: the face of rules, one or several between which an option chooses."""
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Never, overload

import numpy as np

from numoptim.buffers.memory import Buffer, Memory
from numoptim.buffers.memory import of as memory_of
from numoptim.buffers.parameters import Parameters
from numoptim.face.hints import refuse
from numoptim.kernels import least_rate
from numoptim.lr_scheduler.base import Schedule
from numoptim.native.arrays import Array
from numoptim.native.plan import Pass
from numoptim.rule import SCOPES, Rule, Slot
from numoptim.rule.hyperparameters import COMMON, Hyper
from numoptim.step.lists import step_all
from numoptim.step.locks import check_outside
from numoptim.step.python import PythonStepper
from numoptim.step.rest import Rest
from numoptim.step.state import Layout, State
from numoptim.step.stepper import Stepper, check_apart

from .attributes import HyperParameter, Option, Options, check_seen, keywords_of
from .base import Class, Optimizer, add
from .groups import Grouped
from .multipliers import Key
from .schedules import Schedules

OWN = *COMMON, "learning_rate", "lr_mult", "offset"    # hyper-parameters of rules that are no keywords of one class


class RuleOptimizer(Grouped):
    """An optimizer that applies a rule. Hyper-parameters are keywords and attributes, checked when set."""

    rules: ClassVar[tuple[Rule, ...]] = ()
    options: ClassVar[Options] = {}
    hyper: ClassVar[Hyper] = {}
    lasting: ClassVar[tuple[str, ...]] = ()    # hyper-parameters that hold for a whole run: no schedule's
    _of_rule: ClassVar[bool] = False           # made by from_rule

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._of_rule = vars(cls).get("_of_rule", False)
        _check_calls(cls)
        fields: Hyper = {}
        for rule in cls.rules:
            fields.update(rule.fields)
        cls.hyper = {key: value for key, value in fields.items() if key not in OWN}
        check_seen(cls, (*cls.hyper, *cls.options))
        for key, (default, interval) in cls.hyper.items():
            descriptor = HyperParameter(default, interval)
            descriptor.__set_name__(cls, key)
            setattr(cls, key, descriptor)
        for key, (_, accepts, accepted) in cls.options.items():
            setattr(cls, key, Option(key, accepts, accepted))
        cls._rated = "learning_rate" in fields
        if "rules" in vars(cls) and "default_learning_rate" not in vars(cls) and cls._rated:
            cls.default_learning_rate = fields["learning_rate"][0]
        cls.__signature__ = keywords_of(cls, Optimizer, fields)     # type: ignore[attr-defined]

    def __init__(self, *positional: Never, **keywords: Any) -> None:
        if positional:
            raise TypeError(f"{type(self).__name__} takes keywords alone, such as learning_rate=0.1; parameters go to "
                            "numoptim.Trainer(params, optimizer)")
        refuse(type(self), keywords, type(self))
        known = inspect.signature(type(self)).parameters
        values = {key: keywords.pop(key, known[key].default) for key in (*self.hyper, *self.options)}
        schedules = keywords.pop("schedules", None)
        super().__init__(**{**{key: known[key].default for key in COMMON}, **keywords})
        for key, value in values.items():
            setattr(self, key, value)
        self.schedules = {} if schedules is None else schedules

    @property
    def rule(self) -> Rule:
        """The rule that the options choose. ValueError for options that do not go together."""
        return self.rules[0]

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """{hyper-parameter: ``f(num_update)``} of others than the learning rate, read-only; may be set.

        ``optimizer.Adam(schedules={"beta1": f})``: from the next update on each is what its schedule says, and its
        attribute, by which options choose the rule, is what it was.
        """
        return self._schedules.table if self._schedules else {}

    @schedules.setter
    def schedules(self, table: Mapping[str, Schedule]) -> None:
        made, rule = Schedules(type(self), table), self.rule
        made.check_read(rule.name, rule.fields)
        self._change(vars(self), _schedules=made if table else None)

    # --- state

    def create_state(self, index: Key, weight: Any) -> State:
        """The state of one parameter before its first update. TypeError for other dtypes than float32, float64."""
        memory = memory_of(weight)
        weight = memory.checked("weight", weight)
        return self._state(memory, weight, [index], np.array([0, weight.size]))

    def _state(self, memory: Memory, weight: Buffer, indices: Sequence[Key], offsets: Array,
               segments: tuple[int, ...] = ()) -> State:
        """State of a buffer whose segment k is the parameter indices[k]; segments: the shape of one number for each."""
        rule, shape, weight = self.rule, weight.shape, weight.reshape(-1)
        starts = self._starts()
        slots: dict[str, Buffer] = {
            slot: Layout.of(slot, shape, weight.dtype, segments).begin(memory, starts.get(slot, slot.start))
            for slot in self._slots()}
        if self._has_init():
            flat = [slots[slot].reshape(-1) for slot in rule.slots_over("element")]
            for index, lo, hi in zip(indices, offsets, offsets[1:], strict=False):
                own = [slot[lo:hi] for slot in flat]
                memory.kernels.initialise(rule, weight[lo:hi], own, self._hyper_of(index, weight.dtype))
        offset = 0
        if rule.noisy:
            with self._lock:                   # no two states share noise
                held = vars(self)              # a handler of a signal would come into a setattr
                offset, held["_noise"] = held["_noise"], held["_noise"] + weight.size
        return State(rule, slots, self._begin_num_update, offset, Rest(len(indices)))

    def _slots(self) -> tuple[Slot, ...]:
        return self.rule.slots_over(*SCOPES)

    def _starts(self) -> Mapping[str, float]:
        """{slot: what it begins at}, where an option says that."""
        return {}

    def _has_init(self) -> bool:
        """Whether slots begin at the rule's ``init``."""
        return self.rule.init is not None

    def _hyper_of(self, index: Key, dtype: "np.dtype[Any]") -> dict[str, float]:
        """Every hyper-parameter of the rule, as it is for one parameter now. ValueError for a rate that ``init`` lacks.

        A parameter at rest is initialised for the rate it would have with a multiplier of 1.
        """
        multiplier = self._lr_mult.of(index) or 1.0
        update = self._begin_num_update + 1
        own = {} if self._groups is None else self._groups.numbers(index, update)
        rate = own.get("learning_rate", self._rate(update)) * multiplier
        if self.rule.needs_rate and rate < least_rate(dtype):
            raise ValueError(f"{type(self).__name__}: slots that begin by the learning_rate need one of "
                             f"{least_rate(dtype):.1e} or more for {dtype}; that of {index!r} is {rate}")
        decay = own.get("wd", self._values["wd"]) * self._wd_mult.of(index)
        return {**self._values, **own, "learning_rate": rate, "lr_mult": multiplier, "wd": decay, "offset": 0}

    # --- on all parameters

    def _steps_in_python(self) -> bool:
        """Whether the class has an ``update`` or states of its own: then its steps are not the rule's."""
        return any(getattr(type(self), name) is not getattr(RuleOptimizer, name) for name in ("update", "create_state"))

    def _begin(self, params: Parameters) -> Any:
        if self._steps_in_python():
            return super()._begin(params)
        return self._state(params.memory, params.flat, range(len(params)), params.offsets, (len(params),))

    def _stepper(self, params: Parameters, state: Any, threads: int, captures: Any = None) -> Stepper | PythonStepper:
        if self._steps_in_python():
            return super()._stepper(params, state, threads)
        return Stepper(self, params.memory, params.flat, params.grad.flat, state, range(len(params)), params.offsets,
                       threads, captures)

    # --- update

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """One step on one parameter, in place, or on lists of index, weight, grad and state.

        weight, state slots: C-contiguous, writable, float32 or float64, any shape; grad alike, only read. NumPy
        arrays, or arrays of one GPU and stream (what ``cuda.asarray`` takes), where the update is asynchronous.
        Raises TypeError or ValueError before anything is written, RuntimeError in the middle of another update.
        """
        if isinstance(state, State) and self._repeated(state._stepper, index, weight, grad):
            return
        check_outside(self._lock)
        if not isinstance(index, (list, tuple)):
            with self._lock:
                stepper = self._bound(index, weight, grad, state)
                stepper.prepare()
                stepper.step()
                stepper.admit()
            return
        lengths = [len(x) for x in (index, weight, grad, state)]
        if len(set(lengths)) != 1:
            raise ValueError(f"index, weight, grad and state are lists of {lengths} elements; expected equal lengths")
        with self._lock:
            steppers = [self._bound(*each) for each in zip(index, weight, grad, state, strict=True)]
            rates: dict[int, float] = {}
            for stepper in steppers:
                stepper.prepare(1, rates)
            if steppers:
                step_all(steppers)

    def _repeated(self, stepper: Stepper | None, index: Key, weight: Any, grad: Any) -> bool:
        """Make the latest update of these very arrays again, where it may be repeated."""
        if stepper is None:
            return False
        ticket = stepper.ticket                      # first, as Stepper.repeat wants it
        return (ticket != 0 and stepper.grad is grad and stepper.is_of(self, index, weight)
                and not self._lock._is_owned() and stepper.repeat(1, ticket))

    def _bound(self, index: Key, weight: Any, grad: Any, state: State) -> Stepper:
        """The state's binding to these very arrays: what is new is checked in full, the rest known by identity."""
        if not isinstance(state, State):
            raise TypeError(f"state of {index!r} is {type(state).__name__}; expected what create_state returned")
        stepper = state._stepper
        if stepper is not None and stepper.ticket:
            stepper.halt()
        if stepper is None or not stepper.is_of(self, index, weight):
            memory = memory_of(weight)
            weight = memory.checked(f"weight of {index!r}", weight)
            if stepper is None or not (memory.same(stepper.weight, weight)
                                       and stepper.is_of(self, index, stepper.weight)):
                stepper = self._bind(memory, index, weight, grad, state)
        if stepper.grad is not grad:
            stepper.set_gradient(self._checked_gradient(stepper.memory, index, grad, stepper.weight))
        return stepper

    def _bind(self, memory: Memory, index: Key, weight: Buffer, grad: Any, state: State) -> Stepper:
        self._check_rule(state.rule, state.slots)
        spans = {"weight": memory.span(weight)}
        for name, slot in zip(self._slots(), state._slots.values(), strict=True):
            checked = memory.checked(f"slot '{name}' of {index!r}", slot, weight if name.over == "element" else None)
            layout = Layout.of(name, weight.shape, weight.dtype)
            if (checked.shape, checked.dtype) != layout:
                raise ValueError(f"slot '{name}' of {index!r} is {checked.dtype} {checked.shape}; expected "
                                 f"{layout.dtype} {layout.shape}")
            span = memory.span(checked)
            check_apart(f"slot '{name}'", index, span, spans.items())
            spans[f"slot '{name}'"] = span
        grad = self._checked_gradient(memory, index, grad, weight)
        stepper = Stepper(self, memory, weight, grad, state, [index], np.array([0, weight.size]), 1)
        stepper.set_gradient(grad)
        state._stepper = stepper
        return stepper

    def _checked_gradient(self, memory: Memory, index: Key, grad: Any, weight: Buffer) -> Buffer:
        checked: Buffer = memory.checked(f"gradient of {index!r}", grad, like=weight, written=False)
        return checked

    def _check_rule(self, rule: Rule, slots: Mapping[str, Buffer]) -> None:
        """ValueError for slots that are not those of the rule that the options choose now."""
        if rule is not self.rule or tuple(slots) != self._slots():
            there, here = (", ".join(map(str, names)) or "none" for names in (slots, self._slots()))
            raise ValueError(f"the state belongs to {rule.name!r} with the slots {there}; {type(self).__name__} now "
                             f"applies {self.rule.name!r} with the slots {here}")

    # --- what a step consists of

    def _passes(self) -> tuple[Pass, ...]:
        """In the order of a step."""
        return Pass(self.rule, ("w", "g", *self.rule.slots)),

    _warmup: ClassVar[Callable[[Any, int], float] | None] = None
    """What the learning rate is multiplied with, by the number of the call from 1 on."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._of_rule:                      # its class may have no name that another process knows
            return _remade, (self.rules[0],), self.__getstate__()
        return super().__reduce_ex__(protocol)


def _remade(rule: Rule) -> "RuleOptimizer":
    cls = from_rule(rule)
    return cls.__new__(cls)


def _check_calls(cls: type[RuleOptimizer]) -> None:
    """TypeError for a class that overrides what its steps, which are its rule's, do not call."""
    for name in ("_get_lr", "_get_wd", "_update_count", "learning_rate"):
        if getattr(cls, name) is not getattr(Optimizer, name) and cls.update is RuleOptimizer.update:
            raise TypeError(f"{cls.__name__}.{name} has no effect: the rule, whose steps these are, never calls it; "
                            "override update too, or set lr_scheduler, lr_mult and wd_mult")


@functools.cache
def from_rule(rule: Rule) -> type[RuleOptimizer]:
    """The class of an optimizer that is one rule."""
    name = rule.title or rule.name
    doc = rule.doc or f"The rule {rule.name!r}."
    return type(name, (RuleOptimizer,), {"rules": (rule,), "__doc__": doc, "__module__": rule.update.__module__,
                                         "_of_rule": True, "_sealed": True})


@overload
def register(what: Rule) -> type[RuleOptimizer]: ...
@overload
def register(what: Class) -> Class: ...
def register(what: Any) -> Any:
    """Add an optimizer to the registry: an Optimizer subclass (as a decorator), or a Rule.

    Returns the class; for a Rule that is a new one, with a keyword for each hyper-parameter, named by
    ``rule.title`` or else ``rule.name``.
    """
    return add(from_rule(what) if isinstance(what, Rule) else what)
