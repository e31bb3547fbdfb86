"""Learning-rate schedules: pure functions of the update number n = 1, 2, ..., the step being made.

Source
    Apache MXNet's lr_scheduler, whose objects change when called; these do not. Arguments have its order.

Every LRScheduler takes base_lr and a warm-up: while n < warmup_steps, the rate is warmup_begin_lr ("constant")
or runs linearly from it to base_lr ("linear"). ValueError for values that contradict each other. A subclass overrides
``rate``; as a dataclass it may add fields, and takes those of its base by keyword.

``a * b`` and ``a * 0.5`` are schedules too, as are ``a.shifted(k)``, a(n + k), and ``joined([a, b], [n0])``: a(n) for
n <= n0, then b(n - n0). Plain functions may take part. A ``Plateau`` alone is no function of n: it is told a metric.
"""
from dataclasses import fields, is_dataclass, replace

import numpy as np

from numoptim.native.arrays import Array

from .base import (
    ConstantScheduler,
    FunctionScheduler,
    Joined,
    LRScheduler,
    Product,
    Schedule,
    Scheduler,
    Shifted,
    inside,
    joined,
    many,
)
from .cycles import CosineRestartScheduler, CyclicScheduler, OneCycleScheduler
from .decay import (
    CosineScheduler,
    ExponentialScheduler,
    InverseSqrtScheduler,
    InverseTimeScheduler,
    LinearScheduler,
    PolyScheduler,
    WSDScheduler,
)
from .plateau import Plateau
from .steps import FactorScheduler, MultiFactorScheduler, PiecewiseScheduler

__all__ = [
    "ConstantScheduler", "CosineRestartScheduler", "CosineScheduler", "CyclicScheduler", "ExponentialScheduler",
    "FactorScheduler", "FunctionScheduler", "InverseSqrtScheduler", "InverseTimeScheduler", "Joined",
    "LRScheduler", "LinearScheduler", "MultiFactorScheduler", "OneCycleScheduler", "PiecewiseScheduler", "Plateau",
    "PolyScheduler", "Product", "Scheduler", "Shifted", "WSDScheduler", "joined"]

FORESEEN = (
    LRScheduler, ConstantScheduler, FactorScheduler, MultiFactorScheduler, PiecewiseScheduler, ExponentialScheduler,
    InverseTimeScheduler, InverseSqrtScheduler, LinearScheduler, PolyScheduler, CosineScheduler, WSDScheduler,
    OneCycleScheduler, CosineRestartScheduler, CyclicScheduler, FunctionScheduler, Joined, Product, Shifted)


def based(schedule: Schedule, base_lr: float) -> Schedule:
    """A schedule's copy with another base_lr. ValueError where it has none, or what its copy would lose."""
    if isinstance(schedule, Plateau):
        raise ValueError("learning_rate beside a Plateau, whose copy nobody would tell a metric: give it its base_lr")
    if not isinstance(schedule, Scheduler) or not hasattr(schedule, "base_lr"):
        raise ValueError("learning_rate beside an lr_scheduler that has no base_lr: give one of them")
    own = vars(schedule).keys() - {field.name for field in fields(schedule)}
    made = next(cls for cls in type(schedule).__mro__ if is_dataclass(cls) and "__dataclass_fields__" in vars(cls))
    if own or type(schedule).__init__ is not made.__init__:
        raise ValueError(f"learning_rate beside a {type(schedule).__name__}, which is made by an __init__ of its own: "
                         "give it its base_lr there")
    return replace(schedule, base_lr=base_lr)          # type: ignore[call-arg]


def foreseen(schedule: Schedule, begin: int, count: int) -> Array | None:
    """What a schedule of these classes says of ``count`` updates from ``begin`` on; None of another, and of one with
    another inside, which may not be asked before the time, nor twice, or that fails in one of them.
    """
    if not all(type(each) in FORESEEN for each in inside(schedule)):
        return None
    try:
        with np.errstate(all="ignore"):
            return np.ascontiguousarray(many(schedule, np.arange(begin, begin + count)))
    except Exception:                                  # it says so when that update comes
        return None
