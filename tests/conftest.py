"""Fixtures, and the directory that ``reference`` is imported from."""
import pytest

from numoptim import native


@pytest.fixture
def split(monkeypatch):
    """Make trainers split buffers of any size among threads; a list that tells how many pieces each call had."""
    pieces, run = [], native.CREW.run

    def spy(function, jobs, helpers):
        pieces.append(len(jobs))
        return run(function, jobs, helpers)

    monkeypatch.setattr(native, "SERIAL_BELOW", 2)
    monkeypatch.setattr(native.CREW, "run", spy)
    return pieces
