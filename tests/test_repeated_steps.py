"""Small steps that take what the latest one took are made in one call, without the optimizer's lock."""
import copy
import io
import pickle

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import draw, each_case
from test_whole_steps import content, trainer_of
from threads import Slow, meanwhile, step_waits

from numoptim import Parameters, Trainer, native
from numoptim.native.library import extension

pytestmark = pytest.mark.skipif(extension().repeat is None, reason="no C compiler: every step takes the lock")


class Lock:
    """Counts how often it is taken."""

    def __init__(self, lock):
        self.lock, self.taken = lock, 0

    def __enter__(self):
        self.taken += 1
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)

    def _is_owned(self):
        return self.lock._is_owned()


def watched(trainer):
    trainer._stepper.lock = lock = Lock(trainer._stepper.lock)
    return lock


def steps_taking_the_lock(trainer, *sizes):
    """Which of these steps do."""
    lock, taken = watched(trainer), []
    for size in sizes:
        before = lock.taken
        trainer.step(size)
        taken.append(lock.taken > before)
    return taken


def test_the_first_step_of_a_batch_size_takes_the_lock():
    assert steps_taking_the_lock(trainer_of("adam", {}), 4, 4, 4, 8, 8, 4, 4.0, 4) == [
        True, False, False, True, False, True, True, False]


def test_large_buffers_and_what_asks_python_take_it_always(monkeypatch):
    with_schedule = Trainer(Parameters(draw(0)), "adam", {"lr_scheduler": lambda n: 0.1})
    with_warmup = trainer_of("lbsgd", {"warmup_epochs": 1, "updates_per_epoch": 2})
    with monkeypatch.context() as patch:
        patch.setattr(native.plan, "SERIAL_BELOW", 2)
        large = trainer_of("adam", {})
    for trainer in (with_schedule, with_warmup, large):
        assert steps_taking_the_lock(trainer, 1, 1, 1) == [True, True, True]


def test_from_which_size_on(monkeypatch):
    for size, taken in ((native.plan.SERIAL_BELOW - 1, False), (native.plan.SERIAL_BELOW, True)):
        trainer = Trainer(Parameters({"w": np.zeros(size, np.float32)}), "sgd")
        assert steps_taking_the_lock(trainer, 1, 1)[1] == taken


CHANGES = {
    "rate": lambda trainer: trainer.set_learning_rate(0.5),
    "setting": lambda trainer: setattr(trainer.optimizer, "wd", 0.25),
    "scale": lambda trainer: setattr(trainer.optimizer, "rescale_grad", 0.5),
    "schedule": lambda trainer: setattr(trainer.optimizer, "lr_scheduler", lambda n: 0.01 * n),
    "multipliers": lambda trainer: trainer.optimizer.set_lr_mult({"w": 0.5}),
    "frozen": lambda trainer: trainer.optimizer.set_lr_mult({"w": 0}),
    "saved": lambda trainer: trainer.save_states(Nowhere()),
    "copied": copy.deepcopy,
    "gradients": lambda trainer: trainer.step(4, grads=draw(2)),
}


class Nowhere:
    """A file that keeps nothing."""

    def write(self, data):
        return len(data)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@each_case
def test_a_change_is_seen_by_the_next_step(name, keywords, change):
    """The twin never repeats a step."""
    trainer, twin = trainer_of(name, keywords, 3), trainer_of(name, keywords)
    twin._stepper.admit = lambda: None
    for _ in range(3):
        twin.step(4)
    for each in (trainer, twin):
        try:
            change(each)
        except ValueError as error:                 # sgld and others do not take every setting
            assert name not in ("adam", "sgd"), error
    for size in (4, 4, 2, 2, 4):
        trainer.step(size)
        twin.step(size)
        assert content(trainer) == content(twin)


def test_bad_values_are_refused_as_ever():
    trainer = trainer_of("adam", {}, 3)
    before = content(trainer)
    for bad in (0, -4, True - 2, float("nan"), None, "4", np.ones(2), np.zeros(1), [4]):
        with pytest.raises((ValueError, TypeError), match="batch_size"):
            trainer.step(bad)
    assert content(trainer) == before
    trainer.params.grad.flat[0] = np.nan
    trainer.step(4)
    assert trainer.optimizer.num_update == 4


def test_an_interrupt_after_the_call(monkeypatch):
    expected, repeat = content(trainer_of("adam", {}, 5)), extension().repeat
    trainer = trainer_of("adam", {}, 2)

    def interrupted(record, ticket):
        assert repeat(record, ticket) == 0
        raise KeyboardInterrupt

    trainer._stepper._repeat = interrupted
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            trainer.step(4)
    assert content(trainer) == expected


HANDLERS = {
    "rate": lambda trainer: trainer.set_learning_rate(0.5),
    "setting": lambda trainer: setattr(trainer.optimizer, "wd", 0.25),
    "saves": lambda trainer: trainer.save_states(Nowhere()),
}


@pytest.mark.parametrize("size", [4, 2], ids=["repeated", "prepared"])
@pytest.mark.parametrize("handler", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_in_the_middle(handler, size):
    """And what comes after: before the step, or after it, and nothing of it is lost."""
    def then(*calls):
        trainer = trainer_of("adam", {}, 3)
        for call in calls:
            call(trainer)
        return after(trainer)

    def after(trainer):
        for batch_size in (size, size, 1, 4):
            trainer.step(batch_size)
        return content(trainer)

    def step(trainer):
        trainer.step(size)

    expected = [then(handler, step), then(step, handler), then(step)]       # the last where the call was over before
    seen = []
    everywhere(lambda: trainer_of("adam", {}, 3), step, lambda trainer: seen.append(after(trainer)), handler)
    assert {str(each) for each in seen} == {str(each) for each in expected}


# --- threads

EARLIER = io.BytesIO()
trainer_of("adam", {}, 1).save_states(EARLIER)
EARLIER = EARLIER.getvalue()


def prepared():
    """A trainer, and what a thread has read that is about to repeat its latest step."""
    trainer = trainer_of("adam", {}, 3)
    return trainer, (trainer._stepper.record, trainer._stepper.ticket)


def late(made):
    record, ticket = made[1]
    extension().repeat(record.address, ticket)


@pytest.mark.parametrize("call", [lambda trainer: trainer.step(2), lambda trainer: trainer.step(4, grads=draw(2)),
                                  lambda trainer: trainer.set_learning_rate(0.5) or trainer.step(4),
                                  lambda trainer: (setattr(trainer.optimizer, "wd", 0.25),
                                                   trainer.step(4, grads=draw(2))),
                                  lambda trainer: trainer.load_states(io.BytesIO(EARLIER))],
                         ids=["size", "gradients", "rate", "setting, gradients", "load"])
def test_a_thread_that_repeats_at_the_latest_moment(call):
    """It has compared all that a step takes, and then another has the processor until some line of ``call``."""
    def called(made):
        call(made[0])

    def then(*calls):
        made = prepared()
        for each in calls:
            each(made)
        return content(made[0])

    expected, seen = [then(late, called), then(called)], []
    everywhere(prepared, called, lambda made: seen.append(content(made[0])), late)
    assert {str(each) for each in seen} == {str(each) for each in expected}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda trainer: pickle.loads(pickle.dumps(trainer))],
                         ids=["deepcopy", "pickle"])
def test_no_copy_is_torn_by_a_late_thread(copied):
    expected, seen = [content(trainer_of("adam", {}, steps)) for steps in (3, 4)], []

    def call(made):
        try:
            seen.append(content(copied(made[0])))
        except RuntimeError as error:               # a pickle takes the lock for no longer than a moment
            assert copied is not copy.deepcopy and "stepped while it was pickled" in str(error)

    everywhere(prepared, call, lambda made: None, late)
    assert all(each in expected for each in seen) and expected[1] in seen


def test_a_step_waits_while_states_are_saved(tmp_path):
    trainer = trainer_of("adam", {}, 3)
    with open(tmp_path / "states", "wb") as file:
        assert step_waits(trainer, Slow(file), trainer.save_states)
    loaded = trainer_of("adam", {})
    loaded.load_states(tmp_path / "states")
    assert content(loaded)[1:] == content(trainer_of("adam", {}, 3))[1:]
    assert content(trainer) == content(trainer_of("adam", {}, 4))


def test_a_step_while_states_are_loaded_is_made_before_or_after(tmp_path):
    trainer, other = trainer_of("adam", {}, 3), trainer_of("adam", {}, 7)
    other.save_states(tmp_path / "states")
    trainer.params.flat[:] = other.params.flat      # a step decays them
    with open(tmp_path / "states", "rb") as file:
        waited = step_waits(trainer, Slow(file), trainer.load_states)
    assert trainer.optimizer.num_update == (8 if waited else 7)
    assert content(trainer)[1] == content(trainer_of("adam", {}, 8 if waited else 7))[1]


def test_each_step_has_its_own_gradient_scale():
    """Of any number of threads: sums of powers of two have no rounding."""
    trainer = Trainer(Parameters({"w": np.zeros(100)}), "sgd", {"learning_rate": 1})
    trainer.params.grad.flat[:] = 1
    sizes, rounds = (1, 2, 4, 8), 3000

    def work(size):
        for k in range(rounds):
            trainer.step(size)
            if k % 100 == 0:
                trainer.step(size, grads={"w": np.full(100, 1.0)})

    with meanwhile(lambda: work(1)), meanwhile(lambda: work(2)), meanwhile(lambda: work(4)):
        work(8)
    each = rounds + rounds // 100
    assert trainer.optimizer.num_update == len(sizes) * each
    assert (trainer.params.flat == -each * sum(1 / size for size in sizes)).all()
