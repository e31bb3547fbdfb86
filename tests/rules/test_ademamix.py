"""AdEMAMix: what its warm-ups go through, and where they end."""
from types import SimpleNamespace

import numpy as np
import pytest
from reference import descend

from numoptim.optimizer import AdamW, AdEMAMix
from numoptim.rules import ademamix


def slow(t, **hyper):
    """b and a of a step."""
    hyper = {key: default for key, (default, _) in ademamix.RULE.fields.items()} | {"learning_rate": 1.0} | hyper
    made = dict(zip(ademamix.RULE.derived, ademamix.prepare(t, SimpleNamespace(**hyper)), strict=True))
    return made["b"], made["slow_rate"] / np.sqrt(1 - hyper["beta2"] ** t)


def test_without_the_slow_mean_it_is_adamw():
    gradients = np.random.default_rng(1).standard_normal((20, 3))
    paths = [descend(made, np.ones(3), gradients)[0] for made in (AdamW(wd=0.1), AdEMAMix(alpha=0.0, wd=0.1))]
    np.testing.assert_allclose(*paths, 1e-14)


def test_alpha_grows_in_equal_steps():
    found = [slow(t, alpha=8.0, alpha_warmup=4)[1] for t in range(1, 7)]
    np.testing.assert_allclose(found, [2, 4, 6, 8, 8, 8], 1e-12)


def test_the_span_of_the_slow_mean_grows_in_equal_steps():
    """What is left of a gradient after n steps, b**n, halves for n = log(1/2)/log(b): the paper's criterion."""
    found = np.array([slow(t, beta3_warmup=100)[0] for t in range(1, 101)])
    halves = np.log(0.5) / np.log([0.9, *found[:-1], 0.9999])
    np.testing.assert_allclose(np.diff(halves), np.full(100, (halves[-1] - halves[0]) / 100), 1e-8)
    assert found[-1] == slow(1)[0] == 0.9999


@pytest.mark.parametrize("beta1, beta3", [(0.0, 0.9), (0.9, 0.0), (0.0, 0.0), (0.99, 0.9), (5e-324, 0.9),
                                          (0.9, 1 - 2**-53)])
@pytest.mark.parametrize("t", [1, 2, 500, 10**6 - 1, 10**6, 10**9])
def test_any_betas_have_a_warm_up(beta1, beta3, t):
    b, _ = slow(t, beta1=beta1, beta3=beta3, beta3_warmup=10**6)
    assert 0 <= b <= beta3 and (t < 10**6 or b == beta3)
