"""A trainer that several threads use: no step is lost, and copies, forks and files of states are of one step."""
import copy
import os
import pickle
import subprocess
import sys
import threading
from functools import partial

import numpy as np
import pytest
from test_whole_steps import content
from threads import Slow, step_waits, stepping, within

from numoptim import Parameters, Trainer


def torn(twin):
    """Whether a twin of a trainer whose weights are 0 - t is of no one step."""
    return not (twin.params.flat == -twin.optimizer.num_update).all()


@pytest.mark.parametrize("way", [copy.deepcopy, copy.copy, lambda trainer: pickle.loads(pickle.dumps(trainer))],
                         ids=["deepcopy", "copy", "pickle"])
def test_a_copy_is_of_one_step(way):
    """While another thread steps; a pickle, which takes its time, says so where it cannot be."""
    trainer = Trainer(Parameters({"w": np.zeros(100_000)}), "sgd", {"learning_rate": 1}, threads=1)
    trainer.params.grad.flat[:] = 1
    refused = 0
    with stepping(trainer):
        for _ in range(40):
            try:
                assert not torn(way(trainer))
            except RuntimeError as error:
                assert "stepped while it was pickled" in str(error)
                refused += 1
    assert refused == 0 or way not in (copy.copy, copy.deepcopy)
    assert not torn(way(trainer))


FORKS = """
import os, signal, threading
import numpy as np
from numoptim import Parameters, Trainer

def made():
    trainer = Trainer(Parameters({"w": np.zeros(300_000)}), "sgd", {"learning_rate": 1}, threads=1)
    trainer.params.grad.flat[:] = 1
    return trainer

def work(trainer):
    while not stop.is_set():
        trainer.step(1)

trainers, stop = [made() for _ in range(4)], threading.Event()
workers = [threading.Thread(target=work, args=(trainer,)) for trainer in trainers]
for worker in workers:
    worker.start()
trainer = trainers[0]
try:
    for _ in range(10):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            assert all((each.params.flat == -each.optimizer.num_update).all() for each in trainers), "torn"
            before = trainer.optimizer.num_update
            trainer.step(1)
            another = threading.Thread(target=trainer.step)
            another.start()
            another.join()
            t = trainer.optimizer.num_update
            os._exit(0 if t == before + 2 and (trainer.params.flat == -t).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
finally:
    stop.set()
    for worker in workers:
        worker.join()
"""

INTERRUPTED = """
import os, signal, threading, time
import numpy as np
from numoptim import Parameters, Trainer

def schedule(n):
    if threading.current_thread() is not threading.main_thread():
        stepping.set()
        time.sleep(1)
    return 0.1

def interrupt(number, frame):
    raise KeyboardInterrupt

stepping = threading.Event()
trainer = Trainer(Parameters({"w": np.zeros(4)}), "sgd", {"lr_scheduler": schedule})
worker = threading.Thread(target=trainer.step)
worker.start()
stepping.wait()
signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.3)          # while the fork waits for the step
child = os.fork()
if child == 0:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(60)
    trainer.step()
    os._exit(0 if trainer.optimizer.num_update == 2 else 1)
assert os.waitpid(child, 0)[1] == 0
worker.join()
trainer.step()
assert trainer.optimizer.num_update == 2
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_waits_for_the_steps_of_other_threads():
    """Which follow each other closely; and the child steps on from there, in threads of its own too."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], check=True, timeout=100)


NESTED = """
import os, threading
import numpy as np
from numoptim import Parameters, Trainer, optimizer

class Own(optimizer.Adam):
    def update(self, index, weight, grad, state):
        super().update(index, weight, grad, state)

class Around(optimizer.Optimizer):
    inner = optimizer.Adam()

    def create_state(self, index, weight):
        return self.inner.create_state(index, weight)

    def update(self, index, weight, grad, state):
        self.inner.update(index, weight, grad, state)

for cls in (Own, Around):
    trainer, stop = Trainer(Parameters({"a": np.ones(4), "b": np.ones(3)}), cls()), threading.Event()
    trainer.params.grad.flat[:] = 1

    def work():
        while not stop.is_set():
            trainer.step()

    worker = threading.Thread(target=work)
    worker.start()
    for _ in range(6):
        if (child := os.fork()) == 0:
            os._exit(0)
        os.waitpid(child, 0)
    stop.set()
    worker.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_while_steps_take_several_locks():
    subprocess.run([sys.executable, "-W", "ignore", "-c", NESTED], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_that_is_interrupted_while_it_waits():
    """It goes on waiting: a fork cannot be called off, and Python shows the error instead of raising it."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", INTERRUPTED], capture_output=True, text=True,
                          timeout=100)
    assert done.returncode == 0 and "KeyboardInterrupt" in done.stderr, done.stderr


@pytest.mark.parametrize("size", [30_000, 100_000], ids=["small", "large"])
def test_one_trainer_from_several_threads_loses_no_step(tmp_path, size):
    """And what is saved meanwhile is of one step."""
    def made():
        params = Parameters({"w": np.linspace(-1, 1, size, dtype=np.float32)})
        params.grad.flat[:] = np.cos(params.flat)
        return Trainer(params, "adam", threads=1)

    trainer, go = made(), threading.Barrier(4)

    def work(k):
        go.wait()
        for n in range(300):
            trainer.step(1 + k)                     # each with a gradient scale of its own
            if n % 100 == k:
                trainer.save_states(tmp_path / f"{k}-{n}")

    within(100, *(partial(work, k) for k in range(4)))
    assert trainer.optimizer.num_update == 1200
    assert np.isfinite(trainer.params.flat).all()
    for file in tmp_path.iterdir():
        loaded = made()
        loaded.load_states(file)
        slots = loaded._state.slots
        # With whole steps alone every element's v is m's square times one number, the gradient being constant.
        g = loaded.params.grad.flat.astype(float)
        for slot, power in ((slots["m"], 1), (slots["v"], 2)):
            ratios = (slot / g**power)[np.abs(g) > 0.1]
            assert np.ptp(ratios) < 1e-4 * np.abs(ratios).max()


# --- large steps, which leave other threads to Python meanwhile

def large(steps=0):
    params = Parameters({"w": np.linspace(-1, 1, 200_000, dtype=np.float32)})
    params.grad.flat[:] = np.cos(params.flat)
    trainer = Trainer(params, "adam")
    for _ in range(steps):
        trainer.step(4)
    return trainer


def test_a_large_step_waits_while_states_are_saved(tmp_path):
    trainer = large(3)
    with open(tmp_path / "states", "wb") as file:
        assert step_waits(trainer, Slow(file), trainer.save_states)
    loaded = large()
    loaded.load_states(tmp_path / "states")
    assert content(loaded)[1:] == content(large(3))[1:]
    assert content(trainer) == content(large(4))


def test_a_large_step_waits_while_states_are_loaded(tmp_path):
    trainer, replay = large(3), large(3)
    large(7).save_states(tmp_path / "states")
    with open(tmp_path / "states", "rb") as file:
        assert step_waits(trainer, Slow(file), trainer.load_states)
    replay.load_states(tmp_path / "states")
    replay.step(4)
    assert content(trainer) == content(replay) and content(trainer)[1:] == content(large(8))[1:]


def test_states_saved_between_large_steps(tmp_path):
    """Of whichever step: those of a replay that makes as many."""
    trainer, replay = large(), large()
    with stepping(trainer):
        for k in range(20):
            trainer.save_states(tmp_path / f"{k:02}")
    for file in sorted(tmp_path.iterdir()):
        loaded = large()
        loaded.load_states(file)
        while replay.optimizer.num_update < loaded.optimizer.num_update:
            replay.step(1)
        assert content(loaded)[1:] == content(replay)[1:]
    while replay.optimizer.num_update < trainer.optimizer.num_update:
        replay.step(1)
    assert content(trainer) == content(replay)
