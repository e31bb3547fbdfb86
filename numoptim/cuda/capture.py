"""Steps in CUDA graphs: what a capture records of a Stepper, and what goes before each replay."""
from typing import TYPE_CHECKING, Any

from . import driver

if TYPE_CHECKING:
    from numoptim.step.stepper import Stepper

    from .memory import Device


class Captures:
    """The steps of one Trainer that were captured; capturing: whether the one that has begun is."""

    def __init__(self, memory: "Device") -> None:
        self._memory = memory
        self._plans: tuple[Any, ...] = ()           # whose memory graphs may still use
        self._latest: Any = None                    # the latest one's, and the version of the optimizer that it has
        self.capturing = False

    def begun(self, stepper: "Stepper") -> bool:
        """Whether the step that begins goes into a graph; RuntimeError where it cannot."""
        with self._memory.context:
            self.capturing = driver.capturing(self._memory.stream)
        if not self.capturing:
            return False
        if stepper.outdated():
            raise RuntimeError("hyper-parameters or multipliers have changed since the latest step: make one before "
                               "the capture")
        if len(stepper.plans) > 1:
            raise RuntimeError("LBSGD with batch_scale > 1 cannot be captured, where what a step does depends on its "
                               "number, nor can parameters of which some have missed steps")
        return True

    def recorded(self, stepper: "Stepper") -> bool:
        """Whether the step that has begun went into a graph, for any t."""
        if self.capturing:
            plan = stepper.plans[0]
            plan.capture()
            if plan not in self._plans[-1:]:
                self._plans += (plan,)
            self._latest = plan, stepper.version
        return self.capturing

    def advance(self, stepper: "Stepper", batch_size: float) -> None:
        """Make the next step the one that the next replay of a captured step makes, and count it."""
        if self._latest is None:
            raise RuntimeError("advance goes before the replay of a captured step: none has been captured")
        with self._memory.context:
            if driver.capturing(self._memory.stream):
                raise RuntimeError("advance goes before a replay, not into the capture")
        stepper.prepare(batch_size)
        plan, version = self._latest
        if plan is not stepper.plans[0] or version is not stepper.version:
            raise RuntimeError("hyper-parameters, multipliers or states have changed since the step was captured: "
                               "capture it anew")
        plan.advance(stepper.next - plan.pass_.lag)
        stepper.made_elsewhere()
