"""Schedules as the plain values that a file of states holds."""
from dataclasses import fields
from typing import Any

from . import FORESEEN, FunctionScheduler, Plateau
from .base import Schedule, Scheduler, inside

CLASSES = {cls.__name__: cls for cls in (*FORESEEN, Plateau) if cls is not FunctionScheduler}


def plateaus(schedule: Schedule | None) -> list[Plateau]:
    """Those in a schedule, in order."""
    return [each for each in inside(schedule) if isinstance(each, Plateau)]


def as_saved(schedule: Schedule | None) -> Any:
    """A schedule as plain values; "custom" where it is a function of the program's, or has one inside."""
    known = all(each is None or type(each) in CLASSES.values() for each in inside(schedule))
    return _plain(schedule) if known else "custom"


def _plain(value: Any) -> Any:
    if isinstance(value, Scheduler):
        return {"class": type(value).__name__,
                **{field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.init}}
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def of_saved(saved: Any) -> Any:
    """The schedule that ``as_saved`` was given. ValueError or TypeError where that cannot be."""
    if isinstance(saved, tuple):
        return tuple(map(of_saved, saved))
    if not isinstance(saved, dict):
        return saved
    if saved["class"] not in CLASSES:
        raise ValueError(f"its schedule is a {saved['class']!r}")
    return CLASSES[saved["class"]](**{key: of_saved(value) for key, value in saved.items() if key != "class"})
