"""Forty steps recorded from torch and optax: every case of peer_steps.py, after every step, in both types."""
from pathlib import Path

import numpy as np
import pytest
from peer_steps import CASES, VERSIONS, problem

from numoptim import optimizer
from numoptim.lr_scheduler import FactorScheduler

DATA = Path(__file__).parents[1] / "data"
RECORDED = {library: dict(np.load(DATA / f"{library}-{version}.npz")) for library, version in VERSIONS.items()}
CLASSES = {"FactorScheduler": FactorScheduler, **{name: getattr(optimizer, name) for name in dir(optimizer)}}
EVERY = [(library, case) for library, cases in CASES.items() for case in cases]


@pytest.mark.parametrize("library", CASES)
def test_the_recording_is_of_these_cases(library):
    recorded = RECORDED[library]
    assert set(recorded["calls"]) == {case.peer for case in CASES[library]}, "run record_peer_steps.py"
    for name, array in zip("wg", problem(), strict=True):
        np.testing.assert_array_equal(recorded[name], array)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("library, case", EVERY, ids=[f"{library}: {case.own}" for library, case in EVERY])
def test_recorded_steps(library, case, dtype):
    recorded = RECORDED[library]
    path = recorded["paths"][recorded["calls"].tolist().index(case.peer)]
    weight = recorded["w"].astype(dtype)
    optimize = eval(case.own, CLASSES)
    state = optimize.create_state(0, weight)
    for name, value in case.start.items():
        state.slots[name].fill(value)
    tolerance = case.tolerance if dtype == np.float64 else 2e-6       # as float32 rounds
    for gradient, expected in zip(recorded["g"].astype(dtype), path, strict=True):
        optimize.update(0, weight, gradient, state)
        np.testing.assert_allclose(weight, expected, rtol=0, atol=tolerance * abs(path).max())
