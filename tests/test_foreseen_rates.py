"""Small steps whose learning rates schedules have told before are made in one call; nothing else may differ."""
import contextlib
import io

import numpy as np
import pytest
from interrupts import everywhere
from test_optimizer import draw
from test_repeated_steps import CHANGES, steps_taking_the_lock
from test_whole_steps import content

from numoptim import Parameters, Trainer, lr_scheduler, native, optimizer
from numoptim.lr_scheduler import CosineScheduler, FactorScheduler, LRScheduler, MultiFactorScheduler, PolyScheduler
from numoptim.optimizer.bound import AHEAD

pytestmark = pytest.mark.skipif(native.extension().repeat is None, reason="no C compiler: every step takes the lock")

SCHEDULES = {
    "constant": LRScheduler(0.1, warmup_steps=AHEAD + 3),
    "factor": FactorScheduler(7, 0.9, base_lr=0.1),
    "multifactor": MultiFactorScheduler([2, AHEAD + 1, AHEAD + 2], 0.5, base_lr=0.1, warmup_steps=5,
                                        warmup_begin_lr=0.01, warmup_mode="constant"),
    "poly": PolyScheduler(AHEAD + 5, 0.1, warmup_steps=4),
    "cosine": CosineScheduler(2 * AHEAD, 0.1, 0.01),
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
    twin._driver.admit = lambda: None
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
    native.extension().repeat(trainer._driver.record.address, ticket)


@pytest.mark.parametrize("call", [lambda trainer: trainer.step(2), lambda trainer: trainer.step(4, grads=draw(2)),
                                  lambda trainer: trainer.save_states(io.BytesIO())])
def test_a_thread_that_repeats_at_the_latest_moment(call):
    def prepared():
        trainer = scheduled(SCHEDULES["poly"], 3)
        return trainer, trainer._driver.ticket

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


# --- optimizer.update, and hyper-parameters that change

class Counting:
    """A lock that counts how often it is taken."""

    def __init__(self, lock):
        self.lock, self.taken = lock, 0

    def __enter__(self):
        self.taken += 1
        return self.lock.__enter__()

    def __exit__(self, *error):
        return self.lock.__exit__(*error)

    def _is_owned(self):
        return self.lock._is_owned()


def of_one(steps=0, **keywords):
    adam, w, g = optimizer.Adam(**keywords), np.linspace(-1, 1, 9), np.linspace(1, 2, 9)
    state = adam.create_state(0, w)
    for _ in range(steps):
        adam.update(0, w, g, state)
    return adam, w, g, state


def held(adam, w, g, state):
    return w.tobytes(), [slot.tobytes() for slot in state.slots.values()], state.t, adam.num_update


def test_updates_of_the_same_arrays_take_no_lock():
    adam, w, g, state = of_one()
    adam._lock = lock = Counting(adam._lock)
    taken = []
    for step, grad in enumerate([g, g, g, g + 1, g, g]):
        if step == 5:
            adam.wd = 0.5
        adam.update(0, w, grad, state)
        taken.append(lock.taken)
    assert taken == [1, 1, 1, 2, 3, 4]


@pytest.mark.parametrize("keywords", [{}, {"lr_scheduler": SCHEDULES["poly"]}, {"lr_scheduler": lambda n: 0.1 / n}],
                         ids=["plain", "schedule", "function"])
def test_they_have_the_bits_of_updates_of_others(keywords):
    """The twin gets its gradient as another array each time."""
    made, (adam, w, g, state) = of_one(7, **keywords), of_one(0, **keywords)
    for _ in range(7):
        adam.update(0, w, g.copy(), state)
    assert held(*made) == held(adam, w, g, state)


def test_an_index_a_weight_and_an_optimizer_of_their_own_are_seen():
    adam, w, g, state = of_one(3)
    adam.set_lr_mult({1: 0})
    before = held(adam, w, g, state)
    adam.update(1, w, g, state)
    assert held(adam, w, g, state)[:2] == before[:2]
    other = w.copy()
    adam.update(0, other, g, state)
    assert (other != w).all() and held(adam, w, g, state)[0] == before[0]


def test_no_file_of_an_updater_is_torn_by_a_late_thread():
    def prepared():
        updater, w, g = optimizer.get_updater(optimizer.Adam()), np.linspace(-1, 1, 9), np.linspace(1, 2, 9)
        updater(0, g, w)
        updater.optimizer.update(0, w, g, updater.states[0])
        bound = updater.states[0]._bound
        assert bound.ticket
        return updater, bound, bound.ticket

    def late(made):
        _, bound, ticket = made
        native.extension().repeat(bound.record.address, ticket)

    made = prepared()
    expected = [made[0].get_states()]
    late(made := prepared())
    expected.append(made[0].get_states())
    seen = []
    everywhere(prepared, lambda made: seen.append(made[0].get_states()), lambda made: None, late)
    assert set(seen) == set(expected)


def test_an_update_takes_its_own_gradient_whoever_comes_between():
    """A handler makes an update with another gradient: both are made, or one where the other was refused."""
    def prepared():
        opt, w = optimizer.SGD(learning_rate=1.0), np.zeros(1)
        state = opt.create_state(0, w)
        own, other = np.full(1, 1.0), np.full(1, 1024.0)
        opt.update(0, w, own, state)
        return opt, w, state, own, other

    def handler(made):
        opt, w, state, _, other = made
        with contextlib.suppress(RuntimeError):    # in the middle of an update
            opt.update(0, w, other, state)

    seen = set()
    everywhere(prepared, lambda made: made[0].update(0, made[1], made[3], made[2]),
               lambda made: seen.add((made[1][0], made[2].t)), handler)
    assert seen == {(-2.0, 2), (-1026.0, 3)}


def test_who_holds_the_lock_makes_no_updates_of_other_states():
    def prepared():
        opt, g = optimizer.SGD(), np.ones(1)
        weights = [np.zeros(1), np.zeros(1)]
        states = [opt.create_state(k, w) for k, w in enumerate(weights)]
        for k in range(2):
            opt.update(k, weights[k], g, states[k])
        return opt, weights, states, g

    seen = set()

    def handler(made):
        opt, weights, states, g = made
        inside = opt._lock._is_owned()
        try:
            opt.update(1, weights[1], g, states[1])
            seen.add((inside, "made"))
        except RuntimeError:
            seen.add((inside, "refused"))

    everywhere(prepared, lambda made: made[0].update(0, made[1][0], np.ones(1), made[2][0]), lambda made: None, handler)
    assert seen == {(True, "refused"), (False, "made")}


def test_nothing_half_planned_is_taken_for_planned():
    """Interrupted anywhere while "w" is being frozen; then that is undone."""
    def prepared():
        trainer = Trainer(Parameters({"w": np.zeros(2), "b": np.zeros(2)}), "sgd", {"learning_rate": 1.0})
        trainer.params.grad.flat[:] = 1
        trainer.step(), trainer.step()
        trainer.optimizer.set_lr_mult({"w": 0.0})
        return trainer

    def check(trainer):
        before = trainer.params.flat.copy()
        trainer.optimizer.set_lr_mult({})
        trainer.set_learning_rate(16.0)
        trainer.step()
        assert (before - trainer.params.flat == 16).all()

    everywhere(prepared, lambda trainer: trainer.step(), check)


def test_no_ticket_lasts_beyond_loaded_states():
    file, trainer = io.BytesIO(), scheduled(None, 2)
    trainer.save_states(file)
    trainer.step(4), trainer.step(4)
    old = trainer._driver
    record, ticket = old.record, old.ticket
    file.seek(0)
    trainer.load_states(file)
    trainer.step(4)
    before = content(trainer)
    assert ticket and native.extension().repeat(record.address, ticket) == native.ANOTHER
    assert content(trainer) == before


def test_no_ticket_lasts_beyond_set_states():
    updater, w, g = optimizer.get_updater(optimizer.Adam()), np.ones(3), np.ones(3)
    updater(0, g, w)
    updater.optimizer.update(0, w, g, updater.states[0])
    bound = updater.states[0]._bound
    record, ticket = bound.record, bound.ticket
    updater.set_states(updater.get_states())
    before = w.copy()
    assert ticket and native.extension().repeat(record.address, ticket) == native.ANOTHER and (w == before).all()


def test_no_two_admissions_have_one_ticket():
    trainer = scheduled(None, 3)
    tickets = [trainer._driver.ticket]
    for _ in range(3):
        trainer._driver.state.t = 2
        trainer.step(4.0)
        tickets.append(trainer._driver.ticket)
    assert len(set(tickets)) == 4 and 0 not in tickets


def test_no_hyper_parameter_costs_a_plan():
    trainer, twin = scheduled(None, 3), scheduled(None, 3)
    plans = trainer._driver.plans
    for k, key in enumerate(("wd", "beta1", "epsilon", "clip_gradient", "rescale_grad"), 1):
        for each in (trainer, twin):
            setattr(each.optimizer, key, 0.1 * k)
        twin._driver.refresh(), twin._driver._plan(*twin._driver._planned[:2], 1)
        twin.optimizer._version = object()
        for each in (trainer, twin):
            each.step(4), each.step(4)
        assert trainer._driver.plans is plans and content(trainer) == content(twin)
    trainer.optimizer.set_wd_mult({"w": 3.0})
    trainer.step(4)
    trainer.optimizer.set_wd_mult({"w": 2.0})
    plans = trainer._driver.plans
    trainer.step(4)
    assert trainer._driver.plans is not plans or len(plans[0].hyper) == 2


def test_a_group_that_lacks_a_hyper_parameter_is_an_error():
    plan = scheduled(None)._driver.plans[0]
    group = dict.fromkeys(plan.rule.fields, 0.5)
    plan.fill([group])
    del group["beta2"]
    with pytest.raises(KeyError, match="beta2"):
        plan.fill([group])


def test_every_built_in_schedule_is_foreseen():
    found = {each for each in vars(lr_scheduler).values() if isinstance(each, type) and issubclass(each, LRScheduler)}
    assert {each for each in found if not each.__name__.startswith("_")} == set(lr_scheduler.FORESEEN)
