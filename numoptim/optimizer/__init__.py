"""Optimizers by name: ``optimizer.Adam(learning_rate=1e-3)`` or ``optimizer.create("adam", ...)``.

Each class is made from its Rule, but for those of choices.py, whose options choose between rules, or where slots begin.
``register`` adds your own: an Optimizer subclass, or a Rule.
"""
from numoptim.rules import RULES
from numoptim.step.state import State

from .base import Optimizer, create, find
from .base import _registry as _classes
from .choices import (
    DCASGD,
    LBSGD,
    NAG,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    AdamWScheduleFree,
    Ftrl,
    RMSProp,
    Rprop,
    SGDScheduleFree,
    Signum,
)
from .mxnet import Updater, get_updater
from .rule_optimizer import RuleOptimizer, register

__all__ = ["DCASGD", "LBSGD", "NAG", "SGD", "AdaGrad", "Adam", "AdamW", "AdamWScheduleFree", "Ftrl", "Optimizer",
           "RMSProp", "Rprop", "RuleOptimizer", "SGDScheduleFree", "Signum", "State", "Updater", "create", "find",
           "get_updater", "register", *(rule.title for rule in RULES if rule.title)]

for _rule in RULES:
    if _rule.title:
        register(_rule)


def __getattr__(name: str) -> type[RuleOptimizer]:
    """The classes made from rules: Adam, LAMB ... and your own."""
    cls = _classes.get(name.lower())
    if cls is None or cls.__name__ != name:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return cls   # type: ignore[return-value]


def __dir__() -> list[str]:
    return sorted({*__all__, *(cls.__name__ for cls in _classes.values())})
