"""A step is made whole and counted, or not at all: under interrupts, under several threads, in lists, in files."""
import copy
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import SHAPES, bits, draw, each_case, make

from numoptim import Parameters, Trainer, native, optimizer


def trainer_of(name, keywords, steps=0, dtype=np.float32):
    trainer = Trainer(Parameters(draw(0, dtype=dtype)), make(name, keywords))
    trainer.params.grad.flat[:] = draw(1, {"all": trainer.params.flat.shape}, dtype)["all"]
    for _ in range(steps):
        trainer.step(4)
    return trainer


def content(trainer):
    slots = {name: bits(slot) for name, slot in trainer._driver.state.slots.items()}
    return bits(trainer.params.flat), slots, trainer._driver.state.t, trainer.optimizer.num_update


@each_case
def test_an_interrupted_step_is_made_and_counted_or_neither(name, keywords):
    """Two steps before, so that LBSGD is at a step that adds, applies and clears."""
    before, after = content(trainer_of(name, keywords, 2)), content(trainer_of(name, keywords, 3))
    seen = []

    def check(trainer):
        seen.append(content(trainer))
        assert seen[-1] in (before, after)
        if seen[-1] == before:
            trainer.step(4)
        assert content(trainer) == after

    assert everywhere(lambda: trainer_of(name, keywords, 2), lambda trainer: trainer.step(4), check) > 10
    assert before in seen and after in seen


@each_case
def test_a_signal_during_the_call(name, keywords, monkeypatch):
    """Its handler runs when the call has returned, and raises: the steps are made, and counted."""
    expected, step = content(trainer_of(name, keywords, 3)), native.extension().step

    def interrupted(record, t):
        assert step(record, t) == 0
        raise KeyboardInterrupt

    monkeypatch.setattr(native.extension(), "step", interrupted)
    trainer = trainer_of(name, keywords)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            trainer.step(4)
    assert content(trainer) == expected


def lists(name, keywords, steps=0):
    opt, arrays, grads = make(name, keywords), list(draw(0).values()), list(draw(1).values())
    states = [opt.create_state(k, w) for k, w in enumerate(arrays)]
    made = opt, [list(range(len(arrays))), arrays, grads, states]
    for _ in range(steps):
        opt.update(*made[1])
    return made


def content_of_lists(made):
    opt, (_, arrays, _, states) = made
    return ([bits(w) for w in arrays], [{k: bits(s) for k, s in state.slots.items()} for state in states],
            [state.t for state in states], opt.num_update)


@pytest.mark.parametrize("name, keywords", [("adam", {}), ("sgld", {"seed": 3}), ("lamb", {}),
                                            ("lbsgd", {"batch_scale": 3, "momentum": 0.5})])
def test_a_list_is_updated_whole_or_not_at_all(name, keywords):
    before, after = (content_of_lists(lists(name, keywords, steps)) for steps in (2, 3))
    seen = []

    def check(made):
        seen.append(content_of_lists(made))
        assert seen[-1] in (before, after)

    everywhere(lambda: lists(name, keywords, 2), lambda made: made[0].update(*made[1]), check)
    assert before in seen and after in seen


def test_a_list_with_one_bad_element_writes_nothing():
    opt, arguments = lists("adam", {})
    before = content_of_lists((opt, arguments))
    opt.set_lr_mult({3: 1e300})
    opt.set_learning_rate(1e300)
    with pytest.raises(ValueError, match="out of range"):
        opt.update(*arguments)
    assert content_of_lists((opt, arguments)) == before


@pytest.mark.parametrize("name, keywords", [("adam", {}), ("lbsgd", {"batch_scale": 3}), ("momentumful", {})])
def test_states_are_loaded_whole_or_not_at_all(tmp_path, name, keywords):
    """The file, and with it optimizer and slots, is of another step, rate and multipliers."""
    def own(steps, **more):
        trainer = Trainer(Parameters(draw(0)), make(name, {**keywords, **more}) if name != "momentumful" else
                          Momentumful(**more))
        for _ in range(steps):
            trainer.step(2, grads=draw(1))
        return trainer

    def saved(trainer):
        trainer.save_states(tmp_path / "now")
        return (tmp_path / "now").read_bytes()

    other = own(5, wd=0.25, lr_mult={"w": 0.5})
    other.save_states(tmp_path / "other")
    before, after, seen = saved(own(2)), (tmp_path / "other").read_bytes(), []

    def check(trainer):
        seen.append(saved(trainer))
        assert seen[-1] in (before, after)
        trainer.step(2, grads=draw(1))

    everywhere(lambda: own(2), lambda trainer: trainer.load_states(tmp_path / "other"), check)
    assert before in seen and after in seen


SIGNALS = """
import signal, sys
import numpy as np
from numoptim import Parameters, Trainer

def made(name):
    params = Parameters({"w": np.linspace(-1, 1, 200_000, dtype=np.float32)})
    params.grad.flat[:] = np.cos(params.flat)
    return Trainer(params, name)

def interrupt(number, frame):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
for name in ("adam", "sgld", "lamb"):
    trainer, hits = made(name), 0
    while hits < 60:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 + 0.00007 * hits)
            while True:
                trainer.step(1)
        except KeyboardInterrupt:
            hits += 1
    t = trainer.optimizer.num_update
    twin = made(name)
    for _ in range(t):
        twin.step(1)
    assert t > 20 and twin.params.flat.tobytes() == trainer.params.flat.tobytes(), (name, t)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that signal here")
def test_real_signals():
    subprocess.run([sys.executable, "-c", SIGNALS], check=True, timeout=300)


# --- handlers that go on, and what they find

def of_schedule(name="adam", keywords=None):
    made = trainer_of(name, keywords or {})
    made.optimizer.lr_scheduler = lambda n: 0.01 * n
    made.step(4)
    return made


@pytest.mark.parametrize("name, keywords", [("adam", {}), ("lbsgd", {"batch_scale": 2})])
def test_a_handler_may_step(name, keywords):
    """In the middle of a step: then both are made, each with its own rate and gradient scale."""
    def check(trainer):
        assert content(trainer) in expected

    def steps(*sizes):
        trainer = of_schedule(name, keywords)
        for size in sizes:
            trainer.step(size)
        return content(trainer)

    expected = [steps(4, 1), steps(1, 4), steps(4)]               # the last where the call was over before
    assert everywhere(lambda: of_schedule(name, keywords), lambda trainer: trainer.step(4), check,
                      lambda trainer: trainer.step(1)) > 10


def test_a_handler_may_load(tmp_path):
    """And put weights back: the step is made before that, or after, on what was loaded."""
    start = of_schedule()
    start.save_states(tmp_path / "states")
    weights = start.params.flat.copy()

    def back(trainer):
        trainer.load_states(tmp_path / "states")
        trainer.params.flat[:] = weights

    def check(trainer):
        assert content(trainer) in expected

    def again():
        trainer = of_schedule()
        trainer.step(2)
        return trainer

    after, untouched = of_schedule(), again()
    after.step(4)
    untouched.step(4)
    expected = [content(of_schedule()), content(after), content(untouched)]
    seen = []
    assert everywhere(again, lambda trainer: trainer.step(4), lambda trainer: (check(trainer), seen.append(trainer)),
                      back) > 10
    assert expected[1] in map(content, seen)


def test_a_handler_may_update_what_a_list_updates():
    def both(made):
        made[0].update(*made[1])

    def one(made):
        opt, (_, arrays, grads, states) = made
        opt.update(0, arrays[0], grads[0], states[0])

    expected = []
    for calls in ((both, one), (one, both), (both,)):
        made = lists("adam", {}, 1)
        for call in calls:
            call(made)
        expected.append(content_of_lists(made))

    def check(made):
        assert content_of_lists(made) in expected

    assert everywhere(lambda: lists("adam", {}, 1), both, check, one) > 10


@pytest.mark.parametrize("attribute, value, field", [("wd", 0.5, "wd"), ("beta1", 0.5, "beta1")])
def test_no_setting_is_lost(attribute, value, field):
    """Whenever it is made or interrupted: what the attribute says is what the next step takes."""
    def check(trainer):
        trainer.step(4)
        assert trainer._driver.plans[0].hyper[field][0] == getattr(trainer.optimizer, attribute)

    def change(trainer):
        setattr(trainer.optimizer, attribute, value)

    def refreshed(trainer):
        trainer.optimizer.epsilon = 1e-3
        trainer.step(4)

    assert everywhere(lambda: trainer_of("adam", {}, 1), change, check) > 3
    assert everywhere(lambda: trainer_of("adam", {}, 1), refreshed, check, change) > 10


def test_no_multiplier_is_lost():
    def check(trainer):
        trainer.step(4)
        assert trainer._driver.plans[0].hyper["learning_rate"].max() == (0.03 if trainer.optimizer.lr_mult else 0.01)

    assert everywhere(lambda: trainer_of("sgd", {"learning_rate": 0.01}, 1),
                      lambda trainer: trainer.optimizer.set_lr_mult({"w": 3}), check) > 3


def test_an_interrupted_change_of_gradients():
    """Whichever gradient the next update gets, it takes that, and lists are checked for what they are."""
    def made():
        opt, w = optimizer.SGD(learning_rate=1), np.zeros(3)
        state = opt.create_state(0, w)
        grads = np.ones(3), np.full(3, 10.0)
        opt.update(0, w, grads[0], state)
        return opt, w, grads, state

    def check(it):
        opt, w, grads, state = it
        for k in (0, 1, 0):
            before = w.copy()
            opt.update([0], [w], [grads[k]], [state])
            assert (before - w).tolist() == grads[k].tolist()
        assert opt._bound(0, w, grads[0], state).spans[1][0] == grads[0].ctypes.data

    assert everywhere(made, lambda it: it[0].update(0, it[1], it[2][1], it[3]), check) > 10


def test_a_batch_is_summed_to_its_end():
    keywords = {"batch_scale": 4, "warmup_epochs": 0, "learning_rate": 1}
    trainer = Trainer(Parameters({"w": np.zeros(1)}), "lbsgd", keywords)
    for _ in range(3):
        trainer.step(1, grads={"w": [1]})
    trainer.optimizer.batch_scale = 2
    with pytest.raises(ValueError, match="3 of 4 gradients of a batch are summed"):
        trainer.step(1, grads={"w": [1]})
    trainer.optimizer.batch_scale = 4
    trainer.step(1, grads={"w": [1]})
    assert trainer.params.flat.tolist() == [-4]                   # a rate of 4, the mean of four ones
    trainer.optimizer.batch_scale = 2
    for _ in range(2):
        trainer.step(1, grads={"w": [1]})
    assert trainer.params.flat.tolist() == [-6]


# --- an optimizer in Python

class Momentumful(optimizer.Optimizer):
    """Has a state in arrays, and one of its own that it names."""

    saved = ("steps", "average")

    def __init__(self, fail_at=(), **keywords):
        super().__init__(**keywords)
        self.fail_at, self.steps, self.average = fail_at, 0, np.zeros(2)

    def create_state(self, index, weight):
        return np.zeros_like(weight)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        if (index, self._counts[index]) in self.fail_at:
            raise KeyboardInterrupt
        self.steps += 1
        self.average += 1
        state += grad
        weight -= self._get_lr(index) * state * self.average[0]


def test_a_half_made_step_is_noticed(tmp_path):
    params = Parameters(draw(0))
    trainer = Trainer(params, Momentumful(fail_at=[(2, 2)]))
    trainer.step(1, grads=draw(1))
    trainer.save_states(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        trainer.step(1)
    half = bits(params.flat)
    for refused in (lambda: trainer.step(1), lambda: trainer.save_states(tmp_path / "half")):
        with pytest.raises(RuntimeError, match=f"interrupted at parameter {list(SHAPES)[2]!r}"):
            refused()
    assert bits(params.flat) == half and not (tmp_path / "half").exists()
    trainer.optimizer.fail_at = ()
    trainer.load_states(tmp_path / "whole")
    trainer.step(1)
    assert trainer.optimizer.num_update == 2


def test_attributes_that_a_class_names_are_saved(tmp_path):
    def run(trainer, steps):
        for k in range(steps):
            trainer.step(1, grads=draw(k))

    first = Trainer(Parameters(draw(0)), Momentumful())
    run(first, 3)
    first.save_states(tmp_path / "states")
    resumed = Trainer(Parameters(dict(first.params)), Momentumful())
    resumed.load_states(tmp_path / "states")
    assert resumed.optimizer.steps == 3 * len(SHAPES)
    for trainer in (first, resumed):
        run(trainer, 2)
    assert bits(first.params.flat) == bits(resumed.params.flat)


def test_objects_of_an_optimizer_stay_when_states_are_loaded(tmp_path):
    """A schedule that the program goes on changing, a model, a lock."""
    class Schedule:
        rate = 0.5

        def __call__(self, n):
            return self.rate

    opt = Momentumful(lr_scheduler=Schedule())
    opt.fail_at = model = {"lock": threading.Lock()}
    schedule = opt.lr_scheduler
    trainer = Trainer(Parameters(draw(0)), opt)
    trainer.step(1)
    trainer.save_states(tmp_path / "states")
    trainer.load_states(tmp_path / "states")
    assert opt.lr_scheduler is schedule and opt.fail_at is model
    schedule.rate = 0.25
    assert trainer.learning_rate == 0.25


def test_an_instance_belongs_to_one_trainer():
    opt = Momentumful()
    trainer = Trainer(Parameters(draw(0)), opt)
    with pytest.raises(ValueError, match="Momentumful belongs to another Trainer already"):
        Trainer(Parameters(draw(0)), opt)
    trainer.step(1)
    del trainer
    Trainer(Parameters(draw(0)), opt).step(1)


# --- threads

def torn(twin):
    """Whether a twin of a trainer whose weights are 0 - t is of no one step."""
    return not (twin.params.flat == -twin.optimizer.num_update).all()


@pytest.mark.parametrize("way", [copy.deepcopy, copy.copy, lambda trainer: pickle.loads(pickle.dumps(trainer))],
                         ids=["deepcopy", "copy", "pickle"])
def test_a_copy_is_of_one_step(way):
    """While another thread steps; a pickle, which takes its time, says so where it cannot be."""
    trainer = Trainer(Parameters({"w": np.zeros(100_000)}), "sgd", {"learning_rate": 1}, threads=1)
    trainer.params.grad.flat[:] = 1
    stop = threading.Event()

    def work():
        while not stop.is_set():
            trainer.step(1)

    worker = threading.Thread(target=work)
    worker.start()
    refused = 0
    try:
        for _ in range(40):
            try:
                assert not torn(way(trainer))
            except RuntimeError as error:
                assert "stepped while it was pickled" in str(error)
                refused += 1
    finally:
        stop.set()
        worker.join()
    assert refused == 0 or way not in (copy.copy, copy.deepcopy)
    assert not torn(way(trainer))


FORKS = """
import os, signal, threading
import numpy as np
from numoptim import Parameters, Trainer

trainer = Trainer(Parameters({"w": np.zeros(300_000)}), "sgd", {"learning_rate": 1}, threads=1)
trainer.params.grad.flat[:] = 1
stop = threading.Event()

def work():
    while not stop.is_set():
        trainer.step(1)

worker = threading.Thread(target=work)
worker.start()
try:
    for _ in range(10):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            assert (trainer.params.flat == -trainer.optimizer.num_update).all(), "torn"
            trainer.step(1)
            os._exit(0 if (trainer.params.flat == -trainer.optimizer.num_update).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
finally:
    stop.set()
    worker.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_waits_for_the_step_of_another_thread():
    """And the child steps on from there."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], check=True, timeout=300)


def test_one_trainer_from_several_threads_loses_no_step(tmp_path):
    """And what is saved meanwhile is of one step: a twin that makes as many has the same slots."""
    def made():
        params = Parameters({"w": np.linspace(-1, 1, 30_000, dtype=np.float32)})
        params.grad.flat[:] = np.cos(params.flat)
        return Trainer(params, "adam")

    trainer, go, errors = made(), threading.Barrier(4), []

    def work(k):
        go.wait()
        try:
            for n in range(60):
                trainer.step(1 + k)                 # each with a gradient scale of its own
                if n % 20 == k:
                    trainer.save_states(tmp_path / f"{k}-{n}")
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
        assert not worker.is_alive()
    assert errors == [] and trainer.optimizer.num_update == 240
    assert np.isfinite(trainer.params.flat).all()
    for file in tmp_path.iterdir():
        loaded = made()
        loaded.load_states(file)
        slots = loaded._driver.state.slots
        # With whole steps alone every element's v is m's square times one number, the gradient being constant.
        g = loaded.params.grad.flat.astype(float)
        for slot, power in ((slots["m"], 1), (slots["v"], 2)):
            ratios = (slot / g**power)[np.abs(g) > 0.1]
            assert np.ptp(ratios) < 1e-4 * np.abs(ratios).max()


def test_a_handler_may_save_in_the_middle_of_a_step(tmp_path):
    """Of the thread that steps: it waits for nobody, and finds the step made or not begun."""
    def save(number, frame):
        trainer.save_states(tmp_path / f"{len(list(tmp_path.iterdir()))}")
        signal.setitimer(signal.ITIMER_REAL, 0.002)

    trainer = trainer_of("adam", {})
    before = signal.signal(signal.SIGALRM, save)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    try:
        while len(list(tmp_path.iterdir())) < 5:
            trainer.step(4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    for file in sorted(tmp_path.iterdir()):
        loaded = trainer_of("adam", {})
        loaded.load_states(file)
        t = loaded.optimizer.num_update
        assert content(trainer_of("adam", {}, t))[1:] == content(loaded)[1:]
