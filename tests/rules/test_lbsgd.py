"""LBSGD: micro-batches, warm-up strategies, and gradients that a non-final micro-step must not let through."""
import math

import numpy as np
import pytest
from reference import FLOAT, descend, each_dtype, same_bits

from numoptim import Parameters, Trainer
from numoptim.optimizer import LBSGD

FRACTIONS = {"linear": lambda x: x, "power2": lambda x: x**2, "sqrt": math.sqrt}
SIZES = [("linear", 4), ("power2", 4), ("sqrt", 4), ("lars", 4), ("linear", 1), ("lars", 1), ("sqrt", 7)]


@pytest.mark.parametrize("momentum", [0.0, 0.8])
@pytest.mark.parametrize(("strategy", "scale"), SIZES)
def test_against_the_definition(strategy, scale, momentum):
    lr, wd, rescale, clip, begin, per_epoch, warmup = 0.02, 0.1, 0.5, 0.3, 1, 10, 4
    optimize = LBSGD(learning_rate=lr, momentum=momentum, wd=wd, rescale_grad=rescale, clip_gradient=clip,
                     batch_scale=scale, warmup_strategy=strategy, warmup_epochs=warmup, updates_per_epoch=per_epoch,
                     begin_epoch=begin)
    rng = np.random.default_rng(10)
    w, gradients = rng.standard_normal(30), rng.standard_normal((56, 30))
    path, _ = descend(optimize, w, gradients)
    v = 0.0
    for call, got in enumerate(path, 1):
        if call % scale == 0:
            mean = rescale * np.mean(gradients[call - scale:call], axis=0)
            k, whole = begin * per_epoch + call, warmup * per_epoch
            if strategy == "lars":
                square = np.sum(w * w)
                mult = np.clip(np.sqrt(square / (np.sum(mean**2) + wd * square + 1e-18)), 0.01, 100)
            else:
                mult = scale if k >= whole else 1 + (scale - 1) * FRACTIONS[strategy](k / whole)
            v = momentum * v - lr * mult * (np.clip(mean, -clip, clip) + wd * w)
            w = w + v
        np.testing.assert_allclose(got, w, 1e-11, 1e-13, err_msg=f"call {call}")


@pytest.mark.parametrize(("w", "g", "mult"), [(0.0, 1.0, 0.01), (100.0, 1e-9, 100), (1e-3, 1.0, 0.01), (3.0, 2.0, 1.5)])
def test_lars_ratio_is_bounded(w, g, mult):
    path, _ = descend(LBSGD(learning_rate=0.5, warmup_strategy="lars"), [w], [g])
    np.testing.assert_allclose(path[0], w - 0.5 * mult * g, 1e-15)


@each_dtype
@pytest.mark.parametrize("strategy", [*FRACTIONS, "lars"])
def test_a_non_final_micro_step_changes_no_bit_of_the_weights(dtype, strategy):
    params = Parameters({"a": np.array([1.5, -0.0, 3e-40, np.pi], FLOAT[dtype]), "b": np.ones((2, 2), FLOAT[dtype])})
    before = params.flat.copy()
    trainer = Trainer(params, LBSGD(momentum=0.9, wd=0.1, batch_scale=4, warmup_strategy=strategy))
    for g in (np.inf, -np.inf, np.nan):
        params.grad.flat[:] = g
        trainer.step(1)
        assert params.flat.tobytes() == before.tobytes()
    assert same_bits(params.flat, before)
    params.grad.flat[:] = 0
    trainer.step(1)
    assert np.isnan(params.flat).all()                               # the sum they are part of is applied


def test_the_sum_begins_anew_after_each_step():
    path, _ = descend(LBSGD(learning_rate=1.0, batch_scale=2, warmup_epochs=0), [0.0], [1.0, 3.0, 0.0, 0.0, 5.0, -1.0])
    assert np.ravel(path).tolist() == [0, -4, -4, -4, -4, -8]          # mean times rate times batch_scale


def test_rescale_does_not_change_the_lars_ratio_of_a_scaled_gradient():
    # MXNet leaves rescale_grad out of the norm: its ratio depends on the batch size.
    small, _ = descend(LBSGD(warmup_strategy="lars"), [3.0, 4.0], [[0.1, 0.2]])
    large, _ = descend(LBSGD(warmup_strategy="lars", rescale_grad=1 / 64), [3.0, 4.0], [[6.4, 12.8]])
    np.testing.assert_allclose(small, large, 1e-15)
