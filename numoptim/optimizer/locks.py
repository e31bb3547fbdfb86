"""The locks of optimizers: one step at a time, and none in the middle of one when the process forks."""
import os
import threading
import weakref
from typing import Any

_living: "weakref.WeakSet[Any]" = weakref.WeakSet()
_held: list[Any] = []                              # during a fork


def lock() -> Any:
    """A lock that its thread may take again, and that is free in the children of a process that forks."""
    made = threading.RLock()
    _living.add(made)
    return made


def _hold() -> None:
    for each in list(_living):
        each.acquire()
        _held.append(each)


def _release() -> None:
    while _held:
        _held.pop().release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
