"""A small crew of persistent threads for calls that release the GIL."""
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

Job = tuple[Any, ...]


def available() -> int:
    """Processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Work(NamedTuple):
    """Calls still to make, the results of those made and what helpers raised. Any thread may drain it."""

    function: Callable[..., int]
    jobs: deque[Job]
    results: list[int]
    errors: list[BaseException]

    def drain(self) -> None:
        while True:
            try:
                job = self.jobs.popleft()
            except IndexError:
                return
            self.results.append(self.function(*job))


class Crew:
    """Runs jobs on the calling thread and some persistent others.

    Safe after a fork (the child starts helpers of its own) and from several threads at once (while the
    helpers are busy, other callers work alone).
    """

    def __init__(self) -> None:
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._busy = threading.Lock()
        self._helpers: list[Helper] = []

    def run(self, function: Callable[..., int], jobs: Iterable[Job], helpers: int) -> list[int]:
        """Call ``function(*job)`` for every job, with up to ``helpers`` other threads; results in no fixed order."""
        work = Work(function, deque(jobs), [], [])
        if not self._busy.acquire(blocking=False):
            work.drain()
            return work.results
        called: list[Helper] = []
        try:
            while len(self._helpers) < helpers:
                self._helpers.append(Helper())
            for helper in self._helpers[:helpers]:
                helper.start(work)
                called.append(helper)
            work.drain()
        finally:
            for helper in called:
                helper.wait()
            self._busy.release()
        if work.errors:
            raise work.errors[0]
        return work.results


class Helper:
    """One thread, asleep between calls. Raw locks wake it faster than conditions or queues do."""

    def __init__(self) -> None:
        self._go, self._done = threading.Lock(), threading.Lock()
        self._go.acquire()
        self._done.acquire()
        threading.Thread(target=self._serve, name="numoptim", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._go.acquire()
            try:
                self._work.drain()
            except BaseException as error:
                self._work.errors.append(error)
            finally:
                self._done.release()

    def start(self, work: Work) -> None:
        self._work = work
        self._go.release()

    def wait(self) -> None:
        self._done.acquire()


CREW = Crew()
