"""Trajectories recorded from Apache MXNet 1.9.1, another program, reproduced step by step.

Each case of data/mxnet-1.9.1.npz is one parameter and 25 updates; ``index`` lists them. MXNet keeps hyper-parameters
in single precision, hence the tolerance in float64 too.
"""
import json
from pathlib import Path

import numpy as np
import pytest
from test_optimizer import GUIDED

from numoptim import lr_scheduler, optimizer

RECORDED = np.load(Path(__file__).parent / "data" / "mxnet-1.9.1.npz")
CASES = json.loads(str(RECORDED["index"]))


def test_every_class_but_the_random_one_is_recorded():
    assert len(CASES) == 142 and {case["optimizer"] for case in CASES} == GUIDED - {"SGLD"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["key"])
def test_recorded_trajectory(case):
    keywords = dict(case["kwargs"])
    if "lr_scheduler" in keywords:
        schedule, arguments = keywords["lr_scheduler"]
        keywords["lr_scheduler"] = getattr(lr_scheduler, schedule)(**arguments)
    optimize = optimizer.create(case["optimizer"], **keywords)
    assert type(optimize) is getattr(optimizer, case["optimizer"])
    weight, gradients, expected = (RECORDED[f"{case['key']}_{part}"].copy() for part in ("w0", "g", "w"))
    assert weight.dtype == case["dtype"] and weight.shape == tuple(case["shape"]) and len(expected) == case["steps"]
    state = optimize.create_state(0, weight)
    for t, (gradient, recorded) in enumerate(zip(gradients, expected, strict=True), 1):
        optimize.update(0, weight, gradient, state)
        error = abs(weight - recorded) / (0.1 + abs(recorded))
        assert (error <= 2e-5).all(), f"step {t}: {error.max():.1e}"
