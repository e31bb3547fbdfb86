"""Hyper-parameters other than the learning rate that follow schedules: each step has what they say of its number."""
import copy
import io
import pickle

import numpy as np
import pytest

from numoptim import Parameters, Trainer, optimizer
from numoptim.lr_scheduler import CosineScheduler, LinearScheduler, Plateau, PolyScheduler
from numoptim.step.stepper import AHEAD

STEPS = AHEAD + 20
BETA1, DECAY = LinearScheduler(2 * AHEAD, 0.9, 0.5), CosineScheduler(2 * AHEAD, 0.1)
SCALE = PolyScheduler(3 * AHEAD, 2.0)
TABLE = {"beta1": BETA1, "wd": DECAY, "rescale_grad": SCALE}
each_table = pytest.mark.parametrize("table", [
    TABLE, {key: (lambda n, f=f: f(n)) for key, f in TABLE.items()}], ids=["foreseen", "functions"])


def trained(opt, steps=STEPS, between=lambda opt, n: None):
    """Weights after some steps."""
    rng = np.random.default_rng(1)
    trainer = Trainer(Parameters({"a": np.ones(5), "b": np.ones((2, 3))}), opt)
    for n in range(1, steps + 1):
        between(opt, n)
        trainer.params.grad.flat[:] = rng.standard_normal(11)
        trainer.step(4)
    return trainer


def by_hand(opt, n):
    opt.beta1, opt.wd, opt.rescale_grad = BETA1(n), DECAY(n), SCALE(n)


@each_table
@pytest.mark.parametrize("rate", [None, CosineScheduler(2 * AHEAD, 0.01)], ids=["constant rate", "rate too"])
def test_each_step_has_what_they_say(table, rate):
    more = {"lr_scheduler": rate, "wd_mult": {"b": 0.5}, "lr_mult": {"a": 0.25}}
    followed = trained(optimizer.Adam(schedules=table, **more))
    assert followed.params.flat.tobytes() == trained(optimizer.Adam(**more), between=by_hand).params.flat.tobytes()
    assert (followed.optimizer.beta1, followed.optimizer.wd, dict(followed.optimizer.schedules)) == (0.9, 0.0, table)


def test_on_single_arrays_and_lists():
    def run(opt, lists, change):
        weights, grads = [np.ones(3), np.ones(4)], [np.full(3, 0.5), np.full(4, -1.0)]
        states = [opt.create_state(k, w) for k, w in enumerate(weights)]
        for n in range(1, 6):
            change(opt, n)
            if lists:
                opt.update([0, 1], weights, grads, states)
            else:
                for each in zip([0, 1], weights, grads, states, strict=True):
                    opt.update(*each)
        return [w.tolist() for w in weights]
    asked = []
    table = {**TABLE, "beta1": lambda n: asked.append(n) or BETA1(n)}
    expected = run(optimizer.Adam(), False, by_hand)
    for lists in (False, True):
        assert run(optimizer.Adam(schedules=table), lists, lambda opt, n: None) == expected
    assert asked == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 1, 2, 3, 4, 5], "a list asks once"


@each_table
def test_batch_sizes_that_change(table):
    """Steps that are prepared come between foreseen ones; the gradient's scale is of the schedule and the batch."""
    def run(foreseen):
        trainer = trained(optimizer.Adam(schedules=table, lr_scheduler=CosineScheduler(90, 0.1)), 3)
        if not foreseen:
            trainer._stepper.admit = lambda: None
        for size in (*[4] * 5, *[2] * 4, 3, 3, *[4] * 5):
            trainer.step(size)
        return trainer.params.flat.tobytes()
    assert run(True) == run(False)


def test_no_plan_is_made_anew_and_a_new_table_holds_from_the_next_step():
    trainer = trained(optimizer.Adam(schedules={"beta1": BETA1}), 3)
    plans = trainer._stepper.plans
    trainer.optimizer.schedules = {"beta2": LinearScheduler(9, 0.9)}
    trainer.step(4)
    assert trainer._stepper.plans is plans
    assert plans[0].hyper[["beta1", "beta2"]].tolist() == [(0.9, LinearScheduler(9, 0.9)(4))]


@each_table
def test_a_resumed_run_goes_on(table):
    whole, opt = trained(optimizer.Adam(schedules=table)), optimizer.Adam(schedules=table)
    file, first = io.BytesIO(), trained(opt, 7)
    first.save_states(file)
    made = {} if table is TABLE else table                 # functions are the program's
    rng = np.random.default_rng(1)
    drawn = [rng.standard_normal(11) for _ in range(STEPS)]
    resumed = Trainer(Parameters({key: w.copy() for key, w in first.params.items()}), optimizer.Adam(schedules=made))
    resumed.load_states(io.BytesIO(file.getvalue()))
    for trainer in (first, resumed, copy.deepcopy(first)):
        for g in drawn[7:]:
            trainer.params.grad.flat[:] = g
            trainer.step(4)
        assert trainer.params.flat.tobytes() == whole.params.flat.tobytes()
    if table is not TABLE:
        with pytest.raises(ValueError, match="its beta1 came from a function"):
            Trainer(first.params, optimizer.Adam()).load_states(io.BytesIO(file.getvalue()))


def test_copies_and_repr():
    opt = optimizer.Adam(schedules={"beta1": BETA1})
    assert "schedules={'beta1': LinearScheduler(" in repr(opt) and "schedules" not in repr(optimizer.Adam())
    for twin in (copy.copy(opt), copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        assert dict(twin.schedules) == {"beta1": BETA1}
    assert optimizer.Adam().schedules == {}


@pytest.mark.parametrize("cls, table, error, message", [
    (optimizer.Adam, [1], TypeError, "expected a mapping"),
    (optimizer.Adam, {"beta1": 0.9}, TypeError, r"schedules\['beta1'\]=0.9: expected a function of the update number"),
    (optimizer.Adam, {"beta3": BETA1}, ValueError, "'beta3' is none of Adam's numbers; did you mean 'beta"),
    (optimizer.Adam, {"learning_rate": BETA1}, ValueError, "that of the learning rate is lr_scheduler"),
    (optimizer.Adam, {"amsgrad": BETA1}, ValueError, "'amsgrad' is none of Adam's numbers"),
    (optimizer.SGLD, {"seed": BETA1}, ValueError, "'seed' is none"),
    (optimizer.SGDScheduleFree, {"beta": BETA1}, ValueError, "SGDScheduleFree's beta holds for a whole run"),
    (optimizer.Adam, {"beta1": Plateau()}, ValueError, "a Plateau is a learning rate's"),
    (optimizer.SGD, {"momentum": BETA1}, ValueError, "'momentum' would have no effect: .* the rule 'sgd'"),
])
def test_what_cannot_follow_is_refused(cls, table, error, message):
    with pytest.raises(error, match=message):
        cls(schedules=table)
    opt = cls()
    with pytest.raises(error, match=message):
        opt.schedules = table
    assert opt.schedules == {}


@pytest.mark.parametrize("schedule", [LinearScheduler(4, 0.5, 1.5), lambda n: 0.5 + n / 4],
                         ids=["foreseen", "function"])
def test_a_value_out_of_range_stops_before_anything_is_written(schedule):
    trainer = trained(optimizer.Adam(schedules={"beta1": schedule}), 1)
    with pytest.raises(ValueError, match=r"beta1=.* is out of range"):
        for _ in range(3):
            before, t = trainer.params.flat.copy(), trainer.optimizer.num_update
            trainer.step(4)
    assert trainer.params.flat.tobytes() == before.tobytes() and trainer.optimizer.num_update == t < 4


def test_a_decay_out_of_range_after_its_multiplier():
    with pytest.raises(ValueError, match="wd out of range after its multipliers: inf"):
        trained(optimizer.Adam(schedules={"wd": lambda n: 1e200}, wd_mult={"b": 1e200}), 1)


def test_options_that_change_later():
    opt = optimizer.SGD(momentum=0.9, schedules={"momentum": BETA1})
    trainer = trained(opt, 2)
    opt.momentum = 0.5
    trainer.step(4)
    opt.momentum = 0.0
    with pytest.raises(ValueError, match="momentum"):
        trainer.step(4)
