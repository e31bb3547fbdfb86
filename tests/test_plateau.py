"""Plateau: what observations do to steps, and that they are saved and copied. (Its rates beside torch's:
outside/test_schedules.py.)
"""
import copy
import io
import pickle

import numpy as np
import pytest

from numoptim import Parameters, Trainer, checkpoint, optimizer
from numoptim.lr_scheduler import ConstantScheduler, CosineScheduler, Plateau, joined

HALVING = {"factor": 0.5, "patience": 0}


def trained(schedule, name="sgd"):
    trainer = Trainer(Parameters({"w": np.zeros(3)}), name, {"lr_scheduler": schedule})
    trainer.params.grad.flat[:] = 1
    return trainer


def saved(trainer, change=lambda tree: None):
    file, changed = io.BytesIO(), io.BytesIO()
    trainer.save_states(file)
    file.seek(0)
    with checkpoint.reading(file) as tree:
        tree = checkpoint.loaded(tree)
    change(tree)
    checkpoint.save(changed, tree)
    changed.seek(0)
    return changed


@optimizer.register
class Stepper(optimizer.Optimizer):
    def update(self, index, weight, grad, state):
        self._update_count(index)
        weight -= self._get_lr(index) * grad


@pytest.mark.parametrize("name", ["sgd", "stepper"])
@pytest.mark.parametrize("whole", [lambda plateau: plateau, lambda plateau: plateau * ConstantScheduler(1.0),
                                   lambda plateau: joined([ConstantScheduler(1.0), plateau], [2])],
                         ids=["alone", "product", "joined"])
def test_the_next_step_has_the_rate_that_an_observation_leaves(whole, name):
    plateau = Plateau(1.0, **HALVING)
    trainer = trained(whole(plateau), name)
    for rate, metric in [(1, 5), (1, 4), (1, 4), (0.5, 4), (0.25, 3), (0.25, 2), (0.25, np.float32(2)), (0.125, 1)]:
        before = trainer.params["w"].copy()
        trainer.step(1)
        assert (before - trainer.params["w"] == rate).all() and trainer.learning_rate == rate
        plateau.observe(metric)


def test_rates_one_can_check_by_hand():
    plateau = Plateau(0.8, factor=0.5, patience=1, cooldown=2)
    rates = []
    for loss in [3, 2, 2, 2, 2, 2, 2, 2, 1.9]:
        plateau.observe(loss)
        rates.append(plateau(1))
    assert rates == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert repr(plateau) == "Plateau(base_lr=0.8, factor=0.5, patience=1, cooldown=2)"


@pytest.mark.parametrize("metric", ["0.5", None, [0.5]])
def test_a_metric_is_a_number(metric):
    plateau = Plateau()
    with pytest.raises(TypeError, match=r"metric=.*: expected a number"):
        plateau.observe(metric)
    plateau.observe(np.array(0.5))
    assert plateau.observed.best == 0.5


@pytest.mark.parametrize("keywords, error, message", [
    ({"mode": "least"}, ValueError, "mode='least': expected 'min' or 'max'"),
    ({"threshold_mode": "both"}, ValueError, "threshold_mode='both': expected 'rel' or 'abs'"),
    ({"factor": 1}, ValueError, r"factor=1.0: expected \(0, 1\)"), ({"factor": 0}, ValueError, r"expected \(0, 1\)"),
    ({"patience": -1}, ValueError, "patience=-1 is negative"), ({"patience": 0.5}, TypeError, "expected an integer"),
    ({"cooldown": -1}, ValueError, "cooldown=-1 is negative"), ({"eps": -1}, ValueError, "eps=-1.0 is negative"),
    ({"threshold": -1}, ValueError, "threshold=-1.0 is negative"), ({"base_lr": "x"}, TypeError, "expected a number"),
    ({"min_lr": 0.1}, ValueError, "min_lr=0.1 is above base_lr=0.01"),
])
def test_values_that_are_refused(keywords, error, message):
    with pytest.raises(error, match=message):
        Plateau(**keywords)


def test_a_learning_rate_beside_one_is_refused():
    """The optimizer's own copy would be told nothing."""
    with pytest.raises(ValueError, match="beside a Plateau, whose copy nobody would tell a metric"):
        optimizer.SGD(learning_rate=0.1, lr_scheduler=Plateau())


@pytest.mark.parametrize("way", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copied_trainer_has_one_of_its_own(way):
    plateau = Plateau(1.0, **HALVING)
    trainer = trained(plateau)
    plateau.observe(1), plateau.observe(1)
    twin = way(trainer)
    plateau.observe(1)
    assert (trainer.learning_rate, twin.learning_rate) == (0.25, 0.5)
    twin.optimizer.lr_scheduler.observe(1)
    assert twin.optimizer.lr_scheduler.observed == plateau.observed and twin.optimizer.lr_scheduler != plateau


# --- states

def make(with_function=False):
    """A Plateau, and a schedule with it; a function inside leaves the schedule to the program."""
    plateau = Plateau(0.75, cooldown=2, **HALVING)
    return plateau, joined([ConstantScheduler(0.1), plateau * ((lambda n: 1.0) if with_function else 1.0)], [2])


@pytest.mark.parametrize("with_function", [False, True])
@pytest.mark.parametrize("name", ["sgd", "stepper"])
def test_what_observations_left_is_saved_and_loaded_into_the_programs_own(name, with_function):
    plateau, schedule = make(with_function)
    trainer = trained(schedule, name)
    for loss in (3, 2, 2, 2):
        plateau.observe(loss)
    file = saved(trainer)
    other, schedule = make(with_function)
    resumed = trained(schedule, name)
    other.observe(-1)
    resumed.load_states(file)
    assert other.observed == plateau.observed == (0.375, 2, 0, 1) and resumed.optimizer.lr_scheduler is schedule
    for loss in (2, 2, 1, 1):
        for each in (plateau, other):
            each.observe(loss)
        trainer.step(1), resumed.step(1)
        assert other.observed == plateau.observed and trainer.learning_rate == resumed.learning_rate
    assert other(9) == 0.1875


def test_a_trainer_without_a_schedule_gets_the_files():
    plateau, schedule = make()
    plateau.observe(1)
    resumed = trained(None)
    resumed.load_states(saved(trained(schedule)))
    made = resumed.optimizer.lr_scheduler.schedules[1].factors[0]
    assert type(made) is Plateau and made.observed == plateau.observed and made is not plateau
    assert repr(resumed.optimizer) == repr(trained(schedule).optimizer)


@pytest.mark.parametrize("missing", [None, "new"])
def test_more_parameters_go_on_with_it(missing):
    plateau = Plateau(1.0, **HALVING)
    plateau.observe(1), plateau.observe(1)
    resumed = Trainer(Parameters({"w": np.zeros(3), **({"b": np.zeros(2)} if missing else {})}), "sgd")
    resumed.load_states(saved(trained(plateau)), missing=missing)
    assert resumed.learning_rate == 0.5


@pytest.mark.parametrize("here, there, message", [
    (Plateau(0.5), Plateau(0.25), r"its lr_scheduler is Plateau\(base_lr=0.25\), here it is Plateau\(base_lr=0.5\)"),
    (Plateau(0.5), CosineScheduler(9), r"its lr_scheduler is CosineScheduler\(.*which the program tells a metric"),
    (Plateau(0.5), None, "its lr_scheduler is None, here it is Plateau"),
    (Plateau(0.5) * 2, Plateau(0.5), "its lr_scheduler is Plateau"),
], ids=["options", "pure", "none", "structure"])
def test_a_plateau_that_would_no_longer_be_heard_is_not_replaced(here, there, message):
    resumed = trained(here)
    resumed.step(1)
    with pytest.raises(ValueError, match=message):
        resumed.load_states(saved(trained(there)))
    assert resumed.optimizer.lr_scheduler is here and resumed.optimizer.num_update == 1


@pytest.mark.parametrize("observed", [
    [], [(0.5, 1.0, 0, 0)] * 2, [(0.5, 1.0, 0)], [(2.0, 1.0, 0, 0)], [(-0.5, 1.0, 0, 0)], [(0.5, "1", 0, 0)],
    [(0.5, 1.0, 9, 0)], [(0.5, 1.0, 0, 9)], [(0.5, 1.0, 0.5, 0)], [None], 3,
], ids=str)
def test_observations_that_do_not_fit_change_nothing(observed):
    resumed = trained(plateau := Plateau(1.0, **HALVING))
    plateau.observe(1), plateau.observe(1), resumed.step(1)
    before = plateau.observed, resumed.params.flat.tolist()
    with pytest.raises(ValueError, match="these states do not fit this trainer"):
        resumed.load_states(saved(trained(Plateau(1.0, **HALVING)), lambda tree: tree.update(observed=observed)))
    assert (plateau.observed, resumed.params.flat.tolist()) == before and resumed.optimizer.num_update == 1
    resumed.load_states(saved(trained(Plateau(1.0, **HALVING))))
    assert plateau.observed == (1.0, np.inf, 0, 0)


def test_files_from_before_there_were_any():
    """A schedule of the program's own goes on as it is."""
    def before(tree):
        del tree["observed"]

    plateau, schedule = make(True)
    plateau.observe(1)
    left = plateau.observed
    for there, here in ((lambda n: 0.5, schedule), (CosineScheduler(9), None), (None, None)):
        resumed = trained(here)
        resumed.load_states(saved(trained(there), before))
        assert plateau.observed == left
