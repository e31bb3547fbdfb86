"""Handlers of signals that go on: they may save and set in the middle of a call; what would step there is refused."""
import io
import signal

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import bits, draw
from test_own_classes import Momentumful
from test_updater import begun
from test_updater import step as step_updater
from test_whole_steps import content, content_of_lists, lists, trainer_of

from numoptim import Parameters, Trainer, optimizer


def check_order(make, outer, handler, found):
    """``outer`` is made, wherever the handler runs; what that does is done before it or after it, or refused.

    Returns in how many places it was refused. found: what is then there.
    """
    def after(*calls):
        made = make()
        for call in calls:
            call(made)
        return found(made)

    def handle(made):
        try:
            handler(made)
            status.append("done")
        except RuntimeError as error:
            assert "this thread is in the middle of a call of this optimizer" in str(error)
            status.append("refused")

    def check(made):
        expected = {"refused": [after(outer)], "done": [after(handler, outer), after(outer, handler)]}
        assert found(made) in (expected[status[-1]] if len(status) > len(seen) else [after(outer)])
        seen.append(status[-1])                     # the last time there was no place left

    status, seen = [], []
    everywhere(make, outer, check, handle)
    return seen.count("refused")


def saved(steps):
    file = io.BytesIO()
    trainer_of("adam", {}, steps).save_states(file)
    return file.getvalue()


def changed(trainer):
    """Its next step binds it anew."""
    trainer.optimizer.wd = 0.25
    return trainer


STATES = saved(7)
OUTER = {
    "repeated": lambda trainer: trainer.step(4),
    "prepared": lambda trainer: trainer.step(2),
    "gradients": lambda trainer: trainer.step(4, grads=draw(2)),
    "load": lambda trainer: trainer.load_states(io.BytesIO(STATES)),
    "save": lambda trainer: trainer.save_states(io.BytesIO()),
}
HANDLERS = {
    "step": lambda trainer: trainer.step(1),
    "gradients": lambda trainer: trainer.step(4, grads=draw(3)),
    "load": lambda trainer: trainer.load_states(io.BytesIO(STATES)),
}


def then(trainer):
    """With what the next steps make of it."""
    found = [content(trainer)]
    for size in (4, 4, 1):
        trainer.step(size)
        found.append(content(trainer))
    return found


@pytest.mark.parametrize("outer, handler", [(outer, handler) for outer in OUTER for handler in HANDLERS
                                            if outer in ("prepared", "gradients") or handler != "gradients"])
def test_steps_of_a_trainer(outer, handler):
    def settled(trainer):
        trainer.params.grad.flat[:] = 1            # a handler's are another question
        trainer.set_learning_rate(0.1)
        return then(trainer)

    refused = check_order(lambda: trainer_of("adam", {}, 2), OUTER[outer], HANDLERS[handler], settled)
    assert refused == 0 if outer == "repeated" else refused > 0


@pytest.mark.parametrize("name, keywords", [("adam", {}), ("lbsgd", {"batch_scale": 3}), ("sgld", {"seed": 3})])
def test_steps_that_bind_anew(name, keywords):
    assert check_order(lambda: changed(trainer_of(name, keywords, 2)), OUTER["repeated"], HANDLERS["step"], then)


def one(made):
    """With a gradient of its own."""
    opt, (_, arrays, _, states) = made
    opt.update(0, arrays[0], np.full_like(arrays[0], 3), states[0])


def some(made):
    opt, (indices, arrays, grads, states) = made
    opt.update(*([each[k] for k in (0, 2)] for each in (indices, arrays, grads, states)))


@pytest.mark.parametrize("anew", [False, True], ids=["known", "bound anew"])
@pytest.mark.parametrize("outer, handler", [(one, one), (one, some), (some, one), (some, some)])
def test_updates(outer, handler, anew):
    def make():
        made = lists("adam", {}, 1)
        if anew:
            made[0].wd = 0.25
        return made

    def settled(made):
        found = content_of_lists(made)
        made[0].update(*made[1])
        return found, content_of_lists(made)

    assert check_order(make, outer, handler, settled)


def test_updates_of_an_updater():
    def make():
        updater, weights = begun(optimizer.Adam())
        step_updater(updater, weights)
        return updater, weights, updater.get_states()

    def found(made):
        updater, weights, _ = made
        found = updater.get_states(), [bits(x) for x in weights.values()]
        step_updater(updater, weights, 5)
        return found, updater.get_states(), [bits(x) for x in weights.values()]

    def step(made):
        step_updater(*made[:2], 3)

    def load(made):
        made[0].set_states(made[2])

    for outer, handler in ((step, step), (step, load), (load, step)):
        assert check_order(make, outer, handler, found)


def test_steps_of_an_optimizer_in_python():
    def make():
        trainer = Trainer(Parameters(draw(0)), Momentumful())
        trainer.step(4, grads=draw(1))
        return trainer

    def found(trainer):
        assert not trainer._stepper.half_made
        return (bits(trainer.params.flat), [bits(state) for state in trainer._state],
                trainer.optimizer.num_update, dict(trainer.optimizer._counts), trainer.optimizer.steps)

    def load(trainer):
        trainer.load_states(io.BytesIO(file.getvalue()))

    file = io.BytesIO()
    make().save_states(file)
    for handler in (lambda trainer: trainer.step(2), load):
        assert check_order(make, lambda trainer: trainer.step(4), handler, found)


def test_a_schedule_that_steps_is_refused():
    opt, w = optimizer.SGD(learning_rate=1), np.zeros(3)
    state = opt.create_state(0, w)

    def schedule(n):
        if n == 2:
            opt.update(0, w, np.full(3, 10.0), state)
        return 1.0

    opt.lr_scheduler = schedule
    opt.update(0, w, np.ones(3), state)
    with pytest.raises(RuntimeError, match="in the middle of a call"):
        opt.update(0, w, np.ones(3), state)
    assert w.tolist() == [-1, -1, -1] and state.t == 1


def test_the_handler_s_error_ends_the_call_before_or_after(tmp_path):
    """Where nobody catches it; and the optimizer is free for the next call."""
    def check(trainer):
        made.append(trainer.optimizer.num_update)
        trainer.step(4)
        assert trainer.optimizer.num_update == made[-1] + 1

    def step(trainer):
        try:
            trainer.step(2)
        except RuntimeError:
            refused.append(trainer)

    made, refused = [], []
    everywhere(lambda: trainer_of("adam", {}, 2), step, check, lambda trainer: trainer.step(1))
    assert refused and set(made) == {2, 3, 4}


@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
def test_a_file_saved_in_the_middle_is_of_one_step(outer):
    files, trained = [], [trainer_of("adam", {}, steps) for steps in (2, 3, 7)]

    def save(trainer):
        files.append(io.BytesIO())
        trainer.save_states(files[-1])

    everywhere(lambda: trainer_of("adam", {}, 2), outer, lambda trainer: None, save)
    for file in files:
        loaded = trainer_of("adam", {})
        loaded.load_states(io.BytesIO(file.getvalue()))
        assert loaded.optimizer.num_update == loaded._state.t
        if outer in (OUTER["repeated"], OUTER["load"], OUTER["save"]):
            assert content(loaded)[1:] in [content(trainer)[1:] for trainer in trained]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that signal here")
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
