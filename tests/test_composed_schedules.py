"""Schedules put together: products, shifts, one after the other, of plain functions too; saved, copied, refused."""
import copy
import io
import pickle
import re

import numpy as np
import pytest

from numoptim import Parameters, Trainer, lr_scheduler, optimizer
from numoptim.lr_scheduler import (
    ConstantScheduler,
    CosineRestartScheduler,
    CosineScheduler,
    CyclicScheduler,
    ExponentialScheduler,
    InverseSqrtScheduler,
    InverseTimeScheduler,
    Joined,
    LinearScheduler,
    OneCycleScheduler,
    PiecewiseScheduler,
    Product,
    Shifted,
    WSDScheduler,
    joined,
)

COSINE, LINE = CosineScheduler(9, 0.5), LinearScheduler(4, 1.0)
ALL = [
    ConstantScheduler(0.25, 3), ExponentialScheduler(3, 0.5, 0.25), InverseTimeScheduler(3, 0.5, warmup_steps=2),
    InverseSqrtScheduler(4, 0.5), LINE, WSDScheduler(9, 3, 0.25, decay="sqrt"), OneCycleScheduler(9, three_phase=True),
    CosineRestartScheduler(3, 0.25, 2), CyclicScheduler(2, 0.5, 0.25, mode="triangular2"),
    PiecewiseScheduler({3: 0.25, 1: 0.5}), COSINE * 0.5, COSINE.shifted(-1), joined([LINE, COSINE], [3]),
    0.5 * joined([LINE * COSINE, COSINE.shifted(2)], [3]).shifted(1),
]
each = pytest.mark.parametrize("schedule", ALL, ids=repr)


def function(n):
    return 1 / n


@pytest.mark.parametrize("schedule, rates", [
    (LINE * 0.5, {0: 0.5, 1: 0.375, 4: 0}), (0.5 * LINE, {1: 0.375}), (np.float64(0.5) * LINE, {1: 0.375}),
    (LINE * LinearScheduler(2, 1.0), {1: 0.375, 2: 0}), (LINE * 2 * LINE, {1: 1.125, 2: 0.5}),
    (LINE * function, {1: 0.75, 2: 0.25}), (function * LINE, {2: 0.25}),
    (LINE.shifted(1), {0: 0.75, 1: 0.5}), (LINE.shifted(-2), {0: 1, 1: 1, 2: 1, 3: 0.75}),
    (LINE.shifted(3).shifted(-1), {1: 0.25}), ((LINE * 2).shifted(1), {1: 1}),
    (joined([LINE, ConstantScheduler(2)], [2]), {1: 0.75, 2: 0.5, 3: 2, 9: 2}),
    (joined([LINE, LINE, function], [2, 5]), {2: 0.5, 3: 0.75, 5: 0.25, 6: 1, 9: 0.25}),
    (joined([function, LINE * 2], [4]), {4: 0.25, 5: 1.5}),
], ids=lambda x: re.sub(" at 0x[0-9a-f]+", "", repr(x)))        # an address is another in each process
def test_rates_one_can_check_by_hand(schedule, rates):
    assert {n: schedule(n) for n in rates} == rates


@each
def test_copies_are_equal_and_can_be_typed(schedule):
    for twin in (copy.copy(schedule), copy.deepcopy(schedule), pickle.loads(pickle.dumps(schedule)),
                 eval(repr(schedule), vars(lr_scheduler).copy()) if "..." not in repr(schedule) else schedule):
        assert twin == schedule and hash(twin) == hash(schedule)
        assert [twin(n) for n in range(12)] == [schedule(n) for n in range(12)]
    assert [other for other in ALL if other == schedule] == [schedule] and len(repr(schedule)) < 300


def test_what_is_equal():
    assert LINE * (COSINE * 2) == LINE * COSINE * ConstantScheduler(2) != COSINE * LINE * 2
    assert joined((LINE, COSINE), (3,)) == Joined([LINE, COSINE], [3]) != joined([LINE, COSINE], [4])
    assert PiecewiseScheduler({1: 0.5, 2: 1}) == PiecewiseScheduler([(2, 1), (1, 0.5)])
    assert LINE.shifted(1) == Shifted(LINE, 1) != LINE.shifted(2)
    assert repr(LINE * 0.5) == ("Product(factors=(LinearScheduler(base_lr=1.0, max_update=4), "
                                "ConstantScheduler(base_lr=0.5)))")


@each
def test_states_hold_them(schedule):
    file, trainer = io.BytesIO(), Trainer(Parameters({"w": np.ones(3)}), "sgd", {"lr_scheduler": schedule})
    trainer.save_states(file)
    file.seek(0)
    resumed = Trainer(Parameters({"w": np.ones(3)}), "sgd")
    resumed.load_states(file)
    assert resumed.optimizer.lr_scheduler == schedule and type(resumed.optimizer.lr_scheduler) is type(schedule)


class Own(CosineScheduler):
    pass


@pytest.mark.parametrize("part", [function, Own(9)], ids=["function", "subclass"])
def test_one_with_a_function_of_the_programs_is_left_to_it(part):
    file, schedule = io.BytesIO(), joined([LINE, (2 * LINE * part).shifted(1)], [3])
    Trainer(Parameters({"w": np.ones(3)}), "sgd", {"lr_scheduler": schedule}).save_states(file)
    for keywords in ({"lr_scheduler": schedule}, {}):
        file.seek(0)
        resumed = Trainer(Parameters({"w": np.ones(3)}), "sgd", keywords)
        if keywords:
            resumed.load_states(file)
            assert resumed.optimizer.lr_scheduler is schedule
        else:
            with pytest.raises(ValueError, match="its learning rate came from a function"):
                resumed.load_states(file)


@each
def test_a_learning_rate_beside_one_is_its_base_or_refused(schedule):
    if not hasattr(schedule, "base_lr"):
        with pytest.raises(ValueError, match="beside an lr_scheduler that has no base_lr: give one of them"):
            optimizer.SGD(learning_rate=0.375, lr_scheduler=schedule)
        return
    made = optimizer.SGD(learning_rate=0.375, lr_scheduler=schedule).lr_scheduler
    assert made.base_lr == 0.375 and type(made) is type(schedule) and schedule.base_lr != 0.375


@pytest.mark.parametrize("make, error, message", [
    (lambda: LINE * "fast", TypeError, "factor='fast': expected a number"),
    (lambda: -1 * LINE, ValueError, r"factor=-1 is out of range: expected a finite number in \[0, inf\)"),
    (lambda: LINE * float("nan"), ValueError, "factor=nan is out of range"),
    (lambda: LINE * CosineScheduler, TypeError, "factor=<class .*>: expected a function of the update number"),
    (lambda: LINE.shifted(0.5), TypeError, "by=0.5: expected an integer"),
    (lambda: Shifted(0.5, 1), TypeError, "schedule=0.5: expected a function"),
    (lambda: joined([LINE, 0.5], [3]), TypeError, "schedules=0.5: expected a function"),
    (lambda: joined([LINE, LINE], []), ValueError, r"boundaries=\[\]: expected increasing update numbers"),
    (lambda: joined([LINE, LINE, LINE], [5, 5]), ValueError, r"boundaries=\[5, 5\]: expected increasing"),
    (lambda: joined([LINE, LINE, LINE], [5]), ValueError, "3 schedules with 1 boundaries: expected one between any"),
    (lambda: joined([LINE, LINE], [0]), ValueError, "boundaries=0 is out of range"),
    (lambda: joined([LINE, LINE], [1.5]), TypeError, "boundaries=1.5: expected an integer"),
])
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_a_rate_that_overflows_is_refused_when_it_comes():
    trainer = Trainer(Parameters({"w": np.ones(3)}), "sgd", {"lr_scheduler": Product([1e200, PiecewiseScheduler(
        {3: 1.0, 4: 1e200})])})
    for _ in range(3):
        trainer.step(grads={"w": np.zeros(3)})
    for _ in range(2):
        with pytest.raises(ValueError, match="learning_rate=inf is out of range"):
            trainer.step(1)
        assert trainer.optimizer.num_update == 3
