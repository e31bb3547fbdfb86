"""What nobody comes in between: a step of an optimizer, when the process forks too, and changes made in one call."""
import itertools
import os
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from operator import methodcaller
from typing import Any

_living: "list[weakref.ref[Any]]" = []             # no WeakSet: what a signal's handler raises in its callbacks is lost
_enough = 64                                       # how many there may be before the dead are dropped
_listing = threading.RLock()                       # of these, and of _held
_held: list[Any] = []                              # during a fork
_missed: Any = None                                # what its latest attempt waited for in vain


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


def check_outside(lock: Any) -> None:
    """RuntimeError where this thread holds it already: what it makes here would go into what it is making."""
    if lock._is_owned():
        raise RuntimeError("this thread is in the middle of a call of this optimizer: there a "
                           "signal's handler, a schedule or an optimizer's own code may save states and set "
                           "hyper-parameters; steps, updates and loading are for afterwards")


def at_once(*changes: tuple[dict[str, Any], Mapping[str, Any]]) -> None:
    """Update dicts, all in one call: no other thread of Python, and no handler of a signal, sees some of it."""
    deque(map(dict.update, *zip(*changes, strict=True)), 0)


# Each step of what follows is one call, which no handler of a signal comes into: a lock is in _held or is not taken.

def _hold() -> None:
    """Take all of them; what a handler raises meanwhile is told then, as a fork cannot be called off.

    Waiting for one, with others in hand, may be waiting for a thread that wants those: they are given back in time.
    """
    raised = None
    for patience in itertools.chain((0.02, 0.1), itertools.repeat(0.5)):
        try:
            if _listing._is_owned() or _take_all(patience):      # type: ignore[attr-defined]
                break
        except BaseException as error:
            raised = error
        _release()
    if raised is not None:
        raise raised


def _take_all(patience: float) -> bool:
    global _missed
    _held.extend(filter(methodcaller("acquire"), [_listing]))
    locks = [lock for reference in _living if (lock := reference()) is not None]
    if _missed in locks:                            # first, so that no thread takes what this wants while it holds that
        locks.remove(_missed)
        locks.insert(0, _missed)
    for each in locks:
        before = len(_held)
        _held.extend(filter(methodcaller("acquire", timeout=patience), [each]))
        if len(_held) == before:
            _missed = each
            return False
    return True


def _release() -> None:
    if _listing._is_owned():                       # type: ignore[attr-defined]
        deque(map(methodcaller("release"), map(_held.pop, itertools.repeat(-1, len(_held)))), 0)


if hasattr(os, "register_at_fork"):
    for _ in range(2):                             # should a handler have ended one before it began
        os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_release)
