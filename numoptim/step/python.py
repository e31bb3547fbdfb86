"""PythonStepper: makes the steps of an optimizer written in Python, parameter by parameter."""
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .locks import check_outside

if TYPE_CHECKING:
    from numoptim.buffers.parameters import Parameters
    from numoptim.native.plan import Pass
    from numoptim.optimizer import Optimizer

    from .stepper import Stepper


class Stepped:
    """How a Trainer has an optimizer step all of its parameters: in Python, unless a subclass has another way."""

    def _steps_in_python(self) -> bool:
        """Whether ``update`` is called for each of them."""
        return True

    def _begin(self, params: "Parameters") -> Any:
        """Their state before the first step."""
        return [self.create_state(i, w) for i, w in enumerate(params.values())]   # type: ignore[attr-defined]

    def _stepper(self, params: "Parameters", state: Any, threads: int,
                 captures: Any = None) -> "Stepper | PythonStepper":
        """What makes steps on them."""
        return PythonStepper(self, params, state)          # type: ignore[arg-type]

    def _average(self) -> "Pass | None":
        """What makes of weights those to evaluate, where these are others."""
        return None


class PythonStepper:
    """Makes steps as a Stepper does, of an optimizer written in Python: calls its ``update`` for each parameter.

    states: of the parameters, in their order.
    """

    captures = None                                 # of no use to Python

    def __init__(self, optimizer: "Optimizer", params: "Parameters", states: list[Any]) -> None:
        self.optimizer, self.params, self.states = optimizer, params, states
        self.host = params.device == "cpu"
        self.lock = optimizer._outer                # held during a step: a RuleOptimizer's own code may call update
        self.half_made = ""                         # the parameter at which a step was left
        self.begun = 0                              # steps
        self.out: frozenset[int] = frozenset()

    def repeat(self, batch_size: float) -> bool:
        """False: no step is a mere call."""
        return False

    def admit(self) -> None:
        """Nothing, then."""

    def halt(self) -> None:
        """RuntimeError where the latest step was left in the middle."""
        if self.half_made:
            raise RuntimeError(f"the latest step was interrupted at parameter {self.half_made!r}, with others updated "
                               "already: load_states, or make a new Trainer")

    def prepare(self, batch_size: float) -> None:
        """All of a step that can fail before the optimizer's own code runs."""
        with self.optimizer._lock:                  # a schedule is no place for updates
            self.optimizer._rate(self.optimizer.num_update + 1)
        with np.errstate(over="ignore"):
            self.scale = self.params.flat.dtype.type(batch_size)
        if not 0 < self.scale < math.inf:
            raise ValueError(f"batch_size={batch_size!r} is out of range for {self.scale.dtype}")
        if not self.host and self.scale != 1:
            raise ValueError(f"batch_size={batch_size!r}: on a GPU an optimizer written in Python gets its gradients "
                             "as they are; divide them there, and step with batch_size=1")

    def step(self) -> None:
        """Call the optimizer's ``update`` for each parameter."""
        self.begun += 1
        for index, (name, weight) in enumerate(self.params.items()):
            if index in self.out:
                continue
            self.half_made = name
            if self.optimizer._lr_mult.of(index) == 0:             # frozen
                self.optimizer._update_count(index)
                continue
            grad = self.params.grad[name]
            self.optimizer.update(index, weight, np.asarray(grad / self.scale) if self.host else grad,
                                  self.states[index])
        self.half_made = ""

    def leave_out(self, out: frozenset[int]) -> None:
        """Leave these parameters out of steps from the next one on, and no others."""
        self.out = out

    def check_outside(self) -> None:
        """RuntimeError in the middle of a step or an update."""
        check_outside(self.lock)
        check_outside(self.optimizer._lock)

    def counts(self) -> Any:
        """Others once a step is made."""
        return self.begun, dict(self.optimizer._counts)
