"""A small crew of persistent threads for calls that release the GIL."""
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

Job = tuple[Any, ...]


def available() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Crew:
    """Runs jobs on the calling thread and up to ``helpers`` others.

    Safe after a fork (the child starts helpers of its own) and from several threads at once (while the
    helpers are busy, other callers work alone).
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._busy = threading.Lock()
        self._helpers: list[_Helper] = []

    def run(self, function: Callable[..., object], jobs: Iterable[Job], helpers: int) -> None:
        """Call ``function(*job)`` for every job, in no fixed order; returns when all are done."""
        queue = deque(jobs)
        if not self._busy.acquire(blocking=False):
            _drain(function, queue)
            return
        called: list[_Helper] = []
        try:
            while len(self._helpers) < helpers:
                self._helpers.append(_Helper())
            for helper in self._helpers[:helpers]:
                helper.start(function, queue)
                called.append(helper)
            _drain(function, queue)
        finally:
            for helper in called:
                helper.wait()
            self._busy.release()


class _Helper:
    """One thread, asleep between calls. Raw locks wake it faster than conditions or queues do."""

    def __init__(self) -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        self._work: tuple[Callable[..., object], deque[Job]] | None = None
        threading.Thread(target=self._serve, name="numoptim", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._go.acquire()
            try:
                if self._work is not None:
                    _drain(*self._work)
            finally:
                self._work = None
                self._done.release()

    def start(self, function: Callable[..., object], queue: deque[Job]) -> None:
        self._work = function, queue
        self._go.release()

    def wait(self) -> None:
        self._done.acquire()


def _drain(function: Callable[..., object], queue: deque[Job]) -> None:
    while True:
        try:
            job = queue.popleft()
        except IndexError:
            return
        function(*job)


CREW = Crew()
