"""Schedules at every step, against what record_schedules.py recorded of torch 2.13.0 and optax 0.2.8."""
from pathlib import Path

import numpy as np
import pytest
from schedule_cases import BASE, CASES, METRICS, PLATEAUS

from numoptim import lr_scheduler

RECORDED = np.load(Path(__file__).parents[1] / "data" / "schedules.npz")
ROWS = [(f"{library}: {there}", here, step) for library, rows in CASES.items() for there, here, step in rows]


def test_all_of_the_recording_is_compared():
    told = {f"torch: {name} {keywords}" for name in METRICS for keywords in PLATEAUS}
    assert set(RECORDED) == {there for there, *_ in ROWS} | told, "record anew: tests/outside/record_schedules.py"


@pytest.mark.parametrize("there, here, step", ROWS, ids=[there for there, *_ in ROWS])
def test_every_step(there, here, step):
    schedule, rates = eval(here, {**vars(lr_scheduler), "BASE": BASE}), RECORDED[there]
    assert len(set(rates)) > 1 or "constant_schedule" in there
    np.testing.assert_allclose([schedule(k + step) for k in range(len(rates))], rates, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("keywords", PLATEAUS, ids=str)
@pytest.mark.parametrize("name", METRICS)
def test_every_observation(name, keywords):
    plateau, rates = lr_scheduler.Plateau(BASE, **keywords), []
    for metric in [*METRICS[name], None]:
        rates.append(plateau(len(rates) + 1))
        if metric is not None:
            plateau.observe(metric)
    np.testing.assert_allclose(rates, RECORDED[f"torch: {name} {keywords}"], rtol=1e-12)


def test_the_metrics_reduce_some_rates_and_not_others():
    falls = [len(set(RECORDED[key])) for key in RECORDED if "{" in key and key.split(" ")[1] in METRICS]
    assert min(falls) == 1 and max(falls) > 5
