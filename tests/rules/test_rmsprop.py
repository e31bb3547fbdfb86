"""RMSProp: momentum; centred moments that cannot go negative, the textbook form where that is sound; clipping."""
import numpy as np
import pytest
from reference import FLOAT, descend, each_dtype, slots_of

from numoptim import Parameters, Trainer
from numoptim.optimizer import RMSProp


@each_dtype
@pytest.mark.parametrize("constant", [True, False])
def test_centered_stays_finite(dtype, constant):
    # n - m*m of the textbook cancels here: other libraries go non-finite on constant gradients.
    rng = np.random.default_rng(2)
    params = Parameters({"w": np.zeros(1000, FLOAT[dtype])})
    trainer = Trainer(params, RMSProp(centered=True, epsilon=1e-8))
    params.grad["w"] = g = 10.0 ** rng.uniform(-6, 3, 1000)
    for _ in range(1000):
        if not constant:
            params.grad["w"] = g * rng.standard_normal(1000)
        trainer.step(1)
    assert np.isfinite(params.flat).all()
    assert (slots_of(trainer)["s"] >= 0).all()


def test_centered_is_the_textbook_form_where_that_does_not_cancel():
    lr, gamma1, gamma2, epsilon = 0.01, 0.9, 0.8, 1e-4
    rng = np.random.default_rng(3)
    gradients = rng.standard_normal((100, 20))
    w = rng.standard_normal(20)
    optimize = RMSProp(learning_rate=lr, gamma1=gamma1, gamma2=gamma2, epsilon=epsilon, centered=True)
    path, state = descend(optimize, w, gradients)
    m = n = v = 0.0
    for got, g in zip(path, gradients, strict=True):
        n = gamma1 * n + (1 - gamma1) * g * g                        # Graves, eqs 38-41
        m = gamma1 * m + (1 - gamma1) * g
        v = gamma2 * v - lr * g / np.sqrt(n - m * m + epsilon)
        w = w + v
        np.testing.assert_allclose(got, w, 1e-10, 1e-12)
    np.testing.assert_allclose(state.slots["s"], n - m * m, 1e-10)


def test_plain_by_hand():
    path, state = descend(RMSProp(learning_rate=0.1, gamma1=0.75, epsilon=0.0625), [1.0], [3.0, 0.0])
    np.testing.assert_allclose(np.ravel(path), [1 - 0.3 / np.sqrt(2.25 + 0.0625)] * 2, 1e-15)
    assert state.slots["n"][0] == 0.75 * 2.25


def test_momentum_by_hand():
    path, state = descend(RMSProp(learning_rate=0.1, gamma1=0.75, epsilon=0.0625, momentum=0.5), [1.0], [3.0, 0.0])
    v = -0.3 / np.sqrt(2.25 + 0.0625)
    np.testing.assert_allclose(np.ravel(path), [1 + v, 1 + 1.5 * v], 1e-15)
    assert state.slots["n"][0] == 0.75 * 2.25


def test_centred_it_has_gamma2_for_a_momentum():
    with pytest.raises(ValueError, match=r"momentum=0\.5 has no effect with centered=True, where gamma2 is"):
        RMSProp(momentum=0.5, centered=True)


@pytest.mark.parametrize("keywords, slot", [({}, "n"), ({"momentum": 0.5}, "n"), ({"centered": True}, "s")])
def test_the_second_moment_begins_at_initial(keywords, slot):
    optimize = RMSProp(learning_rate=0.1, gamma1=0.75, epsilon=0, initial=16.0, **keywords)
    path, state = descend(optimize, [1.0], [4.0])
    np.testing.assert_allclose(path[0], [1 - 0.4 / np.sqrt(0.75 * 16 + (0.75 if keywords.get("centered") else 1) * 4)])
    assert state.slots[slot][0] == (15.0 if keywords.get("centered") else 16.0)


@pytest.mark.parametrize("centered", [False, True])
def test_clip_weights(centered):
    w = np.array([0.9, -0.9, 3.0, -3.0, 0.0])
    g = np.array([-1.0, 1.0, 0.0, 0.0, np.nan])
    path, _ = descend(RMSProp(learning_rate=0.2, clip_weights=1.0, centered=centered), w, [g])
    np.testing.assert_array_equal(path[0], [1, -1, 1, -1, np.nan])
    free, _ = descend(RMSProp(learning_rate=0.2, centered=centered), w, [g])
    assert (abs(free[0][:4]) > 1).all()
