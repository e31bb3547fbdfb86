"""Schedules of hyper-parameters other than the learning rate."""
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from numoptim.face.names import nearest, some
from numoptim.lr_scheduler import Plateau
from numoptim.lr_scheduler.base import Schedule, check_called, inside
from numoptim.rule.hyperparameters import checked

from .attributes import HyperParameter


class Schedules:
    """A table {hyper-parameter: ``f(num_update)``} for one class of optimizers, which does not change later.

    TypeError for what is no such table, ValueError for what cannot follow a schedule.
    """

    def __init__(self, cls: type, table: Mapping[str, Schedule]) -> None:
        if not isinstance(table, Mapping):
            raise TypeError(f"schedules={table!r}: expected a mapping, {{hyper-parameter: function of update number}}")
        known = {key: found for key, found in numbers_of(cls).items() if not isinstance(found.default, int)}
        for key, schedule in table.items():
            if key == "learning_rate":
                raise ValueError("schedules: that of the learning rate is lr_scheduler")
            if key not in known:
                raise ValueError(f"schedules: {key!r} is none of {cls.__name__}'s numbers{nearest(str(key), known)}")
            check_taken(cls, "schedules", key)
            check_schedule(cls, f"schedules[{key!r}]", key, schedule)
        self.table = MappingProxyType(dict(table))
        self._known = {key: known[key] for key in table}

    def of(self, key: str, num_update: int) -> float:
        """What a schedule says of an update; TypeError or ValueError for what the hyper-parameter cannot be."""
        known = self._known[key]
        return checked(key, self.table[key](num_update), known.default, known.interval)

    def check_read(self, name: str, fields: Mapping[str, object]) -> None:
        """ValueError for a number that the rule of this name does not have."""
        idle = [key for key in self.table if key not in fields]
        if idle:
            raise ValueError(f"schedules: {some(idle)} would have no effect: the options choose the rule {name!r}, "
                             f"which has {some(fields, str)}")

    def __reduce__(self) -> tuple[object, ...]:
        return _made, (self._known, dict(self.table))


def numbers_of(cls: Any) -> dict[str, HyperParameter]:
    """The hyper-parameters of a class of optimizers, but the learning rate."""
    return {name: found for name in dir(cls) if isinstance(found := getattr(cls, name), HyperParameter)}


def check_taken(cls: Any, what: str, key: str) -> None:
    """ValueError for a hyper-parameter that a class has only by its base's name."""
    if numbers_of(cls)[key].interval == "[0, 0]":
        raise ValueError(f"{what}: {cls.__name__} takes no {key}")


def check_schedule(cls: Any, what: str, key: str, schedule: Schedule) -> None:
    """TypeError or ValueError for what no hyper-parameter ``key`` of a class can follow."""
    if key in cls.lasting:
        raise ValueError(f"{what}: {cls.__name__}'s {key} holds for a whole run")
    check_called(what, schedule)
    if any(isinstance(each, Plateau) for each in inside(schedule)):
        raise ValueError(f"{what}: a Plateau is a learning rate's, that of lr_scheduler")


def _made(known: dict[str, HyperParameter], table: dict[str, Schedule]) -> Schedules:
    made = object.__new__(Schedules)
    made.table, made._known = MappingProxyType(table), known
    return made
