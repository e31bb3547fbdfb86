"""Fixtures, and the directory that ``reference`` is imported from."""
import ctypes

import pytest

from numoptim import native


def passes(record):
    """The passes (aot/steps.c) of a record, as rows of 9 words."""
    start, length, *_ = (ctypes.c_int64 * 4).from_address(record)
    return [(ctypes.c_int64 * 9).from_address(start + 72 * k) for k in range(length)]


@pytest.fixture
def split(monkeypatch):
    """Make trainers split buffers of any size among threads, as many as on a machine of eight processors; a list of
    (pieces, threads) of every kernel that was."""
    calls, step = [], native.library.extension().step

    def spy(record, t):
        calls.extend((jobs, threads) for kind, *_, jobs, threads in passes(record)
                     if kind == native.plan.KERNEL and jobs > 1)
        return step(record, t)

    monkeypatch.setattr(native.plan, "SERIAL_BELOW", 2)
    monkeypatch.setattr(native.processors, "usable", lambda: 8)
    monkeypatch.setattr(native.library.extension(), "step", spy)
    return calls
