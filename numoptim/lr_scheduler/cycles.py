"""Schedules that go up and down: once, or again and again."""
import itertools
import math
from dataclasses import dataclass

import numpy as np

from numoptim.native.arrays import Array
from numoptim.rule.hyperparameters import checked

from .base import LRScheduler, Scheduler, require, require_word
from .elementwise import Rates, Updates, at_least, at_most, cos, power, where


@dataclass(frozen=True)
class OneCycleScheduler(Scheduler):
    """Up to base_lr and down again, in max_update updates (Smith & Topin 2018).

    From base_lr/div_factor to base_lr, the peak, in the first pct_start of them, and in the rest to
    base_lr/(div_factor*final_div_factor); with three_phase first back to base_lr/div_factor, in as many updates as the
    rise took. Phases are halves of a cosine, or lines ("linear"). At n it is what torch's OneCycleLR is at step n - 1.
    """

    max_update: int
    base_lr: float = 0.01
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4
    anneal: str = "cosine"
    three_phase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.max_update >= 1, f"max_update={self.max_update}: expected at least 1")
        require(self.base_lr >= 0, f"base_lr={self.base_lr} is negative")
        most = 0.5 if self.three_phase else 1
        require(0 <= self.pct_start <= most, f"pct_start={self.pct_start}: expected [0, {most}]")
        require(self.div_factor >= 1, f"div_factor={self.div_factor}: expected at least 1")
        require(self.final_div_factor > 0, f"final_div_factor={self.final_div_factor}: expected above 0")
        require_word("anneal", self.anneal, "cosine", "linear")
        require(self.three_phase in (True, False), f"three_phase={self.three_phase!r}: expected True or False")
        object.__setattr__(self, "three_phase", bool(self.three_phase))

    def __call__(self, num_update: Updates) -> Rates:
        n, low, peak = at_most(num_update, self.max_update), self.base_lr / self.div_factor, self.base_lr
        rate, rise = low / self.final_div_factor, self.pct_start * self.max_update
        back = [(2 * rise - 1, low)] if self.three_phase else []
        phases = itertools.pairwise([(1.0, low), (rise, peak), *back, (self.max_update, rate)])
        for (begin, origin), (end, to) in reversed(list(phases)):
            p = at_most(at_least(n - begin, 0) / (end - begin), 1.0) if end > begin else 1.0
            left = 1 - p if self.anneal == "linear" else (1 + cos(math.pi * p)) / 2
            rate = where(n <= end, to + (origin - to) * left, rate)
        return rate

    def _many(self, updates: Array) -> Array:
        return np.asarray(self(updates))


@dataclass(frozen=True, kw_only=True)
class CosineRestartScheduler(LRScheduler):
    """final_lr + (base_lr - final_lr) * (1 + cos(pi*p))/2, p running from 0 to 1 in each period (SGDR).

    Loshchilov & Hutter 2017. Each period is period_factor times as long as the one before; the first begins with update
    warmup_steps + 1. At n it is, without a warm-up, what torch's CosineAnnealingWarmRestarts is at step n - 1.
    """

    period: int
    period_factor: int = 1
    final_lr: float = 0.0

    def __init__(self, period: int, base_lr: float = 0.01, period_factor: int = 1, final_lr: float = 0.0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(period=period, period_factor=period_factor, final_lr=final_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.period >= 1, f"period={self.period}: expected at least 1")
        require(self.period_factor >= 1, f"period_factor={self.period_factor}: expected at least 1")
        require(self.final_lr >= 0, f"final_lr={self.final_lr} is negative")

    def _many(self, updates: Array) -> Array:
        small = self.period_factor < 2**20 and updates[-1] < 2**40         # so that an int64 holds a period
        return super()._many(updates) if small else Scheduler._many(self, updates)

    def rate(self, num_update: Updates) -> Rates:
        t, period = at_least(num_update - self.warmup_steps - 1, 0), self.period
        if self.period_factor == 1:
            t = t % period
        while not np.all(t < period):
            t, period = where(t < period, t, t - period), where(t < period, period, period * self.period_factor)
        return self.final_lr + (self.base_lr - self.final_lr) * (1 + cos(math.pi * t / period)) / 2


@dataclass(frozen=True, kw_only=True)
class CyclicScheduler(LRScheduler):
    """From base_lr to max_lr in step_up updates and back in step_down (None: as many), again and again (Smith 2017).

    The height of a triangle is halved from each to the next ("triangular2"), or gamma**(n - 1) of it is left
    ("exp_range"). The first begins with update warmup_steps + 1. At n it is, without a warm-up, what torch's CyclicLR
    is at step n - 1.
    """

    step_up: int
    max_lr: float
    step_down: int | None = None
    mode: str = "triangular"
    gamma: float = 1.0

    def __init__(self, step_up: int, max_lr: float, base_lr: float = 0.01, step_down: int | None = None,
                 mode: str = "triangular", gamma: float = 1.0, warmup_steps: int = 0, warmup_begin_lr: float = 0.0,
                 warmup_mode: str = "linear") -> None:
        vars(self).update(step_up=step_up, max_lr=max_lr, step_down=step_down, mode=mode, gamma=gamma)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.step_up >= 1, f"step_up={self.step_up}: expected at least 1")
        require(self.max_lr >= self.base_lr, f"max_lr={self.max_lr} is below base_lr={self.base_lr}")
        if self.step_down is not None:
            object.__setattr__(self, "step_down", int(checked("step_down", self.step_down, 1, "[1, inf)")))
        require_word("mode", self.mode, "triangular", "triangular2", "exp_range")
        require(0 < self.gamma <= 1, f"gamma={self.gamma}: expected (0, 1]")
        require(self.gamma == 1 or self.mode == "exp_range", f"gamma={self.gamma} goes with mode='exp_range'")

    def rate(self, num_update: Updates) -> Rates:
        t, up, down = at_least(num_update - self.warmup_steps - 1, 0), self.step_up, self.step_down or self.step_up
        cycle, at = divmod(t, up + down)
        height = where(at <= up, at / up, (up + down - at) / down)
        if self.mode == "triangular2":
            height = height * power(0.5, cycle)
        elif self.mode == "exp_range":
            height = height * power(self.gamma, t)
        return self.base_lr + (self.max_lr - self.base_lr) * height
