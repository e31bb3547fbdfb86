"""What nobody comes in between: a step of an optimizer, when the process forks too, and changes made in one call."""
import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Any

_living: "list[weakref.ref[Any]]" = []             # no WeakSet: what a signal's handler raises in its callbacks is lost
_enough = 64                                       # how many there may be before the dead are dropped
_listing = threading.RLock()                       # of these, and of _held
_held: list[Any] = []                              # during a fork


def lock() -> Any:
    """A lock that its thread may take again, and that is free in the children of a process that forks."""
    global _enough
    made = threading.RLock()
    with _listing:
        if len(_living) >= _enough:
            _living[:] = [each for each in _living if each() is not None]
            _enough = max(64, 2 * len(_living))
        _living.append(weakref.ref(made))
    return made


def at_once(*changes: tuple[dict[str, Any], Mapping[str, Any]]) -> None:
    """Update dicts, all in one call: no other thread of Python, and no handler of a signal, sees some of it."""
    deque(map(dict.update, *zip(*changes, strict=True)), 0)


def _hold() -> None:
    """All or none: with some in hand, waiting for one could be waiting for a thread that wants those."""
    _listing.acquire()
    while (busy := _first_busy()) is not None:
        _release()
        with busy:
            pass
        _listing.acquire()


def _first_busy() -> Any:
    for each in filter(None, [reference() for reference in _living]):
        if not each.acquire(blocking=False):
            return each
        _held.append(each)
    return None


def _release() -> None:
    while _held:
        _held.pop().release()
    _listing.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
