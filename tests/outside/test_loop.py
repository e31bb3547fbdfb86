"""Missing gradients, groups and clipping against torch's recorded steps of the same loop."""
from pathlib import Path

import numpy as np
import pytest
from loop_cases import CASES, CLIP, GROUPS, SCALERS, problem

from numoptim import LossScaler, Parameters, Trainer, optimizer

RECORDED = np.load(Path(__file__).parents[1] / "data" / "torch-loop.npz")


GROUPS_HERE = {name: own for name, (own, _) in GROUPS.items()}


def made(case):
    return eval(CASES[case][0], {name: getattr(optimizer, name) for name in optimizer.__all__})


@pytest.mark.parametrize("case", range(len(CASES)), ids=[theirs.partition("(")[0] for _, theirs in CASES])
def test_steps_are_torchs(case):
    """But for the 1e-6 that torch adds to the norm it divides by."""
    weights, steps = problem()
    trainer = Trainer(Parameters(weights), made(case), groups=GROUPS_HERE, clip_norm=CLIP)
    clipped = 0
    for grads, path, norm in zip(steps, RECORDED[f"{case}_path"], RECORDED[f"{case}_norms"], strict=True):
        info = trainer.step(1, grads, missing="skip")
        clipped += info.clip_factor < 1
        assert info.grad_norm == pytest.approx(norm, rel=1e-12, abs=1e-15)
        np.testing.assert_allclose(trainer.params.flat, path, rtol=0, atol=3e-5 * abs(path).max())
    assert 30 <= clipped < len(steps) and any(grad is None for grads in steps for grad in grads.values())


@pytest.mark.parametrize("case", range(len(CASES)), ids=[theirs.partition("(")[0] for _, theirs in CASES])
def test_steps_are_torchs_to_rounding_where_gradients_are_clipped_as_there(case):
    weights, steps = problem()
    trainer = Trainer(Parameters(weights), made(case), groups=GROUPS_HERE)
    for grads, path, norm in zip(steps, RECORDED[f"{case}_path"], RECORDED[f"{case}_norms"], strict=True):
        factor = min(1.0, CLIP / (norm + 1e-6))
        trainer.step(1, {name: None if grad is None else factor * grad for name, grad in grads.items()}, missing="skip")
        np.testing.assert_allclose(trainer.params.flat, path, rtol=0, atol=1e-12 * abs(path).max())


@pytest.mark.parametrize("case", range(len(SCALERS)))
def test_scales_are_torchs(case):
    keywords, finite = SCALERS[case]
    scaler = LossScaler(**keywords)
    trainer, seen = Trainer(Parameters({"w": np.zeros(1)}), "sgd", {"learning_rate": 1}, loss_scaler=scaler), []
    for each in finite:
        seen.append(scaler.scale)
        info = trainer.step(1, {"w": [scaler.scale * 0.5 if each == "1" else np.inf]})
        assert info.applied == (each == "1")
    assert seen == RECORDED[f"{case}_scales"].tolist()
    assert trainer.params.flat.tolist() == [-0.5 * finite.count("1")]
