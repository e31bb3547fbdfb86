"""Schedules whose rate changes at certain updates."""
import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numoptim.native.arrays import Array
from numoptim.rule.hyperparameters import checked

from .base import LRScheduler, Scheduler, increasing, require, require_word
from .elementwise import Rates, Updates, at_least, power


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
        require(self.step >= 1, f"step={self.step}: expected at least 1")
        require(0 < self.factor <= 1, f"factor={self.factor}: expected (0, 1]")
        require(self.stop_factor_lr >= 0, f"stop_factor_lr={self.stop_factor_lr} is negative")

    def rate(self, num_update: Updates) -> Rates:
        steps = at_least(num_update - 1, 0) // self.step
        return at_least(self.base_lr * power(self.factor, steps), self.stop_factor_lr)


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
        object.__setattr__(self, "step", increasing("step", self.step))
        require(0 < self.factor <= 1, f"factor={self.factor}: expected (0, 1]")

    def rate(self, num_update: Updates) -> Rates:
        return self.base_lr * power(self.factor, np.searchsorted(self.step, num_update))


@dataclass(frozen=True)
class PiecewiseScheduler(Scheduler):
    """The rates of some updates, {n: rate}, and between them a line ("linear") or the one before ("constant").

    The first holds before it, the last after it. points: a mapping or pairs, in any order; kept as sorted pairs.
    """

    points: Mapping[int, float] | Sequence[tuple[int, float]]
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        pairs = self.points.items() if isinstance(self.points, Mapping) else self.points
        made = tuple(sorted((int(checked("points", n, 0, "[0, inf)")), checked("points", rate, 0.0, "[0, inf)"))
                            for n, rate in pairs))
        require(len(made) > 0 and len(dict(made)) == len(made),
                f"points={list(made)}: expected rates of different update numbers")
        object.__setattr__(self, "points", made)
        require_word("interpolation", self.interpolation, "linear", "constant")

    def __call__(self, num_update: int) -> float:
        return float(self._behind(bisect.bisect_right(self.points, (num_update, math.inf)), num_update))

    def _many(self, updates: Array) -> Array:
        points: Sequence[tuple[int, float]] = self.points       # type: ignore[assignment]
        pieces = np.split(updates, np.searchsorted(updates, [n for n, _ in points]))
        return np.concatenate([np.broadcast_to(self._behind(k, piece), piece.shape)
                               for k, piece in enumerate(pieces) if len(piece)])

    def _behind(self, k: int, num_update: Updates) -> Rates:
        """The rates of updates that k of the points are at or before."""
        points: Sequence[tuple[int, float]] = self.points       # type: ignore[assignment]
        n, rate = points[max(k - 1, 0)]
        if self.interpolation == "constant" or k in (0, len(points)):
            return rate
        following, to = points[k]
        return rate + (to - rate) * (num_update - n) / (following - n)
