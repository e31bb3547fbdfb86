"""``with trainer.averaged():`` the parameters are the weights to evaluate, and afterwards what they were."""
import copy
import pickle
import threading

import numpy as np
import pytest
from interrupts import everywhere
from test_whole_steps import content

from numoptim import Parameters, Trainer, hyper, kernel, optimizer

each_class = pytest.mark.parametrize("cls", [optimizer.SGDScheduleFree, optimizer.AdamWScheduleFree])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def trained(cls, dtype=np.float64, steps=9, **options):
    rng = np.random.default_rng(3)
    params = Parameters({"a": rng.standard_normal((2, 5)).astype(dtype), "b": rng.standard_normal(7).astype(dtype)})
    trainer = Trainer(params, cls(learning_rate=0.1, beta=0.8, **options))
    for _ in range(steps):
        trainer.step(1, {name: rng.standard_normal(w.shape).astype(dtype) for name, w in params.items()})
    return trainer


@each_class
@each_dtype
def test_it_is_the_average_of_the_iterates(cls, dtype):
    """At a constant rate x is the mean of all z, and of the weights at first, which count for nothing."""
    trainer, iterates = trained(cls, dtype, 0), []
    rng = np.random.default_rng(4)
    for _ in range(12):
        trainer.step(1, {name: rng.standard_normal(w.shape).astype(dtype) for name, w in trainer.params.items()})
        iterates.append(trainer.slots["z"].flat.copy())
    with trainer.averaged() as params:
        assert params is trainer.params
        np.testing.assert_allclose(params.flat, np.mean(iterates, axis=0), rtol=0, atol=1e-6)
    np.testing.assert_allclose(trainer.params.flat, 0.8 * np.mean(iterates, axis=0) + 0.2 * iterates[-1], atol=1e-6)


@each_class
def test_nothing_but_the_weights_changes_and_they_come_back(cls):
    trainer, twin = trained(cls), trained(cls)
    with trainer.averaged():
        assert content(trainer)[1:] == content(twin)[1:] and content(trainer)[0] != content(twin)[0]
        trainer.params["a"][:] = 7
    assert content(trainer) == content(twin)
    with pytest.raises(ZeroDivisionError), trainer.averaged():
        raise ZeroDivisionError
    assert content(trainer) == content(twin)
    for each in (trainer, twin):
        each.step(1)
    assert content(trainer) == content(twin)


@each_class
def test_frozen_parameters_are_what_they_are(cls):
    trainer = trained(cls, lr_mult={"b": 0})
    before = trainer.params["b"].copy()
    with trainer.averaged():
        assert trainer.params["b"].tobytes() == before.tobytes()


@each_class
def test_steps_loading_and_copies_are_refused_meanwhile(cls, tmp_path):
    trainer, twin = trained(cls), trained(cls)
    trainer.save_states(tmp_path / "before")
    for _ in range(3):                                      # the last ones are repeated, without a lock
        trainer.step(1), twin.step(1)
    with trainer.averaged():
        for call in (trainer.step, lambda: trainer.load_states(tmp_path / "before"), trainer.averaged().__enter__,
                     lambda: copy.copy(trainer), lambda: copy.deepcopy(trainer), lambda: pickle.dumps(trainer)):
            with pytest.raises(RuntimeError, match=r"within averaged\(\)"):
                call()
        trainer.save_states(tmp_path / "within")
    twin.save_states(tmp_path / "twin")
    assert (tmp_path / "twin").read_bytes() == (tmp_path / "within").read_bytes()
    trainer.step(1), twin.step(1)
    assert content(trainer) == content(twin)


def test_another_trainer_of_the_optimizer_steps_on():
    one = trained(optimizer.SGDScheduleFree)
    others = [Trainer(Parameters({key: np.ones_like(w) for key, w in one.params.items()}), one.optimizer)
              for _ in range(2)]
    for other in others:
        other.step(), other.step()
    with one.averaged():
        others[0].step()
    others[1].step()
    assert content(others[0]) == content(others[1])


def test_an_interrupt_anywhere_leaves_the_weights():
    expected = content(trained(optimizer.SGDScheduleFree, np.float64, 3))

    def evaluated(trainer):
        with trainer.averaged():
            pass

    def check(trainer):
        assert content(trainer) == expected
        trainer.step(1)
    assert everywhere(lambda: trained(optimizer.SGDScheduleFree, np.float64, 3), evaluated, check) > 50


def test_a_subclass_that_steps_in_python_has_none():
    class Own(optimizer.SGDScheduleFree):
        def update(self, index, weight, grad, state):
            super().update(index, weight, grad, state)
    with pytest.raises(ValueError, match="Own keeps no average that a trainer knows"):
        Trainer(Parameters({"w": np.ones(3)}), Own()).averaged().__enter__()


def test_it_is_that_of_the_latest_step():
    trainer = trained(optimizer.SGDScheduleFree)
    with trainer.averaged():
        before = trainer.params.flat.copy()
    trainer.optimizer.beta = 0.5
    with trainer.averaged():
        assert trainer.params.flat.tobytes() == before.tobytes()


def test_another_thread_is_refused_too():
    trainer, errors = trained(optimizer.SGDScheduleFree), []

    def step():
        try:
            trainer.step()
        except RuntimeError as error:
            errors.append(str(error))
    other = threading.Thread(target=step)
    with trainer.averaged():
        average = trainer.params.flat.copy()
        other.start()
        other.join()
        assert (trainer.params.flat == average).all() and "within averaged()" in errors[0]


def test_others_have_none():
    trainer = Trainer(Parameters({"w": np.ones(3)}), "adam")
    with pytest.raises(ValueError, match="Adam keeps no average that a trainer knows"):
        trainer.averaged().__enter__()


def test_the_same_from_c_and_in_a_jitted_loop():
    trainer = trained(optimizer.SGDScheduleFree)
    average = kernel("schedule_free_average", np.float64)
    w = trainer.params.flat.copy()
    average(w, trainer.slots["z"].flat, hyper("schedule_free_average", beta=0.8), 1)
    with copy.deepcopy(trainer).averaged() as params:
        assert params.flat.tobytes() == w.tobytes()
