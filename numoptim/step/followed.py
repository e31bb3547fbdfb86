"""Hyper-parameters that steps set: those that follow schedules, and learning rates and scales of groups."""
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from numoptim.lr_scheduler import foreseen
from numoptim.native.arrays import Array

OF_A_STEP = "learning_rate", "rescale_grad"         # which Plan.fill does not set
AHEAD = 1024            # steps whose numbers are worked out at a time


class Followed(NamedTuple):
    """A hyper-parameter that steps set, of some sets: the optimizer's own, with its key for a name, or a group's."""

    name: Any
    key: str
    say: Callable[[int], float]     # what it is in an update, checked
    schedule: Any                   # None where it is always the same
    sets: Any                       # EVERY, or their numbers


def apart(follows: Iterable[Followed]) -> dict[str, list[int]]:
    """The sets that have a learning rate or a scale of their own."""
    own: dict[str, list[int]] = {}
    for each in follows:
        if each.name is not each.key and each.key in OF_A_STEP:
            own.setdefault(each.key, []).extend(each.sets)
    return own


def foresee(rate: Any, follows: Sequence[Followed], begin: int) -> dict[Any, Array] | None:
    """The numbers that follow schedules, by name, in updates from ``begin`` on; None where one is not to be foreseen.

    rate: the schedule of the learning rate, or None.
    """
    found = {}
    for name, schedule in {"learning_rate": rate, **{each.name: each.schedule for each in follows}}.items():
        if schedule is not None:
            values = foreseen(schedule, begin, AHEAD)
            if values is None:
                return None
            found[name] = values
    return found
