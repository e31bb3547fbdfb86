"""Handlers of signals that go on: they step, load and save in the middle of a step, and find it made or not begun."""
import signal

import pytest
from interrupts import everywhere
from test_whole_steps import content, content_of_lists, lists, trainer_of


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
