"""What all schedules have: checks, ``repr``, a warm-up, and how they are put together."""
import bisect
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import SupportsFloat

import numpy as np

from numoptim.face import display
from numoptim.native.arrays import Array
from numoptim.rule.hyperparameters import checked

from .elementwise import Rates, Updates

Schedule = Callable[[int], float]


def require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def require_word(name: str, value: object, *words: str) -> None:
    require(isinstance(value, str) and value in words, f"{name}={value!r}: expected {' or '.join(map(repr, words))}")


def increasing(name: str, numbers: Sequence[int]) -> tuple[int, ...]:
    """Update numbers, each above the one before, and at least one of them."""
    for n in numbers:
        checked(name, n, 1, "[1, inf)")
    made = tuple(int(n) for n in numbers)
    require(len(made) > 0 and all(a < b for a, b in itertools.pairwise(made)),
            f"{name}={list(made)}: expected increasing update numbers")
    return made


@dataclass(frozen=True, eq=False)
class Scheduler:
    """A schedule that can be multiplied, shifted and joined; it is called with an update number."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.type in (int, float):
                value = checked(field.name, getattr(self, field.name), field.type(0), "(-inf, inf)")
                object.__setattr__(self, field.name, value)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__repr__" not in vars(cls):                 # a dataclass would make one that shows every field in full
            cls.__repr__ = cls.__repr__                 # type: ignore[method-assign]

    def __repr__(self) -> str:
        shown = {f.name: (getattr(self, f.name), f.default) for f in fields(self) if f.repr}
        return display.call(type(self).__name__, {
            name: x for name, (x, default) in shown.items() if name == "base_lr" or not display.equal(x, default)})

    def __call__(self, num_update: int) -> float:
        """The learning rate of update ``num_update``."""
        raise NotImplementedError

    @property
    def _parts(self) -> tuple[Schedule, ...]:
        """The schedules that this one is made of."""
        return ()

    def _many(self, updates: Array) -> Array:
        """The learning rates of updates that follow one another, with the bits of single calls."""
        return np.fromiter(map(self, updates.tolist()), float, len(updates))

    def __mul__(self, other: "Schedule | SupportsFloat") -> "Product":
        """The product with another schedule, or with a number."""
        return Product((self, other))

    def __rmul__(self, other: "Schedule | SupportsFloat") -> "Product":
        return Product((other, self))

    def shifted(self, by: int) -> "Shifted":
        """The schedule whose rate of update n is this one's of n + by."""
        return Shifted(self, by)


def many(schedule: Schedule, updates: Array) -> Array:
    """What a Scheduler says of updates that follow one another."""
    assert isinstance(schedule, Scheduler)
    return schedule._many(updates)


def inside(schedule: Schedule | None) -> Iterator[Schedule | None]:
    """A schedule, and all that it is made of."""
    yield schedule
    if isinstance(schedule, Scheduler):
        for part in schedule._parts:
            yield from inside(part)


def check_called(name: str, schedule: object) -> None:
    if isinstance(schedule, type) or not callable(schedule):
        raise TypeError(f"{name}={schedule!r}: expected a function of the update number")


@dataclass(frozen=True)
class FunctionScheduler(Scheduler):
    """A function of the update number alone, which may be asked for many updates before their time, and twice.

    Steps under it are about as fast as under the schedules of this library; a function that is no FunctionScheduler is
    asked in every step, once, and only then.
    """

    function: Schedule

    def __post_init__(self) -> None:
        super().__post_init__()
        check_called("function", self.function)

    def __call__(self, num_update: int) -> float:
        value = self.function(num_update)
        if value.__class__ is float and -math.inf < value < math.inf:             # as most functions give it
            return value
        return checked(f"the function at {num_update}", value, 0.0, "(-inf, inf)")


@dataclass(frozen=True)
class Shifted(Scheduler):
    """schedule(n + by), where update numbers below 0 count as 0."""

    schedule: Schedule
    by: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_called("schedule", self.schedule)

    @property
    def _parts(self) -> tuple[Schedule, ...]:
        return (self.schedule,)

    def __call__(self, num_update: int) -> float:
        return self.schedule(max(num_update + self.by, 0))

    def _many(self, updates: Array) -> Array:
        return many(self.schedule, np.maximum(updates + self.by, 0))


@dataclass(frozen=True)
class Product(Scheduler):
    """The product of the factors' rates; a number becomes a ``ConstantScheduler``."""

    factors: Sequence[Schedule | SupportsFloat]

    def __post_init__(self) -> None:
        made: list[Schedule] = []
        for each in self.factors:
            if callable(each):
                check_called("factor", each)
                made.extend(each._parts if isinstance(each, Product) else [each])
            else:
                made.append(ConstantScheduler(checked("factor", each, 1.0, "[0, inf)")))
        object.__setattr__(self, "factors", tuple(made))

    @property
    def _parts(self) -> tuple[Schedule, ...]:
        return self.factors                             # type: ignore[return-value]

    def __call__(self, num_update: int) -> float:
        return math.prod(factor(num_update) for factor in self._parts)

    def _many(self, updates: Array) -> Array:
        return math.prod(many(factor, updates) for factor in self._parts)          # type: ignore[return-value]


@dataclass(frozen=True)
class Joined(Scheduler):
    """One schedule after the other: see ``joined``."""

    schedules: Sequence[Schedule]
    boundaries: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "schedules", tuple(self.schedules))
        object.__setattr__(self, "boundaries", increasing("boundaries", self.boundaries))
        for each in self.schedules:
            check_called("schedules", each)
        require(len(self.schedules) == len(self.boundaries) + 1,
                f"{len(self.schedules)} schedules with {len(self.boundaries)} boundaries: expected one between any two")

    @property
    def _parts(self) -> tuple[Schedule, ...]:
        return self.schedules                           # type: ignore[return-value]

    def __call__(self, num_update: int) -> float:
        k = bisect.bisect_left(self.boundaries, num_update)
        return self.schedules[k](num_update - (self.boundaries[k - 1] if k else 0))

    def _many(self, updates: Array) -> Array:
        pieces = np.split(updates, np.searchsorted(updates, self.boundaries, side="right"))
        return np.concatenate([many(schedule, piece - begin) for schedule, piece, begin
                               in zip(self.schedules, pieces, (0, *self.boundaries), strict=True) if len(piece)])


def joined(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Joined:
    """Schedules one after the other: for two, a(n) for n <= boundaries[0], then b(n - boundaries[0])."""
    return Joined(schedules, boundaries)


@dataclass(frozen=True, kw_only=True)
class LRScheduler(Scheduler):
    """A constant rate after the warm-up; base of all schedules with one: subclasses override ``rate``."""

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
        super().__post_init__()
        for name in ("base_lr", "warmup_begin_lr", "warmup_steps"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} is negative")
        require(self.warmup_begin_lr <= self.base_lr,
                f"warmup_begin_lr={self.warmup_begin_lr} is above base_lr={self.base_lr}")
        require_word("warmup_mode", self.warmup_mode, "linear", "constant")

    def __call__(self, num_update: int) -> float:
        """The learning rate of update ``num_update``."""
        if num_update >= self.warmup_steps:
            return float(self.rate(num_update))
        if self.warmup_mode == "constant":
            return self.warmup_begin_lr
        return self.warmup_begin_lr + (self.base_lr - self.warmup_begin_lr) * num_update / self.warmup_steps

    def _many(self, updates: Array) -> Array:
        if updates[0] < self.warmup_steps:
            return super()._many(updates)
        return np.broadcast_to(np.asarray(self.rate(updates), float), updates.shape)

    def rate(self, num_update: Updates) -> Rates:
        """The learning rate of an update after the warm-up; those of this library take arrays of them, too."""
        return self.base_lr


class ConstantScheduler(LRScheduler):
    """base_lr, after the warm-up."""
