"""Threads: the same bits for any number, none started where one was asked for, and no harm to the process around."""
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from test_optimizer import bits, draw, each_case, make
from threads import within

from numoptim import Parameters, Trainer, native, optimizer
from numoptim.native.library import extension
from numoptim.optimizer import State, rule_optimizer

SHAPES = {"a": (4097,), "none": (0,), "b": (3, 1111), "c": (), "d": (25_000,)}
MORE = {"lr_mult": {"a": 0.5, "c": 2}, "wd_mult": {"d": 3}}


def trained(opt, count, steps=4, dtype=np.float32):
    trainer = Trainer(Parameters(draw(0, SHAPES, dtype)), opt, threads=count)
    for k in range(steps):
        trainer.step(4, grads=draw(k, SHAPES, dtype))
    return trainer


@each_case
def test_the_bits_do_not_depend_on_the_number_of_threads(split, name, keywords):
    one = bits(trained(make(name, keywords, **MORE), 1).params.flat)
    assert split == []
    for count in (2, 3):
        assert bits(trained(make(name, keywords, **MORE), count).params.flat) == one
        assert {threads for _, threads in split} == {count}
        split.clear()


@pytest.mark.parametrize("name", ["adam", "lars", "sgld"])
def test_float64(split, name):
    one, three = (bits(trained(make(name, {}), count, dtype=np.float64).params.flat) for count in (1, 3))
    assert one == three and len(split) > 0


def test_small_buffers_are_left_to_one_thread():
    assert native.plan.pieces(native.plan.SERIAL_BELOW // 2, 8) == [(0, native.plan.SERIAL_BELOW // 2)]
    trainer = trained("adam", 8)
    assert trainer.params.flat.size < native.plan.SERIAL_BELOW and trainer.threads == 8
    assert bits(trainer.params.flat) == bits(trained("adam", 1).params.flat)


def test_an_error_leaves_the_helpers_alive(split):
    """A step that every piece refuses raises, writes nothing, and the next steps still work."""
    within(100, refused_steps)


def refused_steps():
    trainer = trained("adam", 3)
    before = bits(trainer.params.flat)
    trainer.optimizer.set_lr_mult({"*": 1e300})
    trainer.set_learning_rate(1e300)
    for _ in range(20):
        with np.errstate(all="ignore"), pytest.raises(ValueError, match="out of range"):
            trainer.step(1)
    assert bits(trainer.params.flat) == before
    trainer.optimizer.set_lr_mult({})
    trainer.set_learning_rate(0.001)
    expected = trained("adam", 1)
    for each in (trainer, expected):
        for k in range(4):
            each.step(4, grads=draw(k, SHAPES))
    assert bits(trainer.params.flat) == bits(expected.params.flat)


def test_several_threads_step_different_trainers_at_once(split):
    """Each as if it were alone; whoever finds the helpers busy works on its own."""
    cases = [("adam", 2), ("lamb", 3), ("sgld", 2), ("adam", 1), ("nadam", 2), ("lamb", 2)]
    expected = [bits(trained(name, 1, 12).params.flat) for name, _ in cases]
    start = threading.Barrier(len(cases))

    def work(name, count):
        start.wait()
        return bits(trained(name, count, 12).params.flat)

    for _ in range(3):
        assert within(100, *(partial(work, *case) for case in cases)) == expected
    assert len(split) > 12


def test_threads_are_those_asked_for_or_all_processors(monkeypatch):
    monkeypatch.setattr(native.processors, "usable", lambda: 3)
    assert Trainer(Parameters({"w": np.zeros(1)}), "sgd").threads == 3
    assert Trainer(Parameters({"w": np.zeros(1)}), "sgd", threads=10**9).threads == 10**9


@pytest.mark.parametrize("asked", [None, 3, 10**9])
def test_no_more_work_than_there_are_processors(split, monkeypatch, asked):
    monkeypatch.setattr(native.processors, "usable", lambda: 2)
    assert bits(trained("adam", asked).params.flat) == bits(trained("adam", 1).params.flat)
    assert {threads for _, threads in split} == {2}


SCRIPT = """
import os, sys, threading
import numpy as np
from numoptim import Parameters, Trainer, native, optimizer
from numoptim.optimizer import State, rule_optimizer
real, native.processors.usable = native.processors.usable, lambda: 4      # a test's threads are started on any machine

def steps(count, n=3):
    params = Parameters({"a": np.linspace(-1, 1, 150_000, dtype=np.float32), "b": np.ones(7, np.float32)})
    trainer = Trainer(params, "adam", threads=count)
    for k in range(n):
        trainer.step(1, grads={key: np.cos(w * (k + 1)) for key, w in params.items()})
    return trainer

def helpers():
    return sum(open(f"/proc/self/task/{t}/comm").read() == "numoptim\\n" for t in os.listdir("/proc/self/task"))
"""

ONE = SCRIPT + """
one, size = steps(1), 500_000
for name in ("adam", "lars", "lbsgd", "sgld"):
    trainer = Trainer(Parameters({"w": np.ones(size, np.float32)}), name, threads=1)
    trainer.step(1, grads={"w": np.ones(size)})
assert helpers() == 0
three = steps(3)
assert helpers() == 2
steps(3), steps(2)
assert helpers() == 2 and threading.active_count() == 1         # they stay, and are used again
assert (one.params.flat.view(np.uint32) == three.params.flat.view(np.uint32)).all()
"""

MOST = SCRIPT + """
# However many are asked for: no more than processors, which the process may be kept from.
native.processors.usable = real
steps(10**9)
assert helpers() == native.processors.usable() - 1
"""

FEWER = SCRIPT + """
native.processors.usable = real
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
steps(10**9), steps(None)
assert native.processors.usable() == 1 and helpers() == 0
"""

FORK = SCRIPT + """
trainer = steps(2)                          # the parent has a helper, which no child inherits
expected = steps(2, 6).params.flat.tobytes()
children = []
for generation in range(3):
    child = os.fork()
    if child == 0:
        assert helpers() == 0
        for k in range(3, 6):
            trainer.step(1, grads={key: np.cos(w * (k + 1)) for key, w in trainer.params.items()})
        good = trainer.params.flat.tobytes() == expected and helpers() == 1
        good = good and steps(3, 6).params.flat.tobytes() == expected
        if generation == 2:                 # a child has children of its own
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(0 if steps(2, 6).params.flat.tobytes() == expected and helpers() == 1 else 4)
            good = good and os.waitpid(grandchild, 0)[1] == 0
        os._exit(0 if good else 3)
    children.append(child)
for k in range(3, 6):
    trainer.step(1, grads={key: np.cos(w * (k + 1)) for key, w in trainer.params.items()})
assert trainer.params.flat.tobytes() == expected
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
"""

WHILE_BUSY = SCRIPT + """
# Forked while other threads are in the middle of steps: the helpers are busy at that moment.
expected, stop = steps(2, 4).params.flat.tobytes(), threading.Event()
def work():
    while not stop.is_set():
        steps(2, 1)
workers = [threading.Thread(target=work) for _ in range(2)]
for worker in workers:
    worker.start()
codes = []
for _ in range(10):
    child = os.fork()
    if child == 0:
        os._exit(0 if steps(2, 4).params.flat.tobytes() == expected else 3)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
for worker in workers:
    worker.join()
assert codes == [0] * 10
"""


SIGNALS = SCRIPT + """
# A signal reaches the caller's thread, and Ctrl-C in the middle of steps leaves the helpers at work.
import signal, time
def interrupt(number, frame):
    assert threading.current_thread() is threading.main_thread()
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, interrupt)
steps(2)
for k in range(20):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002 + k / 1000)
        while True:
            steps(2, 1)
    except KeyboardInterrupt:
        pass
assert steps(2).params.flat.tobytes() == steps(1).params.flat.tobytes() and helpers() == 1
"""

SLEEP = SCRIPT + """
# Helpers that have slept wake, and use no processor while they sleep.
import time
expected = steps(1, 6).params.flat.tobytes()
params = Parameters({"a": np.linspace(-1, 1, 150_000, dtype=np.float32), "b": np.ones(7, np.float32)})
trainer = Trainer(params, "adam", threads=3)
for k in range(6):
    trainer.step(1, grads={key: np.cos(w * (k + 1)) for key, w in params.items()})
    time.sleep(0.05)
    start = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - start < 0.1
assert params.flat.tobytes() == expected
"""


SCRIPTS = {"threads of a process": ONE, "no more than processors": MOST, "one processor": FEWER, "fork": FORK,
           "fork while busy": WHILE_BUSY, "signals": SIGNALS, "sleep": SLEEP}


@pytest.mark.skipif(not extension().rules, reason="without a C compiler every step has threads of its own")
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_in_a_process_of_its_own(script):
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=300)


def test_states_made_by_several_threads_share_no_noise(monkeypatch):
    """Each waits, having read where its noise begins, for another to do the same, which it must not."""
    opt, both = optimizer.SGLD(), threading.Barrier(2)

    def waiting(*args):
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)
        return State(*args)

    monkeypatch.setattr(rule_optimizer, "State", waiting)
    states = within(60, *(partial(opt.create_state, k, np.zeros(5)) for k in range(2)))
    assert sorted(state.offset for state in states) == [0, 5] and opt._noise == 10


@pytest.mark.parametrize("size", [100, 100_000], ids=["small", "large"])
@pytest.mark.parametrize("listed", [False, True], ids=["one", "list"])
def test_several_threads_update_one_state(listed, size):
    """Each with a gradient of its own, and sums of powers of two have no rounding."""
    opt, weights = optimizer.SGD(learning_rate=1), [np.zeros(size), np.zeros(size)]
    states, start, rounds = [opt.create_state(k, w) for k, w in enumerate(weights)], threading.Barrier(4), 100

    def work(number):
        grads = [np.full(size, 0.5**number) for _ in weights]
        start.wait()
        for _ in range(rounds):
            if listed:
                opt.update([0, 1], weights, grads, states)
            else:
                opt.update(0, weights[0], grads[0], states[0])

    within(100, *(partial(work, number) for number in range(4)))
    assert opt.num_update == 4 * rounds and [state.t for state in states] == [4 * rounds, 4 * rounds * listed]
    for w, made in zip(weights, (True, listed), strict=True):
        assert (w == -rounds * made * sum(0.5**number for number in range(4))).all()
