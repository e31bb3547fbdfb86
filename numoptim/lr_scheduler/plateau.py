"""A schedule that is told a metric."""
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple, SupportsFloat

from numoptim.rule.hyperparameters import checked

from .base import Scheduler, require, require_word


class Observed(NamedTuple):
    """What observations have left."""

    rate: float
    best: float
    bad: int            # observations since the best one, or since the end of the latest cooldown
    cooling: int        # observations that are left of a cooldown


@dataclass(frozen=True, eq=False)
class Plateau(Scheduler):
    """base_lr, times factor whenever more than ``patience`` observations in a row were no better than the best.

    ``plateau.observe(loss)`` tells it a metric, and the next step has the rate that this leaves. The rules are those of
    torch's ReduceLROnPlateau. Better is below best*(1 - threshold) ("rel") or best - threshold ("abs"), with mode="max"
    above best*(1 + threshold) or best + threshold; NaN is not. In the cooldown observations after a reduction none is
    counted. The rate is at least min_lr, and a reduction by eps or less is none.

    A Trainer saves and loads what observations have left. A Plateau equals itself alone.
    """

    base_lr: float = 0.01
    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    eps: float = 1e-8
    observed: Observed = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_word("mode", self.mode, "min", "max")
        require_word("threshold_mode", self.threshold_mode, "rel", "abs")
        require(0 < self.factor < 1, f"factor={self.factor}: expected (0, 1)")
        for name in ("base_lr", "patience", "threshold", "cooldown", "min_lr", "eps"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name)} is negative")
        require(self.min_lr <= self.base_lr, f"min_lr={self.min_lr} is above base_lr={self.base_lr}")
        vars(self)["observed"] = Observed(self.base_lr, math.inf if self.mode == "min" else -math.inf, 0, 0)

    def __call__(self, num_update: int) -> float:
        return self.observed.rate

    def observe(self, metric: SupportsFloat) -> None:
        """Take note of a metric: a number, or an array or tensor that is one."""
        if not hasattr(type(metric), "__float__"):
            raise TypeError(f"metric={metric!r}: expected a number")
        value = float(metric)
        rate, best, bad, cooling = self.observed
        if self._better(value, best):
            best, bad = value, 0
        else:
            bad += 1
        if cooling:
            cooling, bad = cooling - 1, 0
        if bad > self.patience:
            lower = max(rate * self.factor, self.min_lr)
            rate, bad, cooling = lower if rate - lower > self.eps else rate, 0, self.cooldown
        vars(self)["observed"] = Observed(rate, best, bad, cooling)         # at once, whatever interrupts this

    def _better(self, value: float, best: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        bar = best * (1 + sign * self.threshold) if self.threshold_mode == "rel" else best + sign * self.threshold
        return value > bar if self.mode == "max" else value < bar

    def _checked(self, observed: Any) -> Observed:
        """What a file says that observations have left. ValueError or TypeError where they cannot have."""
        rate, best, bad, cooling = observed
        if not isinstance(best, float):
            raise TypeError(f"best={best!r}: expected a number")
        return Observed(checked("rate", rate, 0.0, f"[0, {self.base_lr!r}]"), best,
                        int(checked("bad", bad, 0, f"[0, {self.patience}]")),
                        int(checked("cooling", cooling, 0, f"[0, {self.cooldown}]")))
