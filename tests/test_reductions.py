"""Reductions of one's own: sums of values and squares, over a parameter and over all, in a row, and beside noise."""
import math

import numpy as np
import pytest
from reference import arrays, each_dtype, ranges, same_bits, step, values, whole
from test_bits import assert_same, copies, cuts, start

from numoptim import Parameters, Trainer, optimizer
from numoptim.rule import Reduction, Rule

HYPER = {"learning_rate": (0.1, "[0, inf)"), "radius": (2.0, "(0, inf)")}
SIZES = (3, 4096 + 5, 0, 40, 1, 9000)
OFFSETS = np.cumsum([0, *SIZES])


# The gradient is clipped by its norm over all; then a parameter's mean is taken off what is left, and its norm taken.

def square(w, g, m, h):
    return (g,)


def shrink(gg, h):
    norm = math.sqrt(gg)
    return (h.radius / norm if norm > h.radius else 1.0,)


def moments(w, g, m, h):
    g = h.shrink * g
    return g, 1.0 + 0.0 * w, w - m


def mean(total, count, dd, h):
    return total / count, math.sqrt(dd)


def deviation(w, g, m, h):
    return (h.shrink * g - h.mean,)


def scale(ss, h):
    return (1 / (1 + math.sqrt(ss)),)


def update(w, g, m, h):
    m = 0.5 * m + h.scale * (h.shrink * g - h.mean)
    return w - h.learning_rate * m / (1.0 + h.distance), m


REDUCTIONS = (Reduction(square, shrink, ("shrink",), squares=("gg",), over="all"),
              Reduction(moments, mean, ("mean", "distance"), values=("total", "count"), squares=("dd",)),
              Reduction(deviation, scale, ("scale",), squares=("ss",)))
CENTRED = Rule("centred", update, ("m",), HYPER, gradient="clipped", reductions=REDUCTIONS, title="Centred")
optimizer.register(CENTRED)


def update_noisy(w, g, m, normal, h):
    w, m = update(w, g, m, h)
    return w + 0.125 * normal, m


NOISY = Rule("centred_noisy", update_noisy, ("m",), HYPER, gradient="clipped", reductions=REDUCTIONS, noisy=True)
each_own = pytest.mark.parametrize("rule", [CENTRED, NOISY], ids=lambda rule: rule.name)


@each_dtype
@each_own
def test_the_bits_of_the_rule_on_scalars(rule, dtype):
    """Of whole buffers, arrays and ranges cut anywhere; some segments frozen, two groups."""
    rng = np.random.default_rng(1)
    expected, *got = copies(start(rule, dtype, OFFSETS[-1], segments=len(SIZES)), 3)
    group = values(rule, clip_gradient=np.inf)
    for t in (1, 2):
        for buffers in (expected, *got):
            buffers[1][:] = np.random.default_rng(t).standard_normal(OFFSETS[-1])
        step(rule, expected, [group], t, OFFSETS)
        assert whole(rule, got[0], group, t, OFFSETS) == 0
        arrays(rule, got[1], group, t, OFFSETS)
        for buffers in got:
            assert_same(buffers, expected, rule)
    groups, which = [group, values(rule, radius=1e-3, learning_rate=0.5)], np.array([0, 1, 0, -1, 1, 0])
    step(rule, expected, groups, 3, OFFSETS, which)
    for buffers, pieces in zip(got, ([(0, OFFSETS[-1])], cuts(rng, OFFSETS[-1], 9)), strict=True):
        ranges(rule, buffers, groups, 3, OFFSETS, which, pieces, cuts(rng, OFFSETS[-1], 4))
        assert_same(buffers, expected, rule)


def test_what_they_are(monkeypatch):
    """In plain NumPy; and any number of threads."""
    monkeypatch.setattr("numoptim.native.plan.SERIAL_BELOW", 2)
    rng, shapes = np.random.default_rng(3), {"a": (97, 103), "b": (), "c": (4096,), "d": (3,)}
    weights = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    grads = {name: 5 * rng.standard_normal(shape) for name, shape in shapes.items()}
    trainers = [Trainer(Parameters(weights), "centred", threads=threads) for threads in (1, 2, 3)]
    for trainer in trainers:
        trainer.step(1, grads)
    norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
    for name, w in weights.items():
        g = grads[name] * 2 / norm
        rest, distance = g - g.mean(), math.sqrt((w**2).sum())
        expected = w - 0.1 * rest / (1 + math.sqrt((rest**2).sum())) / (1 + distance)
        np.testing.assert_allclose(trainers[0].params[name], expected, rtol=1e-12, atol=1e-13)
    assert all(same_bits(trainer.params.flat, trainers[0].params.flat) for trainer in trainers)


# --- LANS

def test_lans_normalises_gradients_and_trusts_by_norms():
    """A gradient's scale plays no part, and the first step is as long as beta1 and 1 - beta1 of the weight's norm."""
    w, g = np.array([3.0, 0.0, -4.0]), np.array([1.0, -2.0, 2.0])
    steps = []
    for factor in (1.0, 1e6):
        params = Parameters({"w": w})
        Trainer(params, "lans", {"learning_rate": 0.5, "epsilon": 0}).step(1, {"w": factor * g})
        steps.append(params["w"] - w)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-14)
    np.testing.assert_allclose(steps[0], -0.5 * 5 * np.sign(g) / math.sqrt(3), rtol=1e-12)


def test_lans_where_norms_are_zero():
    params = Parameters({"zero": np.zeros(2), "still": np.ones(2)})
    trainer = Trainer(params, "lans", {"learning_rate": 0.5})
    trainer.step(1, {"zero": [3.0, -4.0], "still": [0.0, 0.0]})
    np.testing.assert_allclose(params["zero"], [-0.5, 0.5], rtol=1e-5)
    assert params["still"].tolist() == [1, 1] and np.isfinite(params.flat).all()
