"""All that MXNet 1.9.1's own optimizer tests combine, 16 bits apart, over ten steps of signed gradients.

MXNet's answers are recorded (``record_mxnet.py``). Where MXNet defines a rule otherwise, options or gradients are
mapped so that both compute the same, and no combination is left out:

- MXNet's kernels keep hyper-parameters in single precision for double weights too: they are rounded alike.
- Adam, Adamax, FTML and RMSProp with ``clip_gradient`` and ``wd``: MXNet clips after adding wd. Here the gradient is
  made so beforehand, and the optimizer neither clips nor decays.
- Adam: MXNet adds epsilon before the correction, which here is ``epsilon / sqrt(1 - beta2**t)``; and it corrects with
  betas in double precision.
- Adamax: MXNet has no epsilon, and this one is too small to matter. FTML: its learning rate is 0.01 by default.
- NAG: MXNet decays the velocity with the new weight. The difference is added to the slot after each step.
- SGLD: the noise is recorded, and added to a step at temperature 0.
- Where MXNet skips rows without a gradient, every row is a parameter of its own, and is not updated then.

Nadam, LARS, LBSGD and DCASGD have no grid in MXNet's tests; ``test_golden.py`` has trajectories of theirs.
"""
import functools
import inspect
import math
from pathlib import Path

import numpy as np
import pytest
from mxnet_grids import GRIDS, Combination, combinations

from numoptim import optimizer
from numoptim.optimizer import RuleOptimizer

RECORDED = dict(np.load(Path(__file__).parents[1] / "data" / "mxnet-1.9.1-grids.npz"))
FLOATS = ("float32", "float64")
TOLERANCE = {"float32": 2e-6, "float64": 1e-14}
SINGLE_NORMS = ("lamb_lists", "float64", 1e-8)             # MXNet adds up the squares of lists in single precision

CLIPS_LAST = ("Adam", "Adamax", "FTML", "RMSProp")
IN_PYTHON = ("Adamax", "SGLD")                             # these have only clip_gradient in single precision
OTHER_DEFAULTS = {"Adamax": {"epsilon": 1e-30}, "FTML": {"learning_rate": 0.01}, "SGLD": {"temperature": 0.0}}


def test_what_is_compared():
    found = [case for grid in GRIDS.values() for case in combinations(grid)]
    recorded = sum(len(RECORDED[f"{name}_{dtype}_which"])
                   for name, grid in GRIDS.items() for dtype in grid.storages if dtype in FLOATS)
    assert len(found) == 8970                              # so often MXNet's tests compare two optimizers
    assert sum(case.dtype == "float16" for case in found) == 1896
    assert recorded == 8970 - 1896


@pytest.mark.parametrize("name, dtype", [(name, dtype) for name, grid in GRIDS.items()
                                         for dtype in grid.storages if dtype in FLOATS])
def test_grid(name, dtype):
    cases = [case for case in combinations(GRIDS[name]) if case.dtype == dtype]
    expected = {key: RECORDED[f"{name}_{dtype}_{key}"] for key in ("which", "w", "slots")}
    tolerance = SINGLE_NORMS[2] if (name, dtype) == SINGLE_NORMS[:2] else TOLERANCE[dtype]
    for k, case in zip(expected["which"], cases, strict=True):
        weights, slots = Run(name, case).course()
        recorded = own_slots(GRIDS[name].optimizer, expected["slots"][k])
        if "momentum" in case.options or GRIDS[name].optimizer != "NAG":      # without, MXNet's NAG has no slot
            assert len(slots) == len(recorded), case
        for got, wanted in [*zip(weights, expected["w"][k], strict=True), *zip(slots, recorded, strict=False)]:
            assert abs(got - wanted).max() <= tolerance * abs(wanted).max(), case


def own_slots(name: str, slots: np.ndarray) -> np.ndarray:
    """MXNet's slots as numoptim has them."""
    slots = slots[~np.isnan(slots[:, 0])]
    if name == "RMSProp" and len(slots) == 3:
        n, m, v = slots
        return np.array([m, n - m * m, v])
    return -slots if name == "Signum" else slots


class Run:
    """The steps of one combination."""

    def __init__(self, name: str, case: Combination) -> None:
        self.name, self.case, self.rule = name, case, GRIDS[name].optimizer
        self.given = {key: RECORDED[f"{case.dtype}_{key}"] for key in ("w0", "g", "rows")}
        self.sparse = case.storage.grad == "row_sparse"
        self.lazy = self.sparse and case.storage.lazy is not False and self.rule != "RMSProp"
        cls = getattr(optimizer, self.rule)
        self.precise = {**keywords(cls), **OTHER_DEFAULTS.get(self.rule, {}), **case.options}
        self.options = {key: single(x) if key == "clip_gradient" or self.rule not in IN_PYTHON else x
                        for key, x in self.precise.items()}
        self.clips_last = self.rule in CLIPS_LAST and {"clip_gradient", "wd"} <= case.options.keys()
        ready = {"clip_gradient": None, "wd": 0.0, "rescale_grad": 1.0} if self.clips_last else {}
        self.optimizer: RuleOptimizer = cls(**{**self.options, **ready})

    def course(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights after the steps that are recorded, and slots after the last."""
        weights, kept = self.parts(self.given["w0"]), []
        states = [self.optimizer.create_state(k, w) for k, w in enumerate(weights)]
        for t, (g, rows) in enumerate(zip(self.given["g"], self.given["rows"], strict=True), 1):
            grads = self.parts(g * rows if self.sparse else g)
            present = [k for k in range(len(weights)) if not self.lazy or rows[k]]
            for call in [present] if self.name == "lamb_lists" else [[k] for k in present]:
                self.update(t, call, *([x[k] for k in call] for x in (weights, grads, states)))
            if t in RECORDED["steps"]:
                kept.append(flat(weights))
        return kept, [flat([state.slots[name] for state in states]) for name in states[0].slots]

    def parts(self, array: np.ndarray) -> list[np.ndarray]:
        """The parameters that hold an array."""
        if self.name == "lamb_lists":
            return [part.copy() for part in np.split(array.ravel(), [3, 8])]
        return [row.copy() for row in array] if self.lazy else [array.copy()]

    def update(self, t, keys, weights, grads, states):
        """Step t of MXNet."""
        before = weights[0].copy()
        if self.clips_last:
            grads = [self.decayed(w, g) for w, g in zip(weights, grads, strict=True)]
        if self.rule == "Adam":
            self.correct_as_mxnet(t, states[0].t + 1)
        self.optimizer.update(keys, weights, grads, states)
        if self.rule == "NAG":
            decay = before.dtype.type(self.options["learning_rate"] * self.options["wd"])
            states[0].slots["v"][...] -= decay * (weights[0] - before)
        if self.rule == "SGLD":
            weights[0] += RECORDED[f"{self.name}_{self.case.dtype}_noise"][t - 1]

    def decayed(self, w, g):
        scale, wd, clip = (w.dtype.type(self.options[key]) for key in ("rescale_grad", "wd", "clip_gradient"))
        return np.clip(scale * g + wd * w, -clip, clip)

    def correct_as_mxnet(self, t, own):
        """Set Adam's rate and epsilon for MXNet's step t, which is the state's step ``own``."""
        rate, beta1, beta2 = (self.precise[key] for key in ("learning_rate", "beta1", "beta2"))
        rate = single(rate * math.sqrt(1 - beta2**t) / (1 - beta1**t))
        root = math.sqrt(1 - self.options["beta2"] ** own)
        self.optimizer.set_learning_rate(rate * (1 - self.options["beta1"] ** own) / root)
        self.optimizer.epsilon = self.options["epsilon"] / root


@functools.cache
def keywords(cls: type) -> dict:
    return {key: parameter.default for key, parameter in inspect.signature(cls).parameters.items()}


def single(x):
    return float(np.float32(x)) if isinstance(x, float) else x


def flat(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in arrays])
