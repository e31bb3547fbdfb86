"""Rules without their epsilon: each is its formula in NumPy, 0/0 included; an epsilon that rounds to 0 is refused."""
import functools
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
from reference import BY_NAME, FLOAT, arrays, beginning, each_dtype, values

import numoptim
from numoptim.kernels import hyper_dtype, misfit
from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES

KEYS = ("epsilon", "eps", "beta")
SIZE = 100
OFFSETS = np.array([0, SIZE])


class Kept(defaultdict):
    """State that starts at 0, as attributes."""

    def __init__(self):
        super().__init__(float)

    __getattr__, __setattr__ = defaultdict.__getitem__, defaultdict.__setitem__


# --- the formulas: h hyper-parameters, s what is kept, g the gradient as the rule gets it

def adagrad(h, s, w, g, t):
    s.n = s.n + g * g
    return w - h.learning_rate * g / np.sqrt(s.n)


def adadelta(h, s, w, g, t):
    s.a = h.rho * s.a + (1 - h.rho) * g * g
    d = np.sqrt(s.u) / np.sqrt(s.a) * g
    s.u = h.rho * s.u + (1 - h.rho) * d * d
    return w - h.learning_rate * d


def rmsprop(h, s, w, g, t):
    s.n = h.gamma1 * s.n + (1 - h.gamma1) * g * g
    return np.clip(w - h.learning_rate * g / np.sqrt(s.n), -h.clip_weights, h.clip_weights)


def rmsprop_momentum(h, s, w, g, t):
    s.n = h.gamma1 * s.n + (1 - h.gamma1) * g * g
    s.v = h.momentum * s.v - h.learning_rate * g / np.sqrt(s.n)
    return np.clip(w + s.v, -h.clip_weights, h.clip_weights)


def rmsprop_centered(h, s, w, g, t):
    s.n = h.gamma1 * s.n + (1 - h.gamma1) * g * g
    s.m = h.gamma1 * s.m + (1 - h.gamma1) * g
    s.v = h.gamma2 * s.v - h.learning_rate * g / np.sqrt(s.n - s.m * s.m)
    return np.clip(w + s.v, -h.clip_weights, h.clip_weights)


def moments(h, s, g):
    s.m = h.beta1 * s.m + (1 - h.beta1) * g
    s.v = h.beta2 * s.v + (1 - h.beta2) * g * g


def adam(h, s, w, g, t):
    moments(h, s, g)
    return w - h.learning_rate * s.m / (1 - h.beta1**t) / np.sqrt(s.v / (1 - h.beta2**t))


def adam_amsgrad(h, s, w, g, t):
    moments(h, s, g)
    s.v_max = np.maximum(s.v_max, s.v)
    return w - h.learning_rate * s.m / (1 - h.beta1**t) / np.sqrt(s.v_max / (1 - h.beta2**t))


def radam(h, s, w, g, t):
    moments(h, s, g)
    most, m_hat = 2 / (1 - h.beta2) - 1, s.m / (1 - h.beta1**t)
    rho = most - 2 * t * h.beta2**t / (1 - h.beta2**t)
    if rho <= 5:
        return w - h.learning_rate * m_hat
    r = np.sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho))
    return w - h.learning_rate * r * m_hat / np.sqrt(s.v / (1 - h.beta2**t))


def adabelief(h, s, w, g, t):
    s.m = h.beta1 * s.m + (1 - h.beta1) * g
    s.s = h.beta2 * s.s + (1 - h.beta2) * (g - s.m) ** 2
    return w - h.learning_rate * s.m / (1 - h.beta1**t) / np.sqrt(s.s / (1 - h.beta2**t))


def ademamix(h, s, w, g, t):
    moments(h, s, g)
    x = min(t / h.beta3_warmup, 1)
    b = np.exp(1 / ((1 - x) / np.log(h.beta1) + x / np.log(h.beta3)))
    s.k = b * s.k + (1 - b) * g
    mixed = s.m / (1 - h.beta1**t) + h.alpha * min(t / h.alpha_warmup, 1) * s.k
    return w - h.learning_rate * mixed / np.sqrt(s.v / (1 - h.beta2**t))


def decoupled(formula):
    return lambda h, s, w, g, t: formula(h, s, w, g, t) - h.learning_rate * h.wd * w


def adamax(h, s, w, g, t):
    s.m = h.beta1 * s.m + (1 - h.beta1) * g
    s.u = np.maximum(h.beta2 * s.u, abs(g))
    return w - h.learning_rate / (1 - h.beta1**t) * s.m / s.u


def nadam(h, s, w, g, t):
    moments(h, s, g)
    mu = h.beta1 * (1 - 0.5 * 0.96 ** (h.schedule_decay * np.arange(1, t + 2)))
    product = np.prod(mu[:-1])
    look_ahead = (1 - mu[-2]) * g / (1 - product) + mu[-1] * s.m / (1 - product * mu[-1])
    return w - h.learning_rate * look_ahead / np.sqrt(s.v / (1 - h.beta2**t))


def adan(h, s, w, g, t):
    d, s.before = (g - s.before) * (t > 1), g
    s.m = h.beta1 * s.m + (1 - h.beta1) * g
    s.v = h.beta2 * s.v + (1 - h.beta2) * d
    s.n = h.beta3 * s.n + (1 - h.beta3) * (g + h.beta2 * d) ** 2
    u = (s.m / (1 - h.beta1**t) + h.beta2 * s.v / (1 - h.beta2**t)) / np.sqrt(s.n / (1 - h.beta3**t))
    return (w - h.learning_rate * u) / (1 + h.learning_rate * h.wd)


def adopt(h, s, w, g, t):
    if t == 1:
        s.v = g * g
        return w
    s.m = h.beta1 * s.m + (1 - h.beta1) * np.clip(g / np.sqrt(s.v), -((t - 1) ** 0.25), (t - 1) ** 0.25)
    s.v = h.beta2 * s.v + (1 - h.beta2) * g * g
    return w - h.learning_rate * (h.wd * w + s.m)


def novograd(h, s, w, g, t):
    s.v = g @ g if t == 1 else h.beta2 * s.v + (1 - h.beta2) * (g @ g)
    s.m = h.beta1 * s.m + g / np.sqrt(s.v) + h.wd * w
    return w - h.learning_rate * s.m


def lamb(h, s, w, g, t):
    moments(h, s, g)
    u = s.m / (1 - h.beta1**t) / np.sqrt(s.v / (1 - h.beta2**t)) + h.wd * w
    return w - h.learning_rate * np.clip(np.linalg.norm(w), h.lower_bound, h.upper_bound) / np.linalg.norm(u) * u


def lars(h, s, w, g, t):
    ratio = h.eta * np.linalg.norm(w) / (np.linalg.norm(g) + h.wd * np.linalg.norm(w))
    s.v = h.momentum * s.v - h.learning_rate * ratio * (g + h.wd * w)
    return w + s.v


def ftrl(h, s, w, g, t):
    s.z = s.z + g - (np.sqrt(s.n + g * g) - np.sqrt(s.n)) / h.learning_rate * w
    s.n = s.n + g * g
    return -np.sign(s.z) * np.maximum(abs(s.z) - h.lamda1, 0) / (np.sqrt(s.n) / h.learning_rate + h.wd)


def ftml(h, s, w, g, t):
    s.v = h.beta2 * s.v + (1 - h.beta2) * g * g
    d = (1 - h.beta1**t) / h.learning_rate * np.sqrt(s.v / (1 - h.beta2**t))
    s.z = h.beta1 * s.z + (1 - h.beta1) * g - (d - h.beta1 * s.d) * w
    s.d = d
    return -s.z / d


FORMULAS = {"adagrad": adagrad, "adadelta": adadelta, "rmsprop": rmsprop, "rmsprop_momentum": rmsprop_momentum,
            "rmsprop_centered": rmsprop_centered, "adam": adam, "adamax": adamax, "nadam": nadam, "adan": adan,
            "adopt": adopt, "lamb": lamb, "lars": lars, "novograd": novograd, "ftrl": ftrl, "ftml": ftml,
            "adam_amsgrad": adam_amsgrad, "adamw": decoupled(adam), "adamw_amsgrad": decoupled(adam_amsgrad),
            "nadamw": decoupled(nadam), "radam": decoupled(radam), "adabelief": decoupled(adabelief),
            "ademamix": decoupled(ademamix)}
each_formula = pytest.mark.parametrize("rule", [BY_NAME[name] for name in FORMULAS], ids=FORMULAS)


def without(rule, epsilon=0.0, **changed):
    return values(rule, **dict.fromkeys(KEYS, epsilon), **changed)


def by_formula(rule, group, w, gradients):
    """The weights after each step, in float64."""
    h, s, w = SimpleNamespace(**group), Kept(), w.astype(float)
    with np.errstate(invalid="ignore"):
        for t, g in enumerate(gradients.astype(float), 1):
            g = np.clip(h.rescale_grad * g, -h.clip_gradient, h.clip_gradient)
            w = FORMULAS[rule.name](h, s, w, g + h.wd * w if rule.gradient == "decayed" else g, t)
            yield w


def by_kernel(rule, group, w, gradients):
    buffers = beginning(rule, w.copy())
    for t, g in enumerate(gradients, 1):
        buffers[1][:] = g
        arrays(rule, buffers, group, t, OFFSETS)
        yield buffers[0]


def start(dtype):
    rng = np.random.default_rng(15)
    return rng.standard_normal(SIZE).astype(FLOAT[dtype]), rng.standard_normal((12, SIZE)).astype(FLOAT[dtype])


def test_every_epsilon_may_be_0_but_not_round_to_it():
    known = [rule for rule in RULES if rule.name in FORMULAS]
    apart = {rule.name: key for rule in known for key, (_, text) in rule.fields.items() if Interval.parse(text).or_zero}
    assert apart == {rule.name: key for rule in known for key in rule.fields if key in KEYS}
    assert apart.keys() == FORMULAS.keys()


@each_dtype
@each_formula
def test_steps_are_the_formulas(rule, dtype):
    w, gradients = start(dtype)
    group, before = without(rule), w
    steps = zip(by_kernel(rule, group, w, gradients), by_formula(rule, group, w, gradients), strict=True)
    for t, (got, expected) in enumerate(steps, 1):
        tolerance = 1e-12 if dtype == "f64" else 2e-5
        np.testing.assert_allclose(got, expected, rtol=0, atol=tolerance * abs(expected).max())
        assert np.array_equal(got, before) == (rule.name == "adadelta" or (rule.name, t) == ("adopt", 1))
        before = got.copy()


@each_dtype
@each_formula
def test_weights_without_a_gradient_are_0_by_0(rule, dtype):
    w, gradients = start(dtype)
    gradients[:, ::3] = 0.0
    group = without(rule, wd=0.0)
    for got, expected in zip(by_kernel(rule, group, w, gradients), by_formula(rule, group, w, gradients), strict=True):
        expected = np.where(np.arange(SIZE) % 3 == 0, 0.0, expected) if rule.name == "ftrl" else expected
        np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    assert np.isnan(got).any() == ("a weight that has had no gradient becomes 0/0" in rule.section("Symbols"))


@each_dtype
@each_formula
@pytest.mark.parametrize(("epsilon", "fits"), [(0.0, ("f32", "f64")), (-0.0, ("f32", "f64")), (1e-40, ("f32", "f64")),
                                               (1e-46, ("f64",)), (5e-324, ("f64",)), (-5e-324, ())])
def test_an_epsilon_that_rounds_to_0_is_refused(rule, epsilon, fits, dtype):
    record, empty = np.zeros(1, hyper_dtype(rule))[0], beginning(rule, np.zeros(0, FLOAT[dtype]), 0)
    for key, value in without(rule, epsilon).items():
        record[key] = value
    assert (misfit(rule, record, FLOAT[dtype]) == "") == (dtype in fits)
    call = functools.partial(numoptim.kernel(rule, FLOAT[dtype]), *[np.zeros(1, int)] * rule.layerwise, *empty, record)
    if dtype in fits:
        call(1)
    else:
        with pytest.raises(ValueError, match="out of range"):
            call(1)
