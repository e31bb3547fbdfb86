"""Prodigy: one estimate for all parameters; steps of optax are in tests/outside/test_peer_steps.py."""
import math

import numpy as np
import pytest
from reference import same_bits

from numoptim import Parameters, Trainer, optimizer

HYPER = {"d0": 0.01, "d_coef": 1.5, "epsilon": 1e-6, "beta1": 0.8, "beta2": 0.95}


class Plain:
    """The paper's Algorithm 4 for several arrays, sums over all of them, as one writes it in NumPy."""

    def __init__(self, weights, beta1, beta2, epsilon, d0, d_coef):
        self.w, self.w0 = dict(weights), dict(weights)
        self.m, self.v, self.s = ({name: np.zeros_like(w) for name, w in weights.items()} for _ in range(3))
        self.beta1, self.beta2, self.epsilon, self.d0, self.d_coef = beta1, beta2, epsilon, d0, d_coef
        self.d, self.q, self.t = d0, 0.0, 0

    def step(self, grads, multipliers=None):
        self.t += 1
        d = self.d
        rate = d * math.sqrt(1 - self.beta2**self.t) / (1 - self.beta1**self.t)
        inner = sum((g * (self.w0[name] - self.w[name])).sum() for name, g in grads.items())
        self.q = math.sqrt(self.beta2) * self.q + d / self.d0 * rate * inner
        for name, g in grads.items():
            self.m[name] = self.beta1 * self.m[name] + (1 - self.beta1) * d * g
            self.v[name] = self.beta2 * self.v[name] + (1 - self.beta2) * (d * g)**2
            self.s[name] = math.sqrt(self.beta2) * self.s[name] + rate * d * g / self.d0
            factor = (multipliers or {}).get(name, 1.0)
            self.w[name] = self.w[name] - factor * rate * self.m[name] / (np.sqrt(self.v[name]) + d * self.epsilon)
        total = sum(abs(s).sum() for s in self.s.values())
        self.d = max(d, self.d_coef * self.q / total) if total > 0 else d


def far_from(target):
    return {name: np.full(shape, x) for (name, x), shape in zip(target.items(), [(40,), (3, 5), ()], strict=True)}


@pytest.mark.parametrize("multipliers", [{}, {"b": 0.25}], ids=["alike", "multiplied"])
def test_sums_are_over_all_parameters(multipliers):
    weights = far_from({"a": 1.0, "b": -2.0, "c": 0.5})
    trainer = Trainer(Parameters(weights), optimizer.Prodigy(**HYPER, lr_mult=multipliers))
    plain = Plain(weights, **HYPER)
    for _ in range(60):
        grads = {name: 0.1 * (w - 5.0) for name, w in trainer.params.items()}
        trainer.step(1, grads)
        plain.step({name: 0.1 * (w - 5.0) for name, w in plain.w.items()}, multipliers)
        assert math.isclose(trainer.slots["d"].item(), plain.d, rel_tol=1e-11)
    for name, w in trainer.params.items():
        np.testing.assert_allclose(w, plain.w[name], rtol=1e-10)
    assert plain.d > 10 * HYPER["d0"], "the estimate has grown"


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_parameter_and_its_pieces_have_the_same_bits(threads, split):
    rng, size, cut = np.random.default_rng(5), 3 * 4096 + 100, 2 * 4096
    w, gradients = rng.standard_normal(size).astype(np.float32), rng.standard_normal((6, size)).astype(np.float32) + 1
    whole = Trainer(Parameters({"w": w}), optimizer.Prodigy(d0=0.01), threads=threads)
    pieces = Trainer(Parameters({"a": w[:cut], "b": w[cut:]}), optimizer.Prodigy(d0=0.01), threads=threads)
    for g in gradients:
        whole.step(1, {"w": g})
        pieces.step(1, {"a": g[:cut], "b": g[cut:]})
    assert bool(split) == (threads > 1)
    assert same_bits(whole.params.flat, pieces.params.flat) and whole.slots["d"] == pieces.slots["d"] > 0.01


def test_a_frozen_parameter_is_in_no_sum():
    def trained(weights, **options):
        trainer = Trainer(Parameters(weights), optimizer.Prodigy(d0=0.01, **options))
        for _ in range(20):
            trainer.step(1, {name: w - 5.0 for name, w in trainer.params.items()})
        return trainer
    alone, frozen = trained({"a": np.ones(5)}), trained({"a": np.ones(5), "b": np.full(9, 7.0)}, lr_mult={"b": 0})
    assert same_bits(alone.params["a"], frozen.params["a"]) and (frozen.params["b"] == 7.0).all()
    assert alone.slots["d"] == frozen.slots["d"] > 0.01


def test_without_gradients_the_estimate_stays():
    trainer = Trainer(Parameters({"w": np.ones(3)}), optimizer.Prodigy(d0=0.25))
    for _ in range(3):
        trainer.step()
    assert trainer.slots["d"] == 0.25 and (trainer.params["w"] == 1).all()
