"""What comes before a step: the norm of its gradients, by which it is clipped, or left out."""
import math
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple, SupportsFloat

import numpy as np

from numoptim.kernels import FROZEN
from numoptim.native.plan import Pass, StepRecord
from numoptim.rule.hyperparameters import checked, flag
from numoptim.rules.gradient_norm import RULE

from .scaler import LossScaler
from .stepper import failed

if TYPE_CHECKING:
    from .stepper import Stepper

NORM = Pass(RULE, ("w", "g", *RULE.slots))


class StepInfo(NamedTuple):
    """What became of a step.

    applied: whether it was made and counted. reason: why not. grad_norm: of all gradients, in float64, as the step
    would have taken them but for ``clip_gradient``; clip_factor: what they were multiplied with; nonfinite: the first
    parameter with a gradient that is not finite. These are None where no norm was asked for, or none is such.
    """

    applied: bool = True
    reason: str = ""
    grad_norm: float | None = None
    clip_factor: float | None = None
    nonfinite: str | None = None


APPLIED = StepInfo()


class Guard:
    """What a Trainer asks of the norm of gradients before it makes a step, and of their scale.

    limits: the most that the norm may be, and whether steps are left out where it is not finite; None where nobody asks
    for it.
    """

    def __init__(self, clip_norm: SupportsFloat | None, skip_nonfinite: bool, scaler: LossScaler | None) -> None:
        if not isinstance(scaler, (LossScaler, type(None))):
            raise TypeError(f"loss_scaler={scaler!r}: expected a numoptim.LossScaler")
        self.scaler = scaler
        self.limits: tuple[float, bool] | None = None
        self.limits = self.limited(clip_norm, skip_nonfinite)
        self._bound: tuple[Any, ...] = (None,)     # the plans of a stepper, and what is for these

    def __reduce__(self) -> Any:
        most, skips = self.limits or (math.inf, False)
        return Guard, (most, skips, self.scaler)   # bound anew: addresses are never state

    def limited(self, clip_norm: SupportsFloat | None, skip: bool | None) -> tuple[float, bool] | None:
        """``limits`` with these, for one step; what is None is as it is."""
        most, skips = self.limits or (math.inf, False)
        if clip_norm is not None:
            most = math.inf if clip_norm == math.inf else checked("clip_norm", clip_norm, math.inf, "(0, inf)")
        skips = (skips if skip is None else flag("skip_nonfinite", skip)) or self.scaler is not None
        return None if math.isinf(most) and not skips else (most, skips)

    def step(self, stepper: "Stepper", gradients: Any, limits: tuple[float, bool]) -> StepInfo:
        """Make a step that is prepared, unless it is to be left out, and tell the scaler."""
        info = self._check(stepper, gradients, *limits)
        if info.applied:
            stepper.step()
        if self.scaler is not None:
            self.scaler.observe(info.applied)
        return info

    def _check(self, stepper: "Stepper", gradients: Any, clip_norm: float, skip: bool) -> StepInfo:
        """Clip a step that is prepared. ValueError for a norm that is not finite, where that is not to be skipped."""
        if stepper.captures is not None and stepper.captures.capturing:
            raise RuntimeError("a step with clip_norm or skip_nonfinite waits for its norm: it cannot be captured")
        norm = self._norm(stepper)
        if not math.isfinite(norm):
            host, live = stepper.memory.host, (stepper.which != FROZEN).tolist()
            name = next((name for (name, grad), takes_part in zip(gradients.items(), live, strict=True)
                         if takes_part and not np.isfinite(host(grad)).all()), None)
            why = f"the gradient of {name!r} is not finite" if name else f"the norm of all gradients is {norm}"
            if not skip:
                raise ValueError(f"{why}, so that it cannot be clipped; skip_nonfinite=True leaves such steps out")
            return StepInfo(False, why, norm, None, name)
        factor = clip_norm / norm if norm > clip_norm else 1.0
        if factor != 1.0:
            stepper.scale(factor)
        return StepInfo(True, "", norm, factor)

    def _norm(self, stepper: "Stepper") -> float:
        if self._bound[0] is not stepper.plans:
            self._bound = stepper.plans, *self._bind(stepper)
        _, plan, norm, count, record, step = self._bound
        plan.hyper["rescale_grad"] = stepper.plans[0].hyper["rescale_grad"]
        plan.set(1, 0.0, 1.0)
        count[0] = 0
        status = step(record.address, 1)
        if status:
            raise failed(RULE, status)
        return float(stepper.memory.host(norm)[0])

    def _bind(self, stepper: "Stepper") -> tuple[Any, ...]:
        groups = len(stepper.plans[0].hyper)
        norm = stepper.memory.zeros(1, np.dtype(np.float64))
        plan = stepper.bound(NORM, groups, {"norm": norm})
        plan.fill([dict.fromkeys(("lr_mult", "wd_mult"), 1.0) | {"wd": 0.0, "clip_gradient": math.inf}] * groups,
                  {"rescale_grad": range(groups)})
        plan.leave_out("range")                    # it would write weights as they are
        count = array("q", [0])
        record = StepRecord([plan], count, array("q", [0]))
        return plan, norm, count, record, stepper.memory.kernels.stepper([plan])
