"""Schedules whose rate falls: for ever, or to final_lr at max_update."""
import math
from dataclasses import dataclass

from .base import LRScheduler, require, require_word
from .elementwise import Rates, Updates, at_least, at_most, cos, power, sqrt, where


@dataclass(frozen=True, kw_only=True, init=False)
class _Endless(LRScheduler):
    """A rate that falls for ever, by factor and k/step, k = n - warmup_steps."""

    step: int
    factor: float

    def __init__(self, step: int, factor: float, base_lr: float = 0.01,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(step=step, factor=factor)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.step >= 1, f"step={self.step}: expected at least 1")


@dataclass(frozen=True, kw_only=True, init=False)
class ExponentialScheduler(_Endless):
    """base_lr * factor**(k/step), k = n - warmup_steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.factor <= 1, f"factor={self.factor}: expected (0, 1]")

    def rate(self, num_update: Updates) -> Rates:
        return self.base_lr * power(self.factor, (num_update - self.warmup_steps) / self.step)


@dataclass(frozen=True, kw_only=True, init=False)
class InverseTimeScheduler(_Endless):
    """base_lr / (1 + factor*k/step), k = n - warmup_steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.factor > 0, f"factor={self.factor}: expected above 0")

    def rate(self, num_update: Updates) -> Rates:
        return self.base_lr / (1 + self.factor * (num_update - self.warmup_steps) / self.step)


@dataclass(frozen=True, kw_only=True)
class InverseSqrtScheduler(LRScheduler):
    """base_lr * sqrt(warmup_steps/n) after a warm-up, which it must have (Vaswani et al. 2017, section 5.3)."""

    def __init__(self, warmup_steps: int, base_lr: float = 0.01, warmup_begin_lr: float = 0.0,
                 warmup_mode: str = "linear") -> None:
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.warmup_steps >= 1, f"warmup_steps={self.warmup_steps}: expected at least 1")

    def rate(self, num_update: Updates) -> Rates:
        return self.base_lr * sqrt(self.warmup_steps / num_update)


@dataclass(frozen=True, kw_only=True, init=False)
class _Decay(LRScheduler):
    """final_lr + (base_lr - final_lr) * left(p), p running from 0 after the warm-up to 1 at max_update."""

    max_update: int
    final_lr: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.max_update >= 1, f"max_update={self.max_update}: expected at least 1")
        require(self.warmup_steps < self.max_update,
                f"warmup_steps={self.warmup_steps} is not below max_update={self.max_update}")
        require(self.final_lr >= 0, f"final_lr={self.final_lr} is negative")

    def _left(self, p: Rates) -> Rates:
        raise NotImplementedError

    def rate(self, num_update: Updates) -> Rates:
        p = at_most((num_update - self.warmup_steps) / (self.max_update - self.warmup_steps), 1.0)
        return self.final_lr + (self.base_lr - self.final_lr) * self._left(p)


@dataclass(frozen=True, kw_only=True)
class LinearScheduler(_Decay):
    """final_lr + (base_lr - final_lr) * (1 - p), p running from 0 after the warm-up to 1 at max_update."""

    def __init__(self, max_update: int, base_lr: float = 0.01, final_lr: float = 0.0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(max_update=max_update, final_lr=final_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _left(self, p: Rates) -> Rates:
        return 1 - p


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
        require(self.pwr > 0, f"pwr={self.pwr}: expected above 0")

    def _left(self, p: Rates) -> Rates:
        return power(1 - p, self.pwr)


@dataclass(frozen=True, kw_only=True)
class CosineScheduler(_Decay):
    """final_lr + (base_lr - final_lr) * (1 + cos(pi*p))/2, p running from 0 after the warm-up to 1 at max_update."""

    def __init__(self, max_update: int, base_lr: float = 0.01, final_lr: float = 0.0,
                 warmup_steps: int = 0, warmup_begin_lr: float = 0.0, warmup_mode: str = "linear") -> None:
        vars(self).update(max_update=max_update, final_lr=final_lr)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def _left(self, p: Rates) -> Rates:
        return (1 + cos(math.pi * p)) / 2


@dataclass(frozen=True, kw_only=True)
class WSDScheduler(_Decay):
    """Warm-up, stable, decay: base_lr until the last decay_steps before max_update (Hu et al. 2024).

    There final_lr + (base_lr - final_lr) * s, p running from 0 to 1: s is 1 - p ("linear"), 1 - sqrt(p) ("sqrt") or
    (1 + cos(pi*p))/2 ("cosine").
    """

    decay_steps: int
    decay: str = "linear"

    def __init__(self, max_update: int, decay_steps: int, base_lr: float = 0.01, final_lr: float = 0.0,
                 decay: str = "linear", warmup_steps: int = 0, warmup_begin_lr: float = 0.0,
                 warmup_mode: str = "linear") -> None:
        vars(self).update(max_update=max_update, decay_steps=decay_steps, final_lr=final_lr, decay=decay)
        super().__init__(base_lr, warmup_steps, warmup_begin_lr, warmup_mode)

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.decay_steps >= 1, f"decay_steps={self.decay_steps}: expected at least 1")
        require(self.warmup_steps + self.decay_steps <= self.max_update,
                f"warmup_steps={self.warmup_steps} and decay_steps={self.decay_steps} are together above "
                f"max_update={self.max_update}")
        require_word("decay", self.decay, "linear", "sqrt", "cosine")

    def rate(self, num_update: Updates) -> Rates:
        stable = self.max_update - self.decay_steps
        p = at_most(at_least((num_update - stable) / self.decay_steps, 0.0), 1.0)
        return where(num_update <= stable, self.base_lr,
                     self.final_lr + (self.base_lr - self.final_lr) * self._left(p))

    def _left(self, p: Rates) -> Rates:
        if self.decay == "cosine":
            return (1 + cos(math.pi * p)) / 2
        return 1 - (sqrt(p) if self.decay == "sqrt" else p)
