"""Updates of the arrays of the latest call take no lock, and hyper-parameters change without new plans."""
import contextlib
import io

import numpy as np
import pytest
from interrupts import everywhere
from test_foreseen_rates import SCHEDULES, scheduled
from test_repeated_steps import Lock
from test_whole_steps import content

from numoptim import Parameters, Trainer, native, optimizer
from numoptim.native.library import extension

pytestmark = pytest.mark.skipif(extension().repeat is None, reason="no C compiler: every step takes the lock")


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
    adam._lock = lock = Lock(adam._lock)
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
        stepper = updater.states[0]._stepper
        assert stepper.ticket
        return updater, stepper, stepper.ticket

    def late(made):
        _, stepper, ticket = made
        extension().repeat(stepper.record.address, ticket)

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


def test_no_ticket_lasts_beyond_set_states():
    updater, w, g = optimizer.get_updater(optimizer.Adam()), np.ones(3), np.ones(3)
    updater(0, g, w)
    updater.optimizer.update(0, w, g, updater.states[0])
    stepper = updater.states[0]._stepper
    record, ticket = stepper.record, stepper.ticket
    updater.set_states(updater.get_states())
    before = w.copy()
    assert ticket and extension().repeat(record.address, ticket) == native.plan.ANOTHER and (w == before).all()


def test_no_two_admissions_have_one_ticket():
    trainer = scheduled(None, 3)
    tickets = [trainer._stepper.ticket]
    for _ in range(3):
        trainer._state.t = 2
        trainer.step(4.0)
        tickets.append(trainer._stepper.ticket)
    assert len(set(tickets)) == 4 and 0 not in tickets


def test_no_hyper_parameter_costs_a_plan():
    trainer, twin = scheduled(None, 3), scheduled(None, 3)
    plans = trainer._stepper.plans
    for k, key in enumerate(("wd", "beta1", "epsilon", "clip_gradient", "rescale_grad"), 1):
        for each in (trainer, twin):
            setattr(each.optimizer, key, 0.1 * k)
        twin._stepper.refresh(), twin._stepper._plan(*twin._stepper._planned[:2], 1)
        twin.optimizer._version = object()
        for each in (trainer, twin):
            each.step(4), each.step(4)
        assert trainer._stepper.plans is plans and content(trainer) == content(twin)
    for step, factor in enumerate([3.0, 2.0, 0.5]):         # the first makes two groups of the segments, and new plans
        trainer.optimizer.set_wd_mult({"w": factor})
        trainer.step(4)
        assert (trainer._stepper.plans is plans) == (step > 0)
        plans = trainer._stepper.plans
        assert sorted(plans[0].hyper["wd"]) == sorted([0.1, 0.1 * factor])


def test_a_group_that_lacks_a_hyper_parameter_is_an_error():
    plan = scheduled(None)._stepper.plans[0]
    group = dict.fromkeys((*plan.rule.fields, "lr_mult"), 0.5)
    plan.fill([group])
    del group["beta2"]
    with pytest.raises(KeyError, match="beta2"):
        plan.fill([group])


def test_no_ticket_lasts_beyond_loaded_states():
    file, trainer = io.BytesIO(), scheduled(None, 2)
    trainer.save_states(file)
    trainer.step(4), trainer.step(4)
    old = trainer._stepper
    record, ticket = old.record, old.ticket
    file.seek(0)
    trainer.load_states(file)
    trainer.step(4)
    before = content(trainer)
    assert ticket and extension().repeat(record.address, ticket) == native.plan.ANOTHER
    assert content(trainer) == before
