"""Hyper-parameters and options as attributes of optimizers, checked when set."""
import inspect
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from numoptim.rule.hyperparameters import COMMON, Hyper, checked

if TYPE_CHECKING:
    from .base import Optimizer

Options = dict[str, tuple[Any, Callable[[Any], bool], str]]
"""Keyword: default, check, what the check accepts."""


class HyperParameter:
    """A hyper-parameter as an attribute: checked when set, None standing for an infinite default."""

    def __init__(self, default: float, interval: str) -> None:
        self.default, self.interval = default, interval

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: "Optimizer | None", owner: type) -> Any:
        if optimizer is None:
            return self
        value = optimizer._values[self.name]
        return None if abs(value) == float("inf") else value

    def __set__(self, optimizer: "Optimizer", value: Any) -> None:
        optimizer._change(optimizer._values, **{self.name: checked(self.name, value, self.default, self.interval)})


class Option:
    """An option as an attribute: checked when set."""

    def __init__(self, name: str, accepts: Callable[[Any], bool], accepted: str) -> None:
        self.name, self.accepts, self.accepted = name, accepts, accepted

    def __get__(self, optimizer: "Optimizer | None", owner: type) -> Any:
        return self if optimizer is None else vars(optimizer)[self.name]

    def __set__(self, optimizer: "Optimizer", value: Any) -> None:
        if not self.accepts(value):
            raise ValueError(f"{self.name}={value!r}: expected {self.accepted}")
        optimizer._change(vars(optimizer), **{self.name: value.item() if isinstance(value, np.generic) else value})


def check_class(cls: type, base: type) -> None:
    """TypeError for a subclass of the optimizer ``base`` with what would have no effect, or would not last."""
    if cls.__basicsize__ != base.__basicsize__ or cls.__itemsize__:
        raise TypeError(f"{cls.__name__} keeps more than attributes, by __slots__ or a base such as dict, which its "
                        "copies and states would lack: keep all in attributes")
    check_seen(cls, [name for name, x in vars(base).items() if isinstance(x, HyperParameter)])
    for name, found in vars(base).items():
        if isinstance(found, property) and not hasattr(getattr(cls, name), "__get__"):
            raise _hidden(cls, name, getattr(cls, name))


def check_seen(cls: type, names: Iterable[str]) -> None:
    """TypeError for a class with something else in the place of a hyper-parameter or option."""
    for name in names:
        found = getattr(cls, name, None)
        if found is not None and not isinstance(found, (HyperParameter, Option)):
            raise _hidden(cls, name, found)


def keywords_of(cls: Any, base: type, fields: Hyper) -> inspect.Signature:
    """What a class that applies rules with these hyper-parameters is made with, besides what ``base`` has."""
    def shown(default: float) -> float | None:
        return None if math.isinf(default) else default
    common = [p for p in inspect.signature(base).parameters.values() if p.kind is p.KEYWORD_ONLY
              and (cls._rated or p.name not in ("learning_rate", "lr_scheduler"))]
    defaults = {**({"learning_rate": cls.default_learning_rate} if cls._rated else {}),
                **{key: shown(default) for key, (default, _) in cls.hyper.items()},
                **{key: default for key, (default, *_) in cls.options.items()},
                "schedules": None, **{p.name: p.default for p in common if p.name != "learning_rate"},
                **{key: shown(fields[key][0]) for key in COMMON.keys() & fields}}
    return inspect.Signature([inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=value)
                              for key, value in defaults.items()])


def check_made(optimizer: "Optimizer") -> None:
    """TypeError where a subclass has not called its base's ``__init__``."""
    if "_wd_mult" not in vars(optimizer):                   # made last there
        raise TypeError(f"{type(optimizer).__name__}.__init__ did not call super().__init__(**keywords)")


def check_rated(optimizer: "Optimizer", needed: bool) -> None:
    """ValueError where a learning rate is needed and the optimizer's rule has none."""
    if needed and not optimizer._rated:
        raise ValueError(f"{type(optimizer).__name__} has no learning rate: lr_mult can be 0, which freezes, or 1")


def _hidden(cls: type, name: str, found: object) -> TypeError:
    return TypeError(f"{cls.__name__}.{name} = {found!r} in the class has no effect: it is a keyword, "
                     f"super().__init__({name}=...)")
