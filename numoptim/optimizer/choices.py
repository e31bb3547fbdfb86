"""The optimizers whose options choose between rules."""
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from numoptim.native import Pass
from numoptim.rule import Rule, Slot
from numoptim.rules import adam, adamw, dcasgd, ftrl, lbsgd, rmsprop, sgd, signum

from .attributes import Options
from .base import add
from .rule_optimizer import RuleOptimizer


def _is_flag(x: object) -> bool:
    return isinstance(x, (bool, np.bool_))


def _counts_from(low: int) -> Callable[[Any], bool]:
    return lambda x: isinstance(x, (int, np.integer)) and bool(low <= x < 2**31)


FLAG = (_is_flag, "True or False")
POSITIVE = (_counts_from(1), "an integer of 1 to 2**31 - 1")
NATURAL = (_counts_from(0), "an integer of 0 to 2**31 - 1")


class ByMomentum(RuleOptimizer):
    """Of two rules, the second where there is momentum."""

    momentum: float

    @property
    def rule(self) -> Rule:
        return self.rules[self.momentum != 0]


@add
class SGD(ByMomentum):
    __doc__ = sgd.__doc__
    rules = (sgd.RULE, sgd.MOMENTUM)


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


@add
class RMSProp(RuleOptimizer):
    __doc__ = rmsprop.__doc__
    rules = (rmsprop.RULE, rmsprop.CENTERED)
    options: ClassVar[Options] = {"centered": (False, *FLAG)}
    centered: bool

    @property
    def rule(self) -> Rule:
        return rmsprop.CENTERED if self.centered else rmsprop.RULE


@add
class Ftrl(RuleOptimizer):
    __doc__ = ftrl.__doc__
    rules = (ftrl.RULE,)
    options: ClassVar[Options] = {"warm_start": (False, *FLAG)}
    warm_start: bool

    def _has_init(self) -> bool:
        return bool(self.warm_start)


@add
class LBSGD(RuleOptimizer):
    __doc__ = lbsgd.__doc__
    rules = (sgd.RULE, sgd.MOMENTUM, lbsgd.LARS)
    options: ClassVar[Options] = {
        "warmup_strategy": ("linear", lambda x: x in LBSGD.strategies, "'linear', 'power2', 'sqrt' or 'lars'"),
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
