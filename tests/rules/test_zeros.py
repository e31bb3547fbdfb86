"""Hyper-parameters of 0: zero weights and gradients give numbers; for most rules' epsilon 0/0 (test_epsilon.py)."""
import numpy as np
import pytest
from reference import FLOAT, arrays, beginning, each_dtype, prepared, same_bits, step, values

from numoptim.rule.hyperparameters import Interval
from numoptim.rules import RULES, ftrl, nadam

OFFSETS = np.array([0, 3, 8])
W = [0.0, 0.0, 0.0, 0.0, 1.0, -0.0, -2.0, 0.0]
G = [0.0, -0.0, 0.0, 1e-30, 0.0, 1e-200, -1.0, 0.0]
FIELDS = [(rule, key, Interval.parse(text)) for rule in RULES for key, (default, text) in rule.fields.items()
          if isinstance(default, float)]
HARMLESS = [(rule, key) for rule, key, accepted in FIELDS
            if 0.0 in accepted and (not accepted.or_zero or rule.name in ("lars", "ftrl"))]


def begin(rule, dtype):
    return beginning(rule, np.array(W, FLOAT[dtype]), len(OFFSETS) - 1)


@pytest.mark.parametrize("off", [{}, {"wd": 0.0, "lamda1": 0.0, "clip_gradient": np.inf}], ids=["wd", "no wd"])
@each_dtype
@pytest.mark.parametrize("rule, key", HARMLESS, ids=[f"{rule.name}-{key}" for rule, key in HARMLESS])
def test_what_may_be_0_leaves_numbers(rule, key, dtype, off):
    group, buffers = values(rule, **{**off, key: 0.0}), begin(rule, dtype)
    for t in range(1, 6):
        buffers[1][:] = np.array(G) * (t != 2)
        arrays(rule, buffers, group, t, OFFSETS)
        assert all(np.isfinite(b).all() for b in buffers), t


@each_dtype
def test_ftrl_without_beta_forgets_only_what_had_no_gradient(dtype):
    group, buffers = values(ftrl.RULE, beta=0.0, wd=0.0, lamda1=0.25, clip_gradient=np.inf), begin(ftrl.RULE, dtype)
    buffers[0][:] = 1.0
    buffers[1][:4] = 2.0, -2.0, np.nan, np.inf
    arrays(ftrl.RULE, buffers, group, 1, None)
    w = buffers[0]
    assert np.isnan(w[2:4]).all(), "not hidden"
    assert (w[4:] == 0).all() and not np.signbit(w[4:]).any()
    assert (np.abs(w[:2]) > 0).all() and np.isfinite(w[:2]).all()


@pytest.mark.parametrize("decay", [1.5, 20.0, 1e4, 16999.9, 17000.0, 1e5, 1e300])
def test_nadam_with_any_schedule_decay(decay):
    group = values(nadam.RULE, schedule_decay=decay)
    long = np.longdouble
    for t in (1, 2, 10, 1000):
        mu = [long(group["beta1"]) * (1 - long(0.5) * long(0.96) ** (long(decay) * k)) for k in range(1, t + 2)]
        product = np.prod(mu[:-1])
        h = prepared(nadam.RULE, group, t)
        rate = long(h.learning_rate) * np.sqrt(1 - long(h.beta2) ** t)
        assert float(h.look_g) == pytest.approx(float(rate * (1 - mu[-2]) / (1 - product)), rel=1e-11)
        assert float(h.look_m) == pytest.approx(float(rate * mu[-1] / (1 - product * mu[-1])), rel=1e-11)


def test_nadam_with_a_large_schedule_decay_has_the_bits_of_the_kernels():
    rng = np.random.default_rng(6)
    for decay in (1.5, 1e5, 1e300):
        group = values(nadam.RULE, schedule_decay=decay)
        expected, got = (begin(nadam.RULE, "f64") for _ in range(2))
        for t in (1, 2, 3):
            expected[1][:] = got[1][:] = rng.standard_normal(8)
            step(nadam.RULE, expected, [group], t)
            arrays(nadam.RULE, got, group, t, None)
            assert all(same_bits(a, b) for a, b in zip(expected, got, strict=True))
