"""Interrupts wherever Python runs the handlers of signals: after a call, where a function begins and a loop goes on."""
import dis
import itertools
import sys
from pathlib import Path

import numoptim

BEGIN = -1
WHERE = {BEGIN, *(number for name, number in dis.opmap.items()
                  if name.startswith(("CALL", "JUMP_BACKWARD")) and not name.startswith("CALL_INTRINSIC"))}
PACKAGE = str(Path(numoptim.__file__).parent)


class Interrupted(BaseException):
    """What the handler of a signal raised."""


def interrupt(prepared):
    raise Interrupted


def everywhere(prepare, call, check, handler=interrupt):
    """``call(prepare())`` with ``handler(prepared)`` wherever numoptim's code lets one run, one after the other.

    After each, ``check(prepared)``; returns the number of interrupts, the call without one included.
    """
    for k in itertools.count():
        prepared = prepare()
        seen, latest = itertools.count(), {}

        def trace(frame, event, argument, k=k, seen=seen, latest=latest, prepared=prepared):
            if event == "opcode":
                before, latest[frame] = latest.get(frame, BEGIN), frame.f_code.co_code[frame.f_lasti]
                if before in WHERE and next(seen) == k:
                    sys.settrace(None)
                    latest.clear()
                    handler(prepared)
            return trace

        def enter(frame, event, argument, trace=trace):
            if not frame.f_code.co_filename.startswith(PACKAGE):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return trace

        before = sys.gettrace()
        sys.settrace(enter)
        try:
            call(prepared)
        except Interrupted:
            pass
        finally:
            sys.settrace(before)
            latest.clear()
        check(prepared)
        if next(seen) <= k:                          # the call was over before
            return k + 1
