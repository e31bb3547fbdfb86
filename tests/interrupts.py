"""Interrupts wherever Python could run a signal's handler."""
import itertools
import sys
from pathlib import Path

import numoptim

PACKAGE = str(Path(numoptim.__file__).parent)


class Interrupted(BaseException):
    """What the handler of a signal raised."""


def interrupt(prepared):
    raise Interrupted


def everywhere(prepare, call, check, handler=interrupt):
    """``call(prepare())`` with ``handler(prepared)`` before each line of numoptim's that it runs, one after the other.

    After each, ``check(prepared)``; returns the number of interrupts, the call without one included.
    """
    for k in itertools.count():
        prepared = prepare()
        seen = itertools.count()

        def trace(frame, event, argument, k=k, seen=seen, prepared=prepared):
            if event in ("line", "return") and next(seen) == k:
                sys.settrace(None)
                handler(prepared)
            return trace

        def enter(frame, event, argument, trace=trace):
            return trace if frame.f_code.co_filename.startswith(PACKAGE) else None

        before = sys.gettrace()
        sys.settrace(enter)
        try:
            call(prepared)
        except Interrupted:
            pass
        finally:
            sys.settrace(before)
        check(prepared)
        if next(seen) <= k:                          # the call was over before
            return k + 1
