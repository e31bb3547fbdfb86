"""Fixtures, and the directory that ``reference`` is imported from."""
import pytest

from numoptim import native


@pytest.fixture
def split(monkeypatch):
    """Make trainers split buffers of any size among threads; a list of (pieces, threads) of every call that was."""
    calls, run = [], native.extension().run

    def spy(entry, plans, stride, jobs, t, threads):
        if jobs > 1:
            calls.append((jobs, threads))
        return run(entry, plans, stride, jobs, t, threads)

    monkeypatch.setattr(native, "SERIAL_BELOW", 2)
    monkeypatch.setattr(native.extension(), "run", spy)
    return calls
