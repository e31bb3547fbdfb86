"""Small steps whose learning rates schedules have told before are made in one call; nothing else may differ."""
import io

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import draw
from test_repeated_steps import CHANGES, steps_taking_the_lock
from test_whole_steps import content

from numoptim import Parameters, Trainer, lr_scheduler
from numoptim.lr_scheduler import (
    CosineScheduler,
    CyclicScheduler,
    FactorScheduler,
    FunctionScheduler,
    LRScheduler,
    MultiFactorScheduler,
    PiecewiseScheduler,
    Plateau,
    PolyScheduler,
    Scheduler,
    foreseen,
    joined,
)
from numoptim.native.library import extension
from numoptim.step.followed import AHEAD

pytestmark = pytest.mark.skipif(extension().repeat is None, reason="no C compiler: every step takes the lock")

SCHEDULES = {
    "constant": LRScheduler(0.1, warmup_steps=AHEAD + 3),
    "factor": FactorScheduler(7, 0.9, base_lr=0.1),
    "multifactor": MultiFactorScheduler([2, AHEAD + 1, AHEAD + 2], 0.5, base_lr=0.1, warmup_steps=5,
                                        warmup_begin_lr=0.01, warmup_mode="constant"),
    "poly": PolyScheduler(AHEAD + 5, 0.1, warmup_steps=4),
    "cosine": CosineScheduler(2 * AHEAD, 0.1, 0.01),
    "composed": joined([PiecewiseScheduler({1: 0.01, AHEAD: 0.1}), 0.5 * CyclicScheduler(5, 0.2).shifted(3)], [AHEAD]),
}
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def scheduled(schedule, steps=0, name="adam", **keywords):
    trainer = Trainer(Parameters(draw(0)), name, {"lr_scheduler": schedule, **keywords})
    trainer.params.grad.flat[:] = draw(1, {"all": trainer.params.flat.shape})["all"]
    for _ in range(steps):
        trainer.step(4)
    return trainer


def unforeseen(schedule):
    """The same rates, of a function that may not be asked before the time."""
    return lambda n: schedule(n)


@each_schedule
def test_the_lock_is_taken_when_rates_run_out(schedule):
    taken = steps_taking_the_lock(scheduled(schedule), *[4] * (2 * AHEAD + 3))
    assert np.flatnonzero(taken).tolist() == [0, AHEAD + 1, 2 * AHEAD + 2]


@each_schedule
def test_every_step_has_its_rate(schedule):
    made, twin = scheduled(schedule), scheduled(unforeseen(schedule))
    for n in range(1, 2 * AHEAD + 9):
        for trainer in (made, twin):
            trainer.step(4)
        assert content(made) == content(twin) and made.learning_rate == schedule(n)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@each_schedule
def test_a_change_is_seen_by_the_next_step(schedule, change):
    made, twin = scheduled(schedule, AHEAD - 1), scheduled(schedule)
    twin._stepper.admit = lambda: None
    for _ in range(AHEAD - 1):
        twin.step(4)
    for trainer in (made, twin):
        try:
            change(trainer)
        except ValueError as error:
            assert "set by lr_scheduler" in str(error)
    for size in (4, 4, 2, 2, 4, 4):
        for trainer in (made, twin):
            trainer.step(size)
        assert content(made) == content(twin)


def test_schedules_follow_one_another():
    made, twin = scheduled(SCHEDULES["cosine"], 3), scheduled(unforeseen(SCHEDULES["cosine"]), 3)
    for schedule in (SCHEDULES["poly"], None, SCHEDULES["cosine"], lambda n: 0.01 * n, SCHEDULES["cosine"], None):
        for trainer in (made, twin):
            trainer.optimizer.lr_scheduler = schedule if trainer is made or schedule is None else unforeseen(schedule)
            for _ in range(3):
                trainer.step(4)
        assert content(made) == content(twin)


def test_several_groups_each_have_their_part_of_a_rate():
    table = {"lr_mult": {"w": 0.5, "b": 3}}
    made, twin = (scheduled(each, AHEAD + 9, **table) for each in (SCHEDULES["poly"], unforeseen(SCHEDULES["poly"])))
    assert content(made) == content(twin) != content(scheduled(SCHEDULES["poly"], AHEAD + 9))


def test_steps_of_loaded_states_have_their_own_numbers(tmp_path):
    schedule = SCHEDULES["cosine"]
    scheduled(schedule, AHEAD + 7).save_states(tmp_path / "states")
    made, twin = scheduled(schedule, 2), scheduled(unforeseen(schedule), 2)
    for trainer in (made, twin):
        trainer.load_states(tmp_path / "states")
    twin.optimizer.lr_scheduler = unforeseen(schedule)
    for _ in range(3):
        made.step(4), twin.step(4)
        assert content(made)[1:] == content(twin)[1:]


class Own(CosineScheduler):
    """What a subclass says may be another thing every time."""


@pytest.mark.parametrize("schedule", [lambda n: 0.1 / n, Own(50, 0.1)], ids=["function", "subclass"])
def test_others_are_asked_in_every_step_and_only_then(schedule):
    asked = []

    def asking(n):
        asked.append(n)
        return schedule(n)

    trainer = scheduled(asking)
    assert steps_taking_the_lock(trainer, 4, 4, 4) == [True] * 3 and asked == [1, 2, 3]
    assert steps_taking_the_lock(scheduled(schedule), 4, 4, 4) == [True] * 3


def test_a_rate_that_the_weights_type_lacks_is_refused_when_it_comes():
    """1e39 is beyond float32: steps before it are made, it is not, and nothing of it is left."""
    trainer = scheduled(LRScheduler(1e39, warmup_steps=20), 6, "sgd")
    before = content(trainer)
    for _ in range(2):
        with pytest.raises(ValueError, match="learning_rate"):
            trainer.step(4)
        assert content(trainer) == before
    trainer.optimizer.lr_scheduler = LRScheduler(0.5)
    twin = scheduled(LRScheduler(1e39, warmup_steps=20), 6, "sgd")
    twin.optimizer.lr_scheduler = unforeseen(LRScheduler(0.5))
    for each in (trainer, twin):
        each.step(4), each.step(4)
    assert content(trainer) == content(twin)


@pytest.mark.parametrize("size", [4, 4.0], ids=["repeated", "prepared"])
def test_an_interrupted_step_is_made_and_counted_or_neither(size):
    schedule, seen = SCHEDULES["poly"], []
    expected = [content(scheduled(schedule, steps)) for steps in (3, 4)]
    following = [content(scheduled(schedule, steps)) for steps in (5, 6)]

    def check(trainer):
        now = expected.index(content(trainer))
        trainer.step(4), trainer.step(4)
        assert content(trainer) == following[now]
        seen.append(now)

    everywhere(lambda: scheduled(schedule, 3), lambda trainer: trainer.step(size), check)
    assert set(seen) == {0, 1}


def late(made):
    """A thread that had compared all that a step takes is the next to have the processor."""
    trainer, ticket = made
    extension().repeat(trainer._stepper.record.address, ticket)


@pytest.mark.parametrize("call", [lambda trainer: trainer.step(2), lambda trainer: trainer.step(4, grads=draw(2)),
                                  lambda trainer: trainer.save_states(io.BytesIO())])
def test_a_thread_that_repeats_at_the_latest_moment(call):
    def prepared():
        trainer = scheduled(SCHEDULES["poly"], 3)
        return trainer, trainer._stepper.ticket

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


def test_every_built_in_schedule_is_foreseen():
    found = {each for each in vars(lr_scheduler).values() if isinstance(each, type) and issubclass(each, Scheduler)}
    assert found - {Scheduler, Plateau} == set(lr_scheduler.FORESEEN)


WARM = {"base_lr": 0.3, "warmup_steps": 10, "warmup_begin_lr": 0.1}
EVERY = [
    *SCHEDULES.values(), lr_scheduler.ConstantScheduler(0.3), lr_scheduler.ConstantScheduler(**WARM),
    FactorScheduler(3, 0.7, 0.01, **WARM), MultiFactorScheduler([1, 5, 90], 0.7, **WARM),
    lr_scheduler.ExponentialScheduler(7, 0.97, **WARM), lr_scheduler.InverseTimeScheduler(7, 0.3, **WARM),
    lr_scheduler.InverseSqrtScheduler(10, 0.3), lr_scheduler.LinearScheduler(100, final_lr=0.07, **WARM),
    PolyScheduler(100, pwr=1.7, final_lr=0.7, **WARM), CosineScheduler(100, final_lr=0.07, **WARM),
    *[lr_scheduler.WSDScheduler(100, 37, final_lr=0.07, decay=decay, **WARM) for decay in ("linear", "sqrt", "cosine")],
    *[lr_scheduler.OneCycleScheduler(100, 0.3, start, anneal=anneal, three_phase=three)
      for start in (0, 0.005, 0.3, 0.5) for anneal in ("cosine", "linear") for three in (False, True)],
    lr_scheduler.OneCycleScheduler(1, 0.3), lr_scheduler.OneCycleScheduler(50, 0.3, 1.0),
    *[lr_scheduler.CosineRestartScheduler(7, period_factor=factor, final_lr=0.07, **WARM) for factor in (1, 2, 3)],
    CyclicScheduler(7, 0.9, step_down=3, **WARM), CyclicScheduler(7, 0.9, mode="triangular2", **WARM),
    CyclicScheduler(7, 0.9, mode="exp_range", gamma=0.99, **WARM),
    PiecewiseScheduler({1: 0.3, 7: 0.1, 8: 0.7, 100: 0.2}), PiecewiseScheduler({0: 0.3, 90: 0.1}, "constant"),
    FunctionScheduler(lambda n: 0.3 / n), FunctionScheduler(lambda n: np.float32(0.3)) * 0.5,
    PiecewiseScheduler({5: 0.3}), CosineScheduler(90, 0.3) * FactorScheduler(5, 0.9) * 0.7,
    joined([LRScheduler(0.3), PolyScheduler(50), CosineScheduler(90)], [1, 60]), CosineScheduler(90, 0.3).shifted(-20),
]


def test_a_function_that_ends_is_asked_update_by_update():
    """A table of rates, say, behind which there is nothing to be foreseen."""
    table = np.linspace(0.1, 0.01, 50).tolist()
    trainer = scheduled(FunctionScheduler(lambda n: table[n]))
    twin = scheduled(lambda n: table[n])
    for _ in range(49):
        for each in (trainer, twin):
            each.step(4)
        assert content(trainer) == content(twin)
    with pytest.raises(IndexError):
        trainer.step(4)
    assert content(trainer) == content(twin)


def test_a_function_says_that_it_may_be_foreseen():
    asked = []
    trainer = scheduled(FunctionScheduler(lambda n: asked.append(n) or 0.1))
    assert steps_taking_the_lock(trainer, 4, 4, 4) == [True, False, False]
    assert asked == [1, *range(2, AHEAD + 2)]
    assert repr(FunctionScheduler(abs)) == "FunctionScheduler(function=<built-in function abs>)"
    for wrong in (0.1, CosineScheduler):
        with pytest.raises(TypeError, match="expected a function of the update number"):
            FunctionScheduler(wrong)


def test_it_is_left_to_the_program_that_resumes(tmp_path):
    made = scheduled(FunctionScheduler(abs), 3)
    made.save_states(tmp_path / "states")
    with pytest.raises(ValueError, match="its learning rate came from a function"):
        scheduled(None).load_states(tmp_path / "states")
    twin = scheduled(FunctionScheduler(abs))
    twin.load_states(tmp_path / "states")
    assert twin.optimizer.num_update == 3


def test_each_class_is_among_these():
    assert set(map(type, EVERY)) == set(lr_scheduler.FORESEEN)


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
@pytest.mark.parametrize("begin", [1, 2, 40, 61, 100])
def test_what_is_foreseen_is_what_calls_give_to_the_bit(schedule, begin):
    made = foreseen(schedule, begin, 3 * AHEAD)
    single = [schedule(n) for n in range(begin, begin + 3 * AHEAD)]
    assert {type(rate) for rate in single} == {float}
    assert made.flags.c_contiguous and made.tobytes() == np.array(single).tobytes()


@pytest.mark.parametrize("part", [lambda n: 0.1, Own(50, 0.1), Plateau(0.1)], ids=["function", "subclass", "plateau"])
@pytest.mark.parametrize("put", [
    lambda part: 0.5 * (SCHEDULES["poly"] * part), lambda part: joined([SCHEDULES["poly"], part], [9]),
    lambda part: (0.5 * joined([part, SCHEDULES["poly"]], [9])).shifted(1),
    lambda part: part * joined([part, part], [2]),
], ids=["product", "joined", "shifted", "twice"])
def test_one_part_that_is_not_foreseen_is_enough(put, part):
    assert foreseen(put(part), 1, 3) is None and foreseen(put(SCHEDULES["cosine"]), 1, 3) is not None
    assert steps_taking_the_lock(scheduled(put(part)), 4, 4, 4) == [True] * 3
