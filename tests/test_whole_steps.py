"""A step is made whole and counted, or not at all, under interrupts: of a trainer, in lists, in files, of settings."""
import signal
import subprocess
import sys

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import bits, draw, each_case, make
from test_own_classes import Momentumful

from numoptim import Parameters, Trainer, native, optimizer


def trainer_of(name, keywords, steps=0, dtype=np.float32):
    trainer = Trainer(Parameters(draw(0, dtype=dtype)), make(name, keywords))
    trainer.params.grad.flat[:] = draw(1, {"all": trainer.params.flat.shape}, dtype)["all"]
    for _ in range(steps):
        trainer.step(4)
    return trainer


def content(trainer):
    slots = {name: bits(slot) for name, slot in trainer._state.slots.items()}
    return bits(trainer.params.flat), slots, trainer._state.t, trainer.optimizer.num_update


@pytest.mark.parametrize("size", [4, 4.0], ids=["repeated", "prepared"])
@each_case
def test_an_interrupted_step_is_made_and_counted_or_neither(name, keywords, size):
    """Two steps before, so that LBSGD is at a step that adds, applies and clears."""
    before, after = content(trainer_of(name, keywords, 2)), content(trainer_of(name, keywords, 3))
    seen = []

    def check(trainer):
        seen.append(content(trainer))
        assert seen[-1] in (before, after)
        if seen[-1] == before:
            trainer.step(4)
        assert content(trainer) == after

    assert everywhere(lambda: trainer_of(name, keywords, 2), lambda trainer: trainer.step(size), check) > 2
    assert before in seen and after in seen


@pytest.mark.parametrize("size", [1, 4], ids=["once more", "as before"])
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("name, keywords", [("adam", {}), ("lbsgd", {"batch_scale": 3, "momentum": 0.5})])
def test_an_interrupted_step_of_another_batch_size(name, keywords, steps, size):
    """Half prepared is not prepared: the next steps have gradient scales of their own."""
    def then(*sizes):
        trainer = trainer_of(name, keywords, steps)
        for each in sizes:
            trainer.step(each)
        return content(trainer)

    def check(trainer):
        seen.append(trainer.optimizer.num_update)
        trainer.step(size)
        trainer.step(4)
        assert content(trainer) == expected[seen[-1] - steps]

    expected, seen = [then(size, 4), then(1, size, 4)], []
    assert everywhere(lambda: trainer_of(name, keywords, steps), lambda trainer: trainer.step(1), check) > 10
    assert {*seen} == {steps, steps + 1}


@each_case
def test_a_signal_during_the_call(name, keywords, monkeypatch):
    """Its handler runs when the call has returned, and raises: the steps are made, and counted."""
    expected, step = content(trainer_of(name, keywords, 3)), native.library.extension().step

    def interrupted(record, t):
        assert step(record, t) == 0
        raise KeyboardInterrupt

    monkeypatch.setattr(native.library.extension(), "step", interrupted)
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


# --- settings, gradients and batches

@pytest.mark.parametrize("attribute, value, field", [("wd", 0.5, "wd"), ("beta1", 0.5, "beta1")])
def test_no_setting_is_lost(attribute, value, field):
    """Whenever it is made or interrupted: what the attribute says is what the next step takes."""
    def check(trainer):
        trainer.step(4)
        assert trainer._stepper.plans[0].hyper[field][0] == getattr(trainer.optimizer, attribute)

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
        assert trainer._stepper.plans[0].hyper["learning_rate"].max() == (0.03 if trainer.optimizer.lr_mult else 0.01)

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
