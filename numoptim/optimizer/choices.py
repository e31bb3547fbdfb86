"""The optimizers whose options choose between rules, or where slots begin."""
import math
import sys
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Never

import numpy as np

from numoptim.lr_scheduler.base import Schedule
from numoptim.native.plan import Pass
from numoptim.rule import Rule, Slot
from numoptim.rules import adagrad, adam, adamw, dcasgd, ftrl, lbsgd, nag, rmsprop, rprop, schedule_free, sgd, signum

from .attributes import HyperParameter, Options
from .base import add
from .rule_optimizer import RuleOptimizer


def _is_flag(x: object) -> bool:
    return isinstance(x, (bool, np.bool_))


def _counts_from(low: int) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, (int, np.integer)) and bool(low <= x < 2**31)


def _is_start(x: object) -> bool:
    x = x.item() if isinstance(x, np.generic) else x
    return isinstance(x, (int, float)) and 0 <= x <= sys.float_info.max


FLAG = (_is_flag, "True or False")
POSITIVE = (_counts_from(1), "an integer of 1 to 2**31 - 1")
NATURAL = (_counts_from(0), "an integer of 0 to 2**31 - 1")
START = (_is_start, "a finite number of 0 or more")


class ByMomentum(RuleOptimizer):
    """Of two rules, the second where there is momentum."""

    momentum: float

    @property
    def rule(self) -> Rule:
        return self.rules[self.momentum != 0]


@add
class SGD(RuleOptimizer):
    __doc__ = sgd.__doc__
    rules = (sgd.RULE, sgd.MOMENTUM, sgd.RATE_OUTSIDE)
    options: ClassVar[Options] = {"rate_in_velocity": (True, *FLAG)}
    momentum: float
    dampening: float
    rate_in_velocity: bool

    @property
    def rule(self) -> Rule:
        if self.dampening and (self.rate_in_velocity or not self.momentum):
            raise ValueError(f"SGD: dampening={self.dampening} needs momentum and rate_in_velocity=False; "
                             f"momentum={self.momentum}, rate_in_velocity={self.rate_in_velocity}")
        if not self.momentum:
            return sgd.RULE
        return sgd.MOMENTUM if self.rate_in_velocity else sgd.RATE_OUTSIDE


@add
class NAG(RuleOptimizer):
    __doc__ = nag.__doc__
    rules = (nag.RULE, nag.RATE_OUTSIDE)
    options: ClassVar[Options] = {"rate_in_velocity": (True, *FLAG)}
    rate_in_velocity: bool

    @property
    def rule(self) -> Rule:
        return nag.RULE if self.rate_in_velocity else nag.RATE_OUTSIDE


@add
class Signum(ByMomentum):
    __doc__ = signum.__doc__
    rules = (signum.SIGNSGD, signum.RULE)


@add
class DCASGD(ByMomentum):
    __doc__ = dcasgd.__doc__
    rules = (dcasgd.RULE, dcasgd.MOMENTUM)


class ByAmsgrad(RuleOptimizer):
    """Of two rules, the second with ``amsgrad``."""

    options: ClassVar[Options] = {"amsgrad": (False, *FLAG)}
    amsgrad: bool

    @property
    def rule(self) -> Rule:
        return self.rules[self.amsgrad]


@add
class Adam(ByAmsgrad):
    __doc__ = adam.__doc__
    rules = (adam.RULE, adam.AMSGRAD)


@add
class AdamW(ByAmsgrad):
    __doc__ = adamw.__doc__
    rules = (adamw.RULE, adamw.AMSGRAD)


class Accumulating(RuleOptimizer):
    """Its second moment, n or s, begins at ``initial``."""

    options: ClassVar[Options] = {"initial": (0.0, *START)}
    initial: float

    def _starts(self) -> Mapping[str, float]:
        return {"n": self.initial, "s": self.initial}


@add
class AdaGrad(Accumulating):
    __doc__ = adagrad.__doc__
    rules = (adagrad.RULE,)


@add
class RMSProp(Accumulating):
    __doc__ = rmsprop.__doc__
    rules = (rmsprop.RULE, rmsprop.MOMENTUM, rmsprop.CENTERED)
    options: ClassVar[Options] = {"centered": (False, *FLAG), **Accumulating.options}
    momentum: float
    centered: bool

    @property
    def rule(self) -> Rule:
        if self.centered and self.momentum:
            raise ValueError(f"RMSProp: momentum={self.momentum} has no effect with centered=True, where gamma2 is the "
                             "momentum")
        return rmsprop.CENTERED if self.centered else rmsprop.MOMENTUM if self.momentum else rmsprop.RULE


@add
class Ftrl(Accumulating):
    __doc__ = ftrl.__doc__
    rules = (ftrl.RULE,)
    options: ClassVar[Options] = {"warm_start": (False, *FLAG), **Accumulating.options}
    warm_start: bool

    @property
    def rule(self) -> Rule:
        if self.warm_start and self.initial:
            raise ValueError(f"Ftrl: initial={self.initial} goes without warm_start=True, where n begins at 0")
        return ftrl.RULE

    def _has_init(self) -> bool:
        return bool(self.warm_start)


class ScheduleFree(RuleOptimizer):
    """The weights to evaluate are an average, which w, z and beta give."""

    lasting = ("beta",)
    apart = ("beta", "beta2", "epsilon")

    def _average(self) -> Pass:
        return Pass(schedule_free.AVERAGE, ("w", "z"))


@add
class SGDScheduleFree(ScheduleFree):
    __doc__ = schedule_free.__doc__
    rules = (schedule_free.SGD, schedule_free.AVERAGE)


@add
class AdamWScheduleFree(ScheduleFree):
    __doc__ = schedule_free.__doc__
    rules = (schedule_free.ADAMW, schedule_free.AVERAGE)


@add
class Rprop(RuleOptimizer):
    __doc__ = rprop.__doc__
    rules = (rprop.RULE,)
    lasting = ("learning_rate",)
    wd = HyperParameter(0.0, "[0, 0]")          # would turn signs, and has no say in sizes

    def set_learning_rate(self, lr: object) -> Never:
        raise ValueError("Rprop: learning_rate is the size of the first steps alone, which cannot be changed later")

    @property
    def lr_scheduler(self) -> None:
        return None

    @lr_scheduler.setter
    def lr_scheduler(self, schedule: Schedule | None) -> None:
        if schedule is not None:
            raise ValueError("Rprop: learning_rate is the size of the first steps alone: lr_scheduler has no effect")
        self._lr_scheduler = None

    def _has_init(self) -> bool:
        return self._learning_rate > 0          # else there are no steps to begin with


@add
class LBSGD(RuleOptimizer):
    __doc__ = lbsgd.__doc__
    rules = (sgd.RULE, sgd.MOMENTUM, lbsgd.LARS, lbsgd.ACCUMULATE)
    options: ClassVar[Options] = {
        "warmup_strategy": ("linear", lambda x: isinstance(x, str) and x in LBSGD.strategies,
                            "'linear', 'power2', 'sqrt' or 'lars'"),
        "warmup_epochs": (5, *NATURAL),
        "batch_scale": (1, *POSITIVE),
        "updates_per_epoch": (32, *POSITIVE),
        "begin_epoch": (0, *NATURAL),
        "num_epochs": (60, *NATURAL),
    }
    momentum: float
    warmup_strategy: str
    warmup_epochs: int
    batch_scale: int
    updates_per_epoch: int
    begin_epoch: int
    num_epochs: int
    strategies: ClassVar[dict[str, Callable[[float], float]]] = {
        "linear": lambda x: x, "power2": lambda x: x * x, "sqrt": math.sqrt, "lars": lambda x: 1.0}

    @property
    def rule(self) -> Rule:
        if self.warmup_strategy == "lars":
            return lbsgd.LARS
        return sgd.MOMENTUM if self.momentum else sgd.RULE

    def _slots(self) -> tuple[Slot, ...]:
        return (*super()._slots(), Slot("sum")) if self.batch_scale > 1 else super()._slots()

    def _passes(self) -> tuple[Pass, ...]:
        if self.batch_scale == 1:
            return super()._passes()
        return (Pass(lbsgd.ACCUMULATE, ("sum", "g")),
                Pass(self.rule, ("w", "sum", *self.rule.slots), every=self.batch_scale, since=self.begin_num_update,
                     clears=True, scale=1 / self.batch_scale))

    def _warmup(self, calls: int) -> float:
        """'lars' has its ratio per parameter instead."""
        if calls < 1:
            raise ValueError(f"the state's t is below begin_num_update={self.begin_num_update}, where warm-up begins")
        if self.warmup_strategy == "lars":
            return 1.0
        k, whole = calls + self.begin_epoch * self.updates_per_epoch, self.warmup_epochs * self.updates_per_epoch
        if k >= whole:
            return float(self.batch_scale)
        return 1 + (self.batch_scale - 1) * self.strategies[self.warmup_strategy](k / whole)
