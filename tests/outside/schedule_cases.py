"""Schedules of torch and optax, and those here that give the same rates: a table without either.

Each row has a call there, an expression here with the names of numoptim.lr_scheduler, and what update of it the call's
step k is: 0 for k, 1 for k + 1. Rates there are those of steps 0, 1, ..., COUNT - 1.
"""
import math

COUNT = 48
BASE = 0.3                                     # the rate of torch's optimizer

TORCH = [
    ("StepLR(o, 7, 0.5)", "FactorScheduler(7, 0.5, 0, BASE)", 1),
    ("MultiStepLR(o, [5, 9, 30], 0.25)", "MultiFactorScheduler([5, 9, 30], 0.25, BASE)", 1),
    ("ConstantLR(o, 0.25, 6)", "PiecewiseScheduler({0: BASE/4, 6: BASE}, 'constant')", 0),
    ("LinearLR(o, 0.1, 1.0, 9)", "PiecewiseScheduler({0: BASE/10, 9: BASE})", 0),
    ("LinearLR(o, 1.0, 0.125, 40)", "LinearScheduler(40, BASE, BASE/8)", 0),
    ("PolynomialLR(o, 40, 1)", "LinearScheduler(40, BASE)", 0),
    ("PolynomialLR(o, 40, 2.5)", "PolyScheduler(40, BASE, 2.5)", 0),
    ("PolynomialLR(o, 40, 2)", "PolyScheduler(40, BASE).shifted(-1)", 1),
    ("CosineAnnealingLR(o, 47, 0.01)", "CosineScheduler(47, BASE, 0.01)", 0),
    ("ExponentialLR(o, 0.9)", "ExponentialScheduler(1, 0.9, BASE)", 0),
    ("LambdaLR(o, lambda k: 0.5**(k/6))", "ExponentialScheduler(6, 0.5, BASE)", 0),
    ("LambdaLR(o, lambda k: 1/(1 + 0.5*k/6))", "InverseTimeScheduler(6, 0.5, BASE)", 0),
    ("LambdaLR(o, lambda k: min(k/8, (8/max(k, 1))**0.5))", "InverseSqrtScheduler(8, BASE)", 0),
    *((f"OneCycleLR(o, 0.6, total_steps=48{there}, cycle_momentum=False)", f"OneCycleScheduler(48, 0.6{here})", 1)
      for there, here in [
          ("", ""), (", pct_start=0.45, div_factor=10, final_div_factor=100", ", 0.45, 10, 100"),
          (", anneal_strategy='linear'", ", anneal='linear'"), (", three_phase=True", ", three_phase=True"),
          (", three_phase=True, anneal_strategy='linear', pct_start=0.4", ", 0.4, anneal='linear', three_phase=True"),
          (", pct_start=0.0", ", 0"), (", pct_start=1.0", ", 1"), (", pct_start=0.01", ", 0.01")]),
    ("CosineAnnealingWarmRestarts(o, 9)", "CosineRestartScheduler(9, BASE)", 1),
    ("CosineAnnealingWarmRestarts(o, 5, 2, 0.01)", "CosineRestartScheduler(5, BASE, 2, 0.01)", 1),
    ("CosineAnnealingWarmRestarts(o, 1, 3)", "CosineRestartScheduler(1, BASE, 3)", 1),
    *((f"CyclicLR(o, 0.01, 0.3, {there}, cycle_momentum=False)", f"CyclicScheduler({here})", 1) for there, here in [
        ("8", "8, 0.3"), ("5, 9", "5, 0.3, step_down=9"), ("6, mode='triangular2'", "6, 0.3, mode='triangular2'"),
        ("4, 7, mode='exp_range', gamma=0.97", "4, 0.3, 0.01, 7, 'exp_range', 0.97")]),
    ("SequentialLR(o, [LinearLR(o, 0.1, 1.0, 9), ExponentialLR(o, 0.9)], [10])",
     "joined([PiecewiseScheduler({1: BASE/10, 10: BASE}), ExponentialScheduler(1, 0.9, BASE).shifted(-1)], [10])", 1),
    ("SequentialLR(o, [ConstantLR(o, 0.5, 99), StepLR(o, 4, 0.5), CosineAnnealingLR(o, 31)], [6, 17])",
     "joined([0.5 * ConstantScheduler(BASE), FactorScheduler(4, 0.5, 0, BASE), "
     "CosineScheduler(31, BASE).shifted(-1)], [6, 17])", 1),
    ("ChainedScheduler([ExponentialLR(o, 0.95), StepLR(o, 10, 0.5)])",
     "ExponentialScheduler(1, 0.95, BASE).shifted(-1) * FactorScheduler(10, 0.5, 0, 1)", 1),
]

OPTAX = [
    ("constant_schedule(0.1)", "ConstantScheduler(0.1)", 0),
    ("warmup_constant_schedule(0.01, 0.1, 8)", "ConstantScheduler(0.1, 8, 0.01)", 0),
    ("linear_schedule(0.1, 0.02, 40)", "LinearScheduler(40, 0.1, 0.02)", 0),
    ("polynomial_schedule(0.1, 0.02, 3, 40)", "PolyScheduler(40, 0.1, 3, 0.02)", 0),
    ("cosine_decay_schedule(0.1, 40, 0.25)", "CosineScheduler(40, 0.1, 0.025)", 0),
    ("warmup_cosine_decay_schedule(0.01, 0.1, 7, 40, 0.02)", "CosineScheduler(40, 0.1, 0.02, 7, 0.01)", 0),
    ("exponential_decay(0.1, 6, 0.5)", "ExponentialScheduler(6, 0.5, 0.1)", 0),
    ("exponential_decay(0.1, 6, 0.5, staircase=True)", "FactorScheduler(6, 0.5, 0, 0.1)", 1),
    ("warmup_exponential_decay_schedule(0, 0.1, 7, 5, 0.5)", "ExponentialScheduler(5, 0.5, 0.1, 7)", 0),
    ("piecewise_constant_schedule(0.1, {10: 0.5, 20: 0.25})", "MultiFactorScheduler([10, 20], 0.5, 0.1) * "
     "PiecewiseScheduler({0: 1, 21: 0.5}, 'constant')", 1),
    ("piecewise_interpolate_schedule('linear', 0.1, {10: 0.5, 30: 3})",
     "PiecewiseScheduler({0: 0.1, 10: 0.05, 30: 0.15})", 0),
    ("linear_onecycle_schedule(40, 0.6, 0.25, 0.5, 10, 20)",
     "PiecewiseScheduler({0: 0.06, 10: 0.6, 20: 0.06, 40: 0.003})", 0),
    ("cosine_onecycle_schedule(40, 0.6, 0.25)", "OneCycleScheduler(41, 0.6, 11/41)", 1),
    ("sgdr_schedule([dict(init_value=0.01, peak_value=x, warmup_steps=3, decay_steps=12) for x in (0.3, 0.2, 0.1)])",
     "joined([CosineScheduler(12, x, 0, 3, 0.01).shifted(-1) for x in (0.3, 0.2, 0.1)], [12, 24])", 1),
    ("join_schedules([linear_schedule(0, 0.1, 6), exponential_decay(0.1, 4, 0.5), constant_schedule(0.01)], [6, 30])",
     "joined([ConstantScheduler(0.1, 6).shifted(-1), ExponentialScheduler(4, 0.5, 0.1).shifted(-1), lambda n: 0.01], "
     "[6, 30])", 1),
]

CASES = {"torch": TORCH, "optax": OPTAX}

# What metrics torch's ReduceLROnPlateau is told, and with which keywords, which Plateau has too; base_lr is BASE.
METRICS = {
    "falling": [1 + 8 * 0.8**k for k in range(COUNT)],
    "stuck": [max(4 - k, 0.5) + 1e-5 * (-1)**k for k in range(COUNT)],
    "wavy": [math.sin(0.7 * k) + 0.01 * k for k in range(COUNT)],
    "negative": [-1 - 0.02 * (k // 5) for k in range(COUNT)],
    "broken": [1.0, 0.5, math.nan, math.nan, math.inf, 0.4, -math.inf, *[0.3] * 20],
}
PLATEAUS = [
    {}, {"patience": 2}, {"patience": 0, "factor": 0.5}, {"mode": "max", "patience": 3, "factor": 0.5},
    {"patience": 2, "cooldown": 4, "factor": 0.5}, {"patience": 1, "min_lr": 0.05, "factor": 0.5},
    {"patience": 3, "threshold": 0.05, "threshold_mode": "abs", "factor": 0.7},
    {"mode": "max", "patience": 3, "threshold": 0.05, "threshold_mode": "abs", "factor": 0.7, "cooldown": 1},
    {"mode": "max", "threshold": 0.2, "patience": 1, "factor": 0.8}, {"patience": 1, "eps": 0.02, "factor": 0.5},
]
