"""A training loop as PyTorch's users write it, as data: parameters without gradients, groups, clipping by the norm.

``record_loop.py`` runs it in torch, in an environment of its own, and writes data/torch-loop.npz.
"""
import numpy as np

STEPS, CLIP = 50, 1.5
SHAPES = {"a": (3, 2), "b": (4,), "c": (2,)}
# The call here, torch's, and what parameter c has of its own, here and there.
CASES = [
    ("Adam(learning_rate=0.03, wd=0.1)", "Adam(lr=0.03, weight_decay=0.1)"),
    ("AdamW(learning_rate=0.03, wd=0.1)", "AdamW(lr=0.03, weight_decay=0.1)"),
    ("RAdam(learning_rate=0.03, wd=0.1)", "RAdam(lr=0.03, weight_decay=0.1, decoupled_weight_decay=True)"),
    ("SGD(learning_rate=0.1, momentum=0.9, wd=0.1, rate_in_velocity=False)",
     "SGD(lr=0.1, momentum=0.9, weight_decay=0.1)"),
]
GROUPS = {"b": ({"wd": 0}, {"weight_decay": 0}), "c": ({"learning_rate": 0.01}, {"lr": 0.01})}
# How a scaler begins, and whether gradients were finite in each step: growth, backing off, growth up to infinity.
SCALERS = [({"growth_interval": 3}, "1111011111111110011111"), ({"growth_interval": 1, "growth_factor": 4.0}, "1" * 60),
           ({"backoff_factor": 0.25, "growth_interval": 2, "growth_factor": 3.0}, "0000001110111011")]


def problem() -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray | None]]]:
    """First weights, and the gradients of every step, None for some."""
    rng = np.random.default_rng(16)
    weights = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
    steps: list[dict[str, np.ndarray | None]] = []
    for _ in range(STEPS):
        grads = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
        steps.append({name: None if rng.random() < 0.35 else grad for name, grad in grads.items()})
    return weights, steps
