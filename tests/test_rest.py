"""Parameters that sit out: frozen, or without a gradient; each counts its own steps."""
import copy
import io
import pickle

import numpy as np
import pytest
from test_optimizer import COMMON, REFUSED, SHAPES, bits, draw, each_case, make
from test_whole_steps import content

from numoptim import Parameters, Trainer, lr_scheduler, optimizer
from numoptim.rules import RULES

NAMES = list(SHAPES)
FOR_ALL = {rule.name for rule in RULES if rule.slots_over("all") or any(r.over == "all" for r in rule.reductions)}


def gradients(t):
    return draw(100 + t)


def absent(t, seed=0):
    """Which parameters have no gradient in step t."""
    return {name for k, name in enumerate(NAMES) if np.random.default_rng([seed, t]).random(len(NAMES))[k] < 0.4}


@each_case
@pytest.mark.parametrize("how", ["missing", "none", "frozen", "multiplier"])
def test_each_parameter_goes_on_with_its_own_steps(name, keywords, how):
    """As one does in a trainer of its own, which makes only the steps that it takes."""
    keywords = {key: x for key, x in {**COMMON, **keywords}.items() if key not in REFUSED.get(name, ())}
    opt = optimizer.create(name, **keywords)
    if opt.rule.noisy or opt.rule.name in FOR_ALL or name == "LBSGD":
        pytest.skip("parameters share noise, sums, numbers or batches")
    trainer = Trainer(Parameters(draw(0)), opt)
    alone = {key: Trainer(Parameters({"w": w}), name, keywords) for key, w in draw(0).items()}
    for t in range(1, 13):
        grads, out = gradients(t), absent(t)
        if how == "missing":
            trainer.step(4, {key: g for key, g in grads.items() if key not in out}, missing="skip")
        elif how == "none":
            trainer.step(4, {key: None if key in out else g for key, g in grads.items()}, missing="skip")
        elif how == "frozen":
            trainer.thaw("*")
            trainer.freeze(*out)
            assert trainer.frozen == tuple(key for key in NAMES if key in out)
            trainer.step(4, grads)
        else:
            trainer.optimizer.set_lr_mult({key: 0 for key in out})
            trainer.step(4, grads)
        for key in NAMES:
            if key not in out:
                alone[key].step(4, {"w": grads[key]})
            assert bits(trainer.params[key]) == bits(alone[key].params["w"]), (t, key)
            for slot, x in trainer.slots.items():
                if slot.over != "all":
                    assert bits(x[key]) == bits(alone[key].slots[slot]["w"]), (t, key, slot)
    assert trainer.optimizer.num_update == 12


def test_schedules_follow_the_trainer():
    rates = lr_scheduler.PolyScheduler(20, 0.5)
    trainer = Trainer(Parameters({"a": np.ones(2), "b": np.ones(2)}), "sgd", {"lr_scheduler": rates})
    expected = {"a": 1.0, "b": 1.0}
    for t in range(1, 9):
        given = {key: np.ones(2) for key in ("a", "b") if key == "a" or t % 3}
        trainer.step(1, given, missing="skip")
        for key in given:
            expected[key] -= rates(t)
        np.testing.assert_allclose([trainer.params["a"][0], trainer.params["b"][0]], list(expected.values()), 1e-14)


@pytest.mark.parametrize("name, keywords", [("prodigy", {"d0": 0.1}), ("adamwschedulefree", {}), ("sgld", {}),
                                            ("lbsgd", {"batch_scale": 7, "momentum": 0.5})])
def test_what_parameters_share_goes_on_without_those_that_rest(name, keywords):
    """Neither weights nor slots of theirs change; what is for all is as if there were only the others."""
    trainer = Trainer(Parameters(draw(0)), name, keywords)
    others = {key: w for key, w in draw(0).items() if key != "w"}
    alone = Trainer(Parameters(others), name, keywords)
    if name == "sgld":
        alone._state._offset = draw(0)["w"].size
        alone = Trainer(Parameters(others), name, keywords)
        alone._state = type(alone._state)(alone._state.rule, {}, 0, draw(0)["w"].size, alone._state._rest)
        alone._stepper = alone.optimizer._stepper(alone.params, alone._state, alone.threads)
    trainer.freeze("w")
    for t in range(1, 8):
        grads = gradients(t)
        trainer.step(4, {**grads, "w": np.full(SHAPES["w"], np.nan)})
        alone.step(4, {key: grads[key] for key in others})
    for key in others:
        assert bits(trainer.params[key]) == bits(alone.params[key])
    assert bits(trainer.params["w"]) == bits(draw(0)["w"])
    trainer.thaw("w")
    trainer.step(4, gradients(9))
    assert bits(trainer.params["w"]) != bits(draw(0)["w"]) or name == "lbsgd"


def test_zero_is_a_gradient_of_zeros():
    made, plain = (Trainer(Parameters(draw(0)), "adam", {"wd": 0.1}) for _ in range(2))
    for t in range(5):
        grads, out = gradients(t), absent(t)
        made.step(4, {key: g for key, g in grads.items() if key not in out}, missing="zero")
        plain.step(4, {key: np.zeros_like(g) if key in out else g for key, g in grads.items()})
        assert content(made) == content(plain) and bits(made.params.grad.flat) == bits(plain.params.grad.flat)


def test_a_gradient_that_is_missing_stays_as_it_was():
    trainer = Trainer(Parameters(draw(0)), "adam")
    trainer.step(1, gradients(1))
    trainer.step(1, {"w": gradients(2)["w"]}, missing="skip")
    assert bits(trainer.params.grad["v"]) == bits(gradients(1)["v"])
    assert bits(trainer.params.grad["w"]) == bits(gradients(2)["w"])


def test_what_was_frozen_stays_so_when_gradients_are_missing():
    trainer = Trainer(Parameters(draw(0)), "adam")
    trainer.freeze("b")
    trainer.step(1, {"w": gradients(1)["w"]}, missing="skip")
    assert trainer.frozen == ("b",)
    trainer.step(1, gradients(2))
    assert bits(trainer.params["b"]) == bits(draw(0)["b"]) and bits(trainer.params["v"]) != bits(draw(0)["v"])


def test_the_norm_is_of_those_that_step():
    trainer = Trainer(Parameters(draw(0)), "adam", clip_norm=1.0)
    grads = gradients(1)
    trainer.freeze("w")
    for given in (grads, {"v": grads["v"], "w": np.full(SHAPES["w"], np.inf, np.float32)}):
        rest = np.concatenate([np.ravel(g) for key, g in given.items() if key != "w"])
        assert trainer.step(1, given, missing="skip").grad_norm == pytest.approx(np.linalg.norm(rest.astype(float)))


def test_a_refused_or_skipped_step_is_missed_by_nobody():
    for how in ("refused", "skipped"):
        trainer, twin = (Trainer(Parameters(draw(0)), "adam") for _ in range(2))
        for each in (trainer, twin):
            each.step(4, gradients(1))
        bad = {"w": np.full(SHAPES["w"], np.nan)}
        if how == "skipped":
            assert not trainer.step(4, bad, missing="skip", skip_nonfinite=True).applied
        else:
            with pytest.raises(ValueError, match="not finite"):
                trainer.step(4, bad, missing="skip", clip_norm=1.0)
            with pytest.raises(ValueError, match="has shape"):
                trainer.step(4, {"w": np.ones(1)}, missing="skip")
        for t in (2, 3):
            for each in (trainer, twin):
                each.step(4, gradients(t))
        assert content(trainer) == content(twin)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_buffers(threads):
    shapes = {"a": (70_001,), "b": (3,), "c": (90_000,)}
    trainer = Trainer(Parameters({name: np.ones(shape, np.float32) for name, shape in shapes.items()}), "lamb",
                      threads=threads)
    alone = {name: Trainer(Parameters({"w": np.ones(shape, np.float32)}), "lamb") for name, shape in shapes.items()}
    for t, out in enumerate(["", "c", "a", "", "b", ""], 1):
        grads = {name: np.linspace(-t, 1, shape[0], dtype=np.float32) for name, shape in shapes.items() if name != out}
        trainer.step(1, grads, missing="skip")
        for name, g in grads.items():
            alone[name].step(1, {"w": g})
    assert all(bits(trainer.params[name]) == bits(alone[name].params["w"]) for name in shapes)


def after(trainer, first, last):
    for t in range(first, last):
        out = absent(t)
        trainer.step(4, {key: g for key, g in gradients(t).items() if key not in out}, missing="skip")
    return content(trainer), bits(trainer._state._rest.lags(trainer._state.t)), trainer.frozen


@pytest.mark.parametrize("name", ["adam", "nadam", "lamb", "sgld", "novograd"])
def test_a_resumed_run_goes_on(name):
    made = Trainer(Parameters(draw(0)), name)
    made.freeze("v")
    after(made, 0, 7)
    made.freeze("b")
    made.thaw("v")
    file = io.BytesIO()
    made.save_states(file)
    twin = Trainer(Parameters(made.params), name)
    after(twin, 3, 5)
    twin.params.flat[:] = made.params.flat
    file.seek(0)
    twin.load_states(file)
    assert twin.frozen == ("b",)
    assert after(made, 7, 12) == after(twin, 7, 12)
    for each in (made, twin):
        each.thaw("*")
    assert after(made, 12, 15) == after(twin, 12, 15)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on(copied):
    made = Trainer(Parameters(draw(0)), "adam")
    after(made, 0, 5)
    made.freeze("w")
    after(made, 5, 7)
    twin = copied(made)
    assert twin.frozen == ("w",) and after(made, 7, 9) == after(twin, 7, 9)
    made.thaw("w")
    assert twin.frozen == ("w",)
    twin.thaw("w")
    assert after(made, 9, 12) == after(twin, 9, 12)


def test_states_of_more_parameters_keep_what_was_missed():
    made = Trainer(Parameters({"a": np.ones(2), "b": np.ones(3)}), "adam")
    grads = {"a": np.ones(2), "b": np.ones(3)}
    for t in range(6):
        made.step(1, grads if t % 2 else {"a": grads["a"]}, missing="skip")
    made.freeze("a")
    file = io.BytesIO()
    made.save_states(file)
    more = Trainer(Parameters({"b": made.params["b"], "c": np.ones(1), "a": made.params["a"]}), "adam")
    file.seek(0)
    more.load_states(file, missing="new")
    assert more.frozen == ("a",) and more._state._rest.lags(6).tolist() == [3, 0, 0]
    for each in (made, more):
        each.thaw("a")
        each.step(1, {**grads, **({"c": np.ones(1)} if each is more else {})})
    assert all(bits(made.params[key]) == bits(more.params[key]) for key in grads)


def test_single_arrays_count_their_own_steps():
    w, g, opt = np.ones(3), np.ones(3), optimizer.Adam(learning_rate=0.1)
    state = opt.create_state(0, w)
    opt.update(0, w, g, state)
    opt.set_lr_mult({0: 0})
    before = w.copy()
    for _ in range(3):
        opt.update(0, w, g, state)
    assert bits(w) == bits(before)
    opt.set_lr_mult({})
    opt.update(0, w, g, state)
    plain = np.ones(3)
    other = opt.create_state(1, plain)
    for _ in range(2):
        opt.update(1, plain, g, other)
    assert bits(w) == bits(plain)


class Mine(optimizer.Optimizer):
    def create_state(self, index, weight):
        return np.zeros(1)

    def update(self, index, weight, grad, state):
        self._update_count(index)
        state += 1
        weight -= grad * state


def test_optimizers_in_python():
    trainer = Trainer(Parameters({"a": np.ones(1), "b": np.ones(1)}), Mine())
    trainer.freeze("a")
    trainer.step(1, {"b": np.ones(1)}, missing="skip")
    trainer.step(1, {"a": np.ones(1), "b": None}, missing="skip")
    assert trainer.params.flat.tolist() == [1, 0]
    trainer.thaw("a")
    trainer.step(1, {"a": np.ones(1), "b": np.ones(1)})
    assert trainer.params.flat.tolist() == [0, -2]
    file = io.BytesIO()
    trainer.freeze("b")
    trainer.save_states(file)
    twin = Trainer(Parameters(trainer.params), Mine())
    file.seek(0)
    twin.load_states(file)
    assert twin.frozen == ("b",)
    for each in (trainer, twin):
        each.step(1, {"a": np.ones(1), "b": np.ones(1)})
    assert trainer.params.flat.tolist() == twin.params.flat.tolist() == [-2, -2]


def test_what_is_refused():
    trainer = Trainer(Parameters(draw(0)), "adam")
    for refused in (trainer.freeze, trainer.thaw):
        with pytest.raises(ValueError, match=r"'c\*' fits no parameter"):
            refused("w", "c*")
    assert trainer.frozen == ()
    grads = gradients(1)
    before = content(trainer)
    with pytest.raises(ValueError, match="grads: 'v' is missing; every parameter needs one, or missing= says what"):
        trainer.step(1, {key: g for key, g in grads.items() if key != "v"})
    with pytest.raises(ValueError, match="grads: 'v' is missing"):
        trainer.step(1, {**grads, "v": None})
    with pytest.raises(ValueError, match="missing='none': expected 'error', 'skip' or 'zero'"):
        trainer.step(1, grads, missing="none")
    with pytest.raises(ValueError, match="grads: no parameter 'x'"):
        trainer.step(1, {"x": np.ones(1)}, missing="skip")
    assert content(trainer) == before and trainer.frozen == ()
    file = io.BytesIO()
    trainer.freeze("w")
    trainer.save_states(file)
    other = Trainer(Parameters(draw(0)), "adam")
    assert other.frozen == () and trainer.update(1, ignore_stale_grad=True).applied


@pytest.mark.parametrize("name", ["adam", "adamw", "lamb"])
def test_a_frozen_gradient_is_not_cleared_and_not_read(name):
    trainer = Trainer(Parameters(draw(0)), make(name, {}))
    trainer.freeze("w")
    trainer.params.grad["w"][...] = np.nan
    trainer.params.grad["v"][...] = 1
    trainer.step(1)
    trainer.step(1)
    assert np.isfinite(trainer.params.flat).all() and np.isnan(trainer.params.grad["w"]).all()


def test_a_batch_of_lbsgd_is_of_the_same_parameters():
    trainer = Trainer(Parameters(draw(0)), "lbsgd", {"batch_scale": 3})
    trainer.step(1, {"w": gradients(1)["w"]}, missing="skip")
    before = content(trainer)
    for change in (lambda: trainer.step(1, gradients(2)), lambda: trainer.freeze("w"),
                   lambda: trainer.step(1, {"v": gradients(2)["v"]}, missing="skip")):
        with pytest.raises(ValueError, match="1 of 3 gradients of a batch are summed: parameters can sit out, and"):
            change()
        assert content(trainer) == before and trainer.frozen == ()
    twin = copy.copy(trainer)
    for t in (2, 3):
        for each in (trainer, twin):
            each.step(1, {"w": gradients(t)["w"]}, missing="skip")
    trainer.freeze("b")
    trainer.step(1, gradients(4))
    assert bits(trainer.params["b"]) == bits(draw(0)["b"]) and bits(twin.params["w"]) == bits(trainer.params["w"])


def test_weights_to_evaluate_of_parameters_that_sit_out():
    """Of one without a gradient in the latest step they are others, of a frozen one not."""
    def made():
        groups = {"b": {"beta": 0.3}, "v": {"beta": 0.3}}
        trainer = Trainer(Parameters(draw(0)), "sgdschedulefree", {"learning_rate": 0.1}, groups=groups)
        for t in range(3):
            trainer.step(1, gradients(t))
        trainer.step(1, {key: g for key, g in gradients(4).items() if key != "b"}, missing="skip")
        return trainer
    trainer = made()
    expected = {key: (trainer.params[key] - (1 - beta) * trainer.slots["z"][key]) / beta
                for key, beta in (("b", 0.3), ("v", 0.3), ("w", 0.9))}
    with trainer.averaged() as params:
        for key, x in expected.items():
            np.testing.assert_allclose(params[key], x, 1e-5, 1e-6)
    trainer.freeze("b")
    kept = trainer.params["b"].copy()
    with trainer.averaged() as params:
        assert bits(params["b"]) == bits(kept)
        np.testing.assert_allclose(params["v"], expected["v"], 1e-5, 1e-6)


def test_frozen_parameters_need_no_gradient_and_keep_theirs():
    trainer = Trainer(Parameters(draw(0)), "adam")
    trainer.params.grad["w"][...] = 7
    trainer.freeze("w")
    for missing in ("error", "zero", "skip"):
        trainer.step(1, {key: g for key, g in gradients(1).items() if key != "w"}, missing=missing)
        trainer.step(1, gradients(2), missing=missing)
    assert (trainer.params.grad["w"] == 7).all()


def test_an_interrupted_change_keeps_every_count(monkeypatch):
    trainer, twin = (Trainer(Parameters(draw(0)), "adam") for _ in range(2))
    for each in (trainer, twin):
        for t in range(5):
            each.step(1, gradients(t))
        each.freeze("w")

    def interrupted(*arguments):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr("numoptim.step.rest.np.where", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trainer.step(1, gradients(5))
    for each in (trainer, twin):
        for t in range(5, 8):
            each.step(1, gradients(t))
        each.thaw("w")
        each.step(1, gradients(9))
    assert content(trainer) == content(twin)


def test_a_name_that_takes_no_part_is_not_blamed():
    trainer = Trainer(Parameters(draw(0)), "sgd", skip_nonfinite=True)
    trainer.freeze("w")
    trainer.params.grad.flat[:] = np.nan
    assert trainer.step().nonfinite == "b"
    assert trainer.step(1, {"v": np.full(7, np.inf)}, missing="skip").nonfinite == "v"


def test_what_no_name_is():
    trainer = Trainer(Parameters(draw(0)), "adam")
    for wrong in (["w"], 1):
        with pytest.raises(TypeError, match="is neither a name nor a pattern"):
            trainer.freeze(wrong)
    for _ in range(3):
        with pytest.raises(ValueError, match="missing='no'"):
            trainer.step(1, missing="no")
        trainer.step(1)
