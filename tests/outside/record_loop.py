"""Run the cases of loop_cases.py in torch and write data/torch-loop.npz: weights and norms after every step.

In an environment of its own: ``pip install torch==2.13.0``, then ``python tests/outside/record_loop.py``.
"""
from pathlib import Path

import numpy as np
import torch
from loop_cases import CASES, CLIP, GROUPS, SCALERS, problem


def trajectory(call: str) -> tuple[np.ndarray, np.ndarray]:
    weights, steps = problem()
    params = {name: torch.nn.Parameter(torch.tensor(w)) for name, w in weights.items()}
    groups = [{"params": [param], **GROUPS.get(name, ({}, {}))[1]} for name, param in params.items()]
    name, _, keywords = call.partition("(")
    optimizer = eval(f"torch.optim.{name}(groups, {keywords}", {"torch": torch, "groups": groups})
    path, norms = [], []
    for grads in steps:
        for key, grad in grads.items():
            params[key].grad = None if grad is None else torch.tensor(grad)
        norms.append(float(torch.nn.utils.clip_grad_norm_(list(params.values()), CLIP)))
        optimizer.step()
        path.append(np.concatenate([param.detach().numpy().ravel() for param in params.values()]))
    return np.array(path), np.array(norms)


def scales(keywords: dict[str, float], finite: str) -> list[float]:
    """What a GradScaler multiplies the loss of each step by."""
    scaler, param, found = torch.amp.GradScaler("cpu", **keywords), torch.nn.Parameter(torch.zeros(1)), []
    optimizer = torch.optim.SGD([param], lr=1.0)
    for each in finite:
        found.append(scaler.get_scale() if found else float(scaler.scale(torch.ones(()))))
        param.grad = torch.tensor([0.0 if each == "1" else float("inf")])
        scaler.scale(torch.ones(()))
        scaler.step(optimizer)
        scaler.update()
    return found


if __name__ == "__main__":
    made = {f"{k}_{what}": x for k, (_, call) in enumerate(CASES)
            for what, x in zip(("path", "norms"), trajectory(call), strict=True)}
    made |= {f"{k}_scales": np.array(scales(*each)) for k, each in enumerate(SCALERS)}
    to = Path(__file__).parents[1] / "data" / "torch-loop.npz"
    np.savez_compressed(to, version=torch.__version__, **made)
    print(to, to.stat().st_size)
