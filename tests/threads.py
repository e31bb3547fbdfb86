"""Other threads at work while a test runs."""
import threading
from contextlib import contextmanager


class Slow:
    """A file of which each read and write waits for a word."""

    def __init__(self, file):
        self.file, self.reached, self.go = file, threading.Event(), threading.Event()

    def write(self, data):
        self._wait()
        return self.file.write(data)

    def read(self, size=-1):
        self._wait()
        return self.file.read(size)

    def seek(self, *where):
        return self.file.seek(*where)

    def tell(self):
        return self.file.tell()

    def _wait(self):
        self.reached.set()
        assert self.go.wait(60)


@contextmanager
def meanwhile(call):
    """Run ``call`` in another thread until it has ended; it must not fail."""
    errors = []

    def work():
        try:
            call()
        except BaseException as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    yield worker
    worker.join(60)
    assert not worker.is_alive() and errors == []


def step_waits(trainer, file, call):
    """Whether a step of another thread waits until ``call(file)`` is through."""
    with meanwhile(lambda: call(file)):
        assert file.reached.wait(60)
        with meanwhile(lambda: trainer.step(4)) as stepping:
            stepping.join(0.2)
            waits = stepping.is_alive()
            file.go.set()
    return waits


def within(seconds, *functions):
    """Results of functions called at once, each in a thread of its own: a deadlock is a failure."""
    results = [None] * len(functions)

    def call(k):
        try:
            results[k] = functions[k]()
        except BaseException as error:
            results[k] = error

    callers = [threading.Thread(target=call, args=(k,), daemon=True) for k in range(len(functions))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(seconds)
        assert not caller.is_alive(), f"still running after {seconds} s"
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


@contextmanager
def repeating(call):
    """Another thread makes this call all the while, from before the block on."""
    begun, stop = threading.Event(), threading.Event()

    def work():
        while not stop.is_set():
            call()
            begun.set()

    with meanwhile(work):
        try:
            assert begun.wait(60)
            yield
        finally:
            stop.set()


def stepping(trainer):
    """Another thread steps all the while."""
    return repeating(lambda: trainer.step(1))
