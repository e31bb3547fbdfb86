"""Learning-rate schedules: pure functions of the update number n = 1, 2, ..., the step being made.

Source
    Apache MXNet's lr_scheduler, whose objects change when called; these do not. Arguments have its order.

Every schedule takes base_lr and a warm-up: while n < warmup_steps, the rate is warmup_begin_lr ("constant")
or runs linearly from it to base_lr ("linear"). ValueError for values that contradict each other.

A subclass overrides ``rate``; as a dataclass it may add fields, and takes those of its base by keyword.
"""
import bisect
import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace

from .face import display
from .rule.hyperparameters import checked


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class LRScheduler:
    """A constant rate after the warm-up; base of all schedules: subclasses override ``rate``."""

    base_lr: float = 0.01
    warmup_steps: int = 0
    warmup_begin_lr: float = 0.0
    warmup_mode: str = "linear"

    # Written out, here and below: a generated one has base_lr before the fields of a subclass, or by keyword only.
    def __init__(self, base_lr: float = 0.01, warmup_steps: int = 0, warmup_begin_lr: float = 0.0,
                 warmup_mode: str = "linear") -> None:
        vars(self).update(base_lr=base_lr, warmup_steps=warmup_steps, warmup_begin_lr=warmup_begin_lr,
                          warmup_mode=warmup_mode)
        self.__post_init__()

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type in (int, float):
                value = checked(field.name, getattr(self, field.name), field.type(0), "(-inf, inf)")
                object.__setattr__(self, field.name, value)
        for name in ("base_lr", "warmup_begin_lr", "warmup_steps"):
            _require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} is negative")
        _require(self.warmup_begin_lr <= self.base_lr,
                 f"warmup_begin_lr={self.warmup_begin_lr} is above base_lr={self.base_lr}")
        _require(self.warmup_mode in ("linear", "constant"),
                 f"warmup_mode={self.warmup_mode!r}: expected 'linear' or 'constant'")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__repr__" not in vars(cls):                 # a dataclass would make one that shows every field in full
            cls.__repr__ = LRScheduler.__repr__         # type: ignore[method-assign]

    def __repr__(self) -> str:
        shown = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return display.call(type(self).__name__, {
            name: x for name, (x, default) in shown.items() if name == "base_lr" or not display.equal(x, default)})

    def __call__(self, num_update: int) -> float:
        """The learning rate of update ``num_update``."""
        if num_update >= self.warmup_steps:
            return self.rate(num_update)
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    def rate(self, num_update: int) -> float:
        """The learning rate of an update after the warm-up."""
        return self.base_lr


@dataclass(frozen=True, kw_only=True)
class FactorScheduler(LRScheduler):
    """base_lr * factor**floor((n - 1)/step), but at least stop_factor_lr."""

    step: int
    factor: float = 1.0
    stop_factor_lr: float = 1e-8

    def __init__(self, step: int, factor: float = 1.0, stop_factor_lr: float = 1e-8, base_lr: float = 0.01,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(step=step, factor=factor, stop_factor_lr=stop_factor_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.step >= 1, f"step={self.step}: expected at least 1")
        _require(0 < self.factor <= 1, f"factor={self.factor}: expected (0, 1]")
        _require(self.stop_factor_lr >= 0, f"stop_factor_lr={self.stop_factor_lr} is negative")

    def rate(self, num_update: int) -> float:
        return max(self.base_lr * self.factor ** (max(num_update - 1, 0) // self.step), self.stop_factor_lr)


@dataclass(frozen=True, kw_only=True)
class MultiFactorScheduler(LRScheduler):
    """base_lr times factor once for every boundary in ``step`` that is below n."""

    step: Sequence[int]
    factor: float = 1.0

    def __init__(self, step: Sequence[int], factor: float = 1.0, base_lr: float = 0.01,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(step=step, factor=factor)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        for k in self.step:
            checked("step", k, 1, "[1, inf)")
        object.__setattr__(self, "step", tuple(int(k) for k in self.step))
        _require(len(self.step) > 0 and all(a < b for a, b in zip(self.step, self.step[1:], strict=False)),
                 f"step={list(self.step)}: expected increasing update numbers")
        _require(0 < self.factor <= 1, f"factor={self.factor}: expected (0, 1]")

    def rate(self, num_update: int) -> float:
        return self.base_lr * self.factor ** bisect.bisect_left(self.step, num_update)


@dataclass(frozen=True, kw_only=True, init=False)
class _Decay(LRScheduler):
    """From base_lr after the warm-up to final_lr at max_update, where it stays."""

    max_update: int
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.max_update >= 1, f"max_update={self.max_update}: expected at least 1")
        _require(self.warmup_steps < self.max_update,
                 f"warmup_steps={self.warmup_steps} is not below max_update={self.max_update}")
        _require(self.final_lr >= 0, f"final_lr={self.final_lr} is negative")

    def _progress(self, num_update: int) -> float:
        if num_update >= self.max_update:
            return 1.0
        return (num_update - self.warmup_steps) / (self.max_update - self.warmup_steps)


@dataclass(frozen=True, kw_only=True)
class PolyScheduler(_Decay):
    """final_lr + (base_lr - final_lr) * (1 - p)**pwr, p running from 0 after the warm-up to 1 at max_update."""

    pwr: float = 2.0

    def __init__(self, max_update: int, base_lr: float = 0.01, pwr: float = 2.0, final_lr: float = 0.0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(max_update=max_update, pwr=pwr, final_lr=final_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.pwr > 0, f"pwr={self.pwr}: expected above 0")

    def rate(self, num_update: int) -> float:
        left: float = (1 - self._progress(num_update)) ** self.pwr
        return self.final_lr + (self.base_lr - self.final_lr) * left


@dataclass(frozen=True, kw_only=True)
class CosineScheduler(_Decay):
    """final_lr + (base_lr - final_lr) * (1 + cos(pi*p))/2, p running from 0 after the warm-up to 1 at max_update."""

    def __init__(self, max_update: int, base_lr: float = 0.01, final_lr: float = 0.0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(max_update=max_update, final_lr=final_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def rate(self, num_update: int) -> float:
        return self.final_lr + (self.base_lr - self.final_lr) * (1 + math.cos(math.pi * self._progress(num_update))) / 2


def based(schedule: Callable[[int], float], base_lr: float) -> LRScheduler:
    """A schedule's copy with another base_lr. ValueError where it has none, or what its copy would lose."""
    if not isinstance(schedule, LRScheduler):
        raise ValueError("learning_rate beside an lr_scheduler that has no base_lr: give one of them")
    own = vars(schedule).keys() - {field.name for field in fields(schedule)}
    made = next(cls for cls in type(schedule).__mro__ if is_dataclass(cls) and "__dataclass_fields__" in vars(cls))
    if own or type(schedule).__init__ is not made.__init__:
        raise ValueError(f"learning_rate beside a {type(schedule).__name__}, which is made by an __init__ of its own: "
                         "give it its base_lr there")
    return replace(schedule, base_lr=base_lr)


FORESEEN = LRScheduler, FactorScheduler, MultiFactorScheduler, PolyScheduler, CosineScheduler


def foreseen(schedule: Callable[[int], float], begin: int, count: int) -> "array[float] | None":
    """What a schedule of these classes says of ``count`` updates from ``begin`` on; None of another, which may not be
    asked before the time, nor twice.
    """
    if type(schedule) not in FORESEEN:
        return None
    assert isinstance(schedule, LRScheduler)
    rate = schedule.rate if begin >= schedule.warmup_steps else schedule
    return array("d", map(rate, range(begin, begin + count)))
