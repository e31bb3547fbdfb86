"""Calls of torch's and optax' optimizers and those here that make the same steps, as data: a case more is an entry.

Then record that library again, in an environment of its own (``record_peer_steps.py`` says how).
"""
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

VERSIONS = {"torch": "2.13.0", "optax": "0.2.8"}
STEPS, SIZE = 40, 5


class Case(NamedTuple):
    """own: the call here. peer: the call there, without its parameters. tolerance: how far float64 may be off, as a
    part of the largest weight. start: what slots are filled with before the first step, where the peer starts so."""

    own: str
    peer: str
    tolerance: float = 1e-12
    start: Mapping[str, float] = {}


CASES = {
    "torch": [
        Case("Adam(learning_rate=0.01, wd=0.1)", "Adam(lr=0.01, weight_decay=0.1)"),
        Case("Adam(learning_rate=0.01, beta2=0.9, amsgrad=True, rescale_grad=-1)",
             "Adam(lr=0.01, betas=(0.9, 0.9), amsgrad=True, maximize=True)"),
        Case("AdamW()", "AdamW()"),
        Case("AdamW(learning_rate=0.03, beta1=0.8, beta2=0.95, epsilon=1e-3, wd=0.5)",
             "AdamW(lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.5)"),
        Case("AdamW(learning_rate=0.01, beta2=0.9, wd=0.1, amsgrad=True)",
             "AdamW(lr=0.01, betas=(0.9, 0.9), weight_decay=0.1, amsgrad=True)"),
        Case("NAdamW(wd=0.1)", "NAdam(weight_decay=0.1, decoupled_weight_decay=True)"),
        Case("NAdamW(learning_rate=0.03, beta1=0.8, beta2=0.95, epsilon=1e-3, schedule_decay=0.1, wd=0.5)",
             "NAdam(lr=0.03, betas=(0.8, 0.95), eps=1e-3, momentum_decay=0.1, weight_decay=0.5, "
             "decoupled_weight_decay=True)"),
        Case("RAdam()", "RAdam()"),
        Case("RAdam(learning_rate=0.03, beta1=0.8, beta2=0.95, epsilon=1e-3, wd=0.5)",
             "RAdam(lr=0.03, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.5, decoupled_weight_decay=True)"),
        Case("RAdam(learning_rate=0.01, beta2=0.5)", "RAdam(lr=0.01, betas=(0.9, 0.5))"),
        Case("Nadam(learning_rate=0.01, wd=0.1, schedule_decay=0.1)",
             "NAdam(lr=0.01, weight_decay=0.1, momentum_decay=0.1)"),
        Case("SGD(momentum=0.9, dampening=0.5, wd=0.1, rate_in_velocity=False, "
             "lr_scheduler=FactorScheduler(10, 0.5, 0, 0.1))",
             "StepLR(SGD(lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.1), 10, 0.5)"),
        Case("NAG(momentum=0.9, rate_in_velocity=False, lr_scheduler=FactorScheduler(10, 0.5, 0, 0.1))",
             "StepLR(SGD(lr=0.1, momentum=0.9, nesterov=True), 10, 0.5)"),
        Case("AdaGrad(learning_rate=0.1, initial=0.5, eps=1e-20)",
             "Adagrad(lr=0.1, initial_accumulator_value=0.5)", 1e-9),
        Case("Rprop(learning_rate=0.05, max_step=0.2)", "Rprop(lr=0.05, step_sizes=(1e-6, 0.2))"),
        Case("Rprop(learning_rate=0.1, eta_minus=0.7, eta_plus=1.1, min_step=0.05)",
             "Rprop(lr=0.1, etas=(0.7, 1.1), step_sizes=(0.05, 50))"),
    ],
    "optax": [
        Case("NAdamW(learning_rate=0.01, schedule_decay=1e5, wd=0.1)", "nadamw(0.01, weight_decay=0.1)"),
        Case("AdaBelief(learning_rate=0.01)", "adabelief(0.01)"),
        Case("AdaBelief(learning_rate=0.03, beta1=0.8, beta2=0.95, epsilon=1e-3, wd=0.5, clip_gradient=0.5)",
             "chain(clip(0.5), scale_by_belief(0.8, 0.95, 1e-3, 1e-3), add_decayed_weights(0.5), scale(-0.03))"),
        Case("Yogi()", "yogi(0.01)", start={"m": 1e-6}),
        Case("Yogi(learning_rate=0.03, beta1=0.8, beta2=0.95, epsilon=0.01, initial=0.1, wd=0.5, clip_gradient=0.5)",
             "chain(clip(0.5), scale_by_yogi(0.8, 0.95, 0.01, 0, 0.1), add_decayed_weights(0.5), scale(-0.03))",
             start={"m": 0.1}),
        Case("Lion()", "lion(1e-4, weight_decay=0)"),
        Case("Lion(learning_rate=0.03, beta1=0.8, beta2=0.95, wd=0.5, clip_gradient=0.5)",
             "chain(clip(0.5), lion(0.03, 0.8, 0.95, weight_decay=0.5))"),
        Case("AdEMAMix()", "contrib.ademamix(0.001)"),
        Case("AdEMAMix(learning_rate=0.03, beta1=0.8, beta2=0.95, beta3=0.97, alpha=2, epsilon=1e-3, wd=0.5)",
             "contrib.ademamix(0.03, 0.8, 0.95, 0.97, 2, 1e-3, weight_decay=0.5)"),
        # optax' warm-ups are functions of the steps before; theirs of b grows as 1/log(b) does, here by 99 parts.
        Case("AdEMAMix(learning_rate=0.01, beta3=0.9**0.01, alpha_warmup=20, beta3_warmup=30)",
             "contrib.ademamix(0.01, b3=lambda n: 0.9**(1/(1 + 99*min((float(n) + 1)/30, 1))), "
             "alpha=lambda n: 5*min((float(n) + 1)/20, 1))"),
        Case("Adam(learning_rate=0.01, clip_gradient=0.5)", "chain(clip(0.5), adam(0.01))"),
        Case("AdamW(learning_rate=0.01, wd=0.1, clip_gradient=0.5)", "chain(clip(0.5), adamw(0.01, weight_decay=0.1))"),
        # optax has 1 - b2 where the paper's factor is (in these betas) beta2: with 0.5 both are one.
        Case("Adan(learning_rate=0.01, beta1=0.9, beta2=0.5, beta3=0.95)",
             "adan(0.01, b1=0.9, b2=0.5, b3=0.95, eps_root=0)"),
        # The d beside epsilon is another there: with so little it is the same.
        Case("Prodigy(epsilon=1e-14, d0=0.01)", "contrib.prodigy(eps=1e-14, estim_lr0=0.01)", 1e-11),
        Case("Prodigy(learning_rate=0.5, beta1=0.8, beta2=0.95, epsilon=1e-14, d0=0.1, d_coef=2, wd=0.1)",
             "contrib.prodigy(0.5, (0.8, 0.95), None, 1e-14, 0.1, 2.0, 0.1)", 1e-11),
        Case("Prodigy(epsilon=1e-14, d0=0.1, d_coef=3, safeguard_warmup=True)",
             "contrib.prodigy(1.0, eps=1e-14, estim_lr0=0.1, estim_lr_coef=3.0, safeguard_warmup=True)", 1e-11),
        Case("SGDScheduleFree(learning_rate=0.1)", "contrib.schedule_free(sgd(0.1), 0.1)"),
        Case("SGDScheduleFree(beta=0.8, wd=0.1, weight_power=1.5, lr_scheduler=FactorScheduler(10, 0.5, 0, 0.1))",
             "contrib.schedule_free(chain(add_decayed_weights(0.1), sgd(lambda n: 0.1*0.5**(n//10))), "
             "lambda n: 0.1*0.5**((n - 1)//10), 0.8, 1.5)"),
        Case("AdamWScheduleFree(learning_rate=0.01, wd=0.1)",
             "contrib.schedule_free_adamw(0.01, weight_decay=0.1)"),
        Case("ADOPT(learning_rate=0.01, beta1=0.8, beta2=0.95)", "contrib.adopt(0.01, b1=0.8, b2=0.95)"),
        Case("AdaGrad(learning_rate=0.1, initial=0.1)", "adagrad(0.1)"),
        Case("RMSProp(learning_rate=0.01, momentum=0.8, initial=0.5)",
             "rmsprop(0.01, momentum=0.8, initial_scale=0.5)"),
        Case("RMSProp(learning_rate=0.01, gamma2=0.8, centered=True, initial=1)",
             "rmsprop(0.01, momentum=0.8, centered=True, initial_scale=1.0)"),
    ],
}


def problem():
    """Weights, and gradients of sizes from 0.01 to 10, some of which are 0, the first ones of a weight, too."""
    rng = np.random.default_rng(2026)
    g = rng.standard_normal((STEPS, SIZE)) * np.logspace(-2, 1, SIZE)
    g[rng.random(g.shape) < 0.1] = 0.0
    g[:3, 1] = 0.0
    return rng.uniform(-1, 1, SIZE), g
