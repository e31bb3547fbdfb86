"""Steps clipped by the norm of all gradients, or left out where it is not finite; what a step says of itself."""
import copy
import io
import math
import pickle

import numpy as np
import pytest
from test_optimizer import SHAPES, bits, draw, each_case, make
from test_repeated_steps import steps_taking_the_lock
from test_whole_steps import content

from numoptim import Parameters, Trainer, optimizer
from numoptim.native.library import extension
from numoptim.step.guard import APPLIED

NAMES = list(SHAPES)


def trainer_of(name, keywords, dtype=np.float32, **how):
    return Trainer(Parameters(draw(0, dtype=dtype)), make(name, keywords), **how)


def gradients(seed, dtype=np.float32):
    return draw(seed, dtype=dtype)


@each_case
def test_a_clipped_step_is_one_with_the_gradient_scaled(name, keywords):
    """What is multiplied is rescale_grad; so the other run has that."""
    if name == "SGLD":
        keywords = {**keywords, "clip_gradient": None}
    made, plain = trainer_of(name, keywords, clip_norm=0.5), trainer_of(name, keywords)
    scale = plain.optimizer.rescale_grad
    for t in range(1, 7):
        grads = gradients(t)
        info = made.step(4, grads)
        scaled = np.concatenate([np.ravel(np.float32(scale / 4) * g) for g in grads.values()])
        norm = np.linalg.norm(scaled.astype(float))
        assert info.applied and info.reason == "" and info.nonfinite is None
        assert info.grad_norm == pytest.approx(norm, rel=1e-12) and info.clip_factor == min(1, 0.5 / info.grad_norm)
        plain.optimizer.rescale_grad = scale * info.clip_factor
        plain.step(4, grads)
        np.testing.assert_allclose(made.params.flat, plain.params.flat, 2e-6, 1e-7)


def test_small_norms_change_no_bit():
    made, plain = trainer_of("adam", {}, clip_norm=1e6), trainer_of("adam", {})
    for t in range(5):
        assert made.step(4, gradients(t)).clip_factor == 1.0
        assert plain.step(4, gradients(t)) is APPLIED
        assert content(made) == content(plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_norm_is_that_of_squares_in_float64(dtype):
    """Neither overflows nor loses what is small, in the order of a serial sum over one block."""
    params = Parameters({"a": np.ones(3, dtype), "b": np.ones(2, dtype)})
    trainer = Trainer(params, "sgd", clip_norm=1.0)
    large = dtype(3e38 if dtype is np.float32 else 1e150)
    params.grad.flat[:] = [large, large, 0, 0, large]
    assert trainer.step().grad_norm == pytest.approx(float(large) * math.sqrt(3), rel=1e-15)
    params.grad.flat[:] = [3e-30, 4e-30, 0, 0, 0]
    assert trainer.step().grad_norm == pytest.approx(5e-30, rel=1e-6)
    assert trainer.step(1, {"a": np.zeros(3), "b": np.zeros(2)}) == (True, "", 0.0, 1.0, None)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_bits_do_not_depend_on_threads(threads):
    size = 100_003
    params = Parameters({"a": np.ones(size, np.float32), "b": np.ones(70_000, np.float32)})
    params.grad.flat[:] = np.random.default_rng(3).standard_normal(params.flat.size)
    trainer = Trainer(params, "adam", threads=threads, clip_norm=1.0)
    info = trainer.step(2)
    single = Trainer(Parameters({"a": np.ones(size, np.float32), "b": np.ones(70_000, np.float32)}), "adam", threads=1)
    single.params.grad.flat[:] = params.grad.flat
    assert single.step(2, clip_norm=1.0) == info and bits(single.params.flat) == bits(params.flat)
    scaled = (np.float32(0.5) * params.grad.flat).astype(float)
    assert info.grad_norm == pytest.approx(math.sqrt(math.fsum(scaled**2)), rel=1e-13)


def test_frozen_parameters_have_no_part():
    keywords = {"lr_mult": {NAMES[0]: 0}}
    trainer = Trainer(Parameters(draw(0)), "adam", keywords, clip_norm=1.0)
    grads = {**gradients(1), NAMES[0]: np.full(SHAPES[NAMES[0]], np.nan)}
    rest = np.concatenate([np.ravel(g) for key, g in grads.items() if key != NAMES[0]])
    assert trainer.step(1, grads).grad_norm == pytest.approx(np.linalg.norm(rest.astype(float)), rel=1e-12)
    trainer.optimizer.set_lr_mult({key: 0 for key in NAMES})
    assert trainer.step(1, grads) == (True, "", 0.0, 1.0, None)


def test_groups_with_scales_of_their_own():
    groups = {NAMES[0]: {"rescale_grad": 3.0}}
    made = Trainer(Parameters(draw(0)), "sgd", {"learning_rate": 1}, groups=groups, clip_norm=1.0)
    for t in range(3):
        grads = gradients(t)
        scaled = {key: (3 if key == NAMES[0] else 1) / 2 * g.astype(float) for key, g in grads.items()}
        norm = math.sqrt(sum((g**2).sum() for g in scaled.values()))
        before = {key: made.params[key].copy() for key in NAMES}
        assert made.step(2, grads).grad_norm == pytest.approx(norm, rel=1e-6)
        for key in NAMES:
            np.testing.assert_allclose(made.params[key], before[key] - scaled[key] * min(1, 1 / norm), 1e-5, 1e-6)


def test_the_bound_of_one_step():
    trainer = trainer_of("sgd", {}, clip_norm=0.25)
    grads = gradients(1)
    assert trainer.step(1, grads, clip_norm=math.inf) is APPLIED
    assert trainer.step(1, grads, clip_norm=0.5).clip_factor > trainer.step(1, grads).clip_factor < 1
    plain = trainer_of("sgd", {})
    assert plain.step(1, grads) is APPLIED and plain.step(1) is APPLIED and plain.step(1) is APPLIED
    assert plain.step(1, clip_norm=1e-3).clip_factor < 1               # where a mere call would have been enough
    assert plain.step(1, skip_nonfinite=True).clip_factor == 1.0


@each_case
def test_a_norm_that_is_not_finite_leaves_all_as_it_was(name, keywords):
    for bad in (np.nan, np.inf, -np.inf):
        trainer = trainer_of(name, keywords, skip_nonfinite=True)
        for t in range(3):
            trainer.step(4, gradients(t))
        grads = gradients(9)
        grads["v"][3] = bad
        before = content(trainer)
        info = trainer.step(4, grads)
        assert not info.applied and info.nonfinite == "v" and not np.isfinite(info.grad_norm)
        assert info.reason == "the gradient of 'v' is not finite" and info.clip_factor is None
        assert content(trainer) == before
        with pytest.raises(ValueError, match="the gradient of 'v' is not finite, so that it cannot be clipped; skip_"):
            trainer.step(4, grads, clip_norm=1.0, skip_nonfinite=False)
        assert content(trainer) == before
        twin = trainer_of(name, keywords)
        for t in range(3):
            twin.step(4, gradients(t))
        for each in (trainer, twin):
            each.step(4, gradients(5))
        assert content(trainer) == content(twin)


def test_finite_gradients_whose_squares_overflow():
    trainer = Trainer(Parameters({"a": np.ones(2)}), "sgd", clip_norm=1.0)
    trainer.params.grad.flat[:] = 1e300
    with pytest.raises(ValueError, match="the norm of all gradients is inf, so that it cannot be clipped"):
        trainer.step()
    assert trainer.params.flat.tolist() == [1, 1]


@pytest.mark.skipif(extension().repeat is None, reason="no C compiler: every step takes the lock")
def test_steps_without_are_as_they_were():
    assert steps_taking_the_lock(trainer_of("adam", {}), 4, 4, 4) == [True, False, False]
    assert steps_taking_the_lock(trainer_of("adam", {}, clip_norm=1.0), 4, 4, 4) == [True, True, True]
    trainer = trainer_of("adam", {})
    assert trainer.step(4) is trainer.step(4) is trainer.step(4) is APPLIED
    trainer.step(4, clip_norm=1e-6)
    twin = trainer_of("adam", {})
    for _ in range(3):
        twin.step(4)
    twin.step(4, clip_norm=1e-6)
    for each in (trainer, twin):
        for _ in range(3):
            each.step(4)                           # not with the scale of the clipped one
    assert content(trainer) == content(twin)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_clip_their_own(copied):
    made = trainer_of("lamb", {}, clip_norm=0.5, skip_nonfinite=True)
    made.step(4, gradients(1))
    twin = copied(made)
    grads = gradients(2)
    assert made.step(4, grads) == twin.step(4, grads) != APPLIED
    assert content(made) == content(twin)
    made.params.grad.flat[:] = np.nan
    assert twin.step(4).applied and not made.step(4).applied


def test_loaded_states_and_changed_multipliers_are_clipped_anew():
    made = trainer_of("adam", {}, clip_norm=0.5)
    made.step(4, gradients(1))
    file = io.BytesIO()
    made.save_states(file)
    twin = trainer_of("adam", {}, clip_norm=0.5)
    twin.params.flat[:] = made.params.flat
    twin.step(4, gradients(7))
    twin.params.flat[:] = made.params.flat
    file.seek(0)
    twin.load_states(file)
    for each in (made, twin):
        each.step(4, gradients(2))
        each.optimizer.set_wd_mult({NAMES[0]: 3})
        each.step(4, gradients(3))
    assert content(made) == content(twin)


@pytest.mark.parametrize("how, error, message", [
    ({"clip_norm": 0}, ValueError, r"clip_norm=0 is out of range: expected a finite number in \(0, inf\)"),
    ({"clip_norm": -1}, ValueError, "clip_norm"),
    ({"clip_norm": math.nan}, ValueError, "clip_norm"),
    ({"clip_norm": "1"}, TypeError, "clip_norm"),
    ({"skip_nonfinite": 2}, ValueError, "skip_nonfinite=2: expected True or False"),
    ({"skip_nonfinite": "yes"}, ValueError, "skip_nonfinite='yes'"),
])
def test_what_is_refused(how, error, message):
    with pytest.raises(error, match=message):
        Trainer(Parameters(draw(0)), "adam", **how)
    trainer = trainer_of("adam", {})
    trainer.step(4)
    before, grads = content(trainer), trainer.params.grad.flat.copy()
    with pytest.raises(error, match=message):
        trainer.step(4, gradients(3), **how)
    assert content(trainer) == before and bits(trainer.params.grad.flat) == bits(grads)


def test_an_optimizer_in_python_has_no_norm():
    class Mine(optimizer.Optimizer):
        def update(self, index, weight, grad, state):
            weight -= grad
    with pytest.raises(ValueError, match="clip_norm, skip_nonfinite and loss_scaler go with a rule's steps; those"):
        Trainer(Parameters(draw(0)), Mine(), clip_norm=1)
    trainer = Trainer(Parameters(draw(0)), Mine())
    assert trainer.step(1) is APPLIED
    with pytest.raises(ValueError, match="those of Mine"):
        trainer.step(1, skip_nonfinite=True)


def test_an_interrupt_leaves_the_scale_of_the_next_step(monkeypatch):
    trainer, twin = trainer_of("adam", {}), trainer_of("adam", {})
    trainer.params.grad.flat[:] = twin.params.grad.flat[:] = 1
    for each in (trainer, twin):
        each.step(4)
    step = trainer._stepper._step

    def interrupted(*arguments):
        raise KeyboardInterrupt
    trainer._stepper._step = interrupted
    with pytest.raises(KeyboardInterrupt):
        trainer.step(4, clip_norm=1e-3)
    trainer._stepper._step = step
    for each in (trainer, twin):
        each.step(4)
        each.step(4)
    assert content(trainer) == content(twin)


def test_buffers_without_elements():
    trainer = Trainer(Parameters({"a": np.ones(0), "b": np.ones((0, 3))}), "adam", clip_norm=1, skip_nonfinite=True)
    assert trainer.step() == (True, "", 0.0, 1.0, None)


def test_update_says_the_same():
    trainer = trainer_of("adam", {}, clip_norm=1e-3)
    trainer.params.grad.flat[:] = 1
    assert trainer.update(2).clip_factor < 1
