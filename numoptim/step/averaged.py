"""What a Trainer does while its parameters have weights to evaluate: nothing but save states."""
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from numoptim.buffers.parameters import Parameters
    from numoptim.native.plan import Pass


class Averaged:
    """In the place of a Stepper: RuntimeError for steps, loading, copies and pickles; states can be saved."""

    def __init__(self, stepper: Any) -> None:
        self.lock, self.captures = stepper.lock, stepper.captures

    def halt(self) -> None:
        """Nothing: nobody steps."""

    def check_outside(self) -> Never:
        raise RuntimeError("within averaged() the parameters have weights to evaluate: steps, loading, copies and "
                           "pickles of the trainer are for afterwards")

    def leave_out(self, out: frozenset[int]) -> Never:
        self.check_outside()

    def prepare(self, batch_size: float) -> Never:
        self.check_outside()

    def counts(self) -> Never:
        self.check_outside()

    def repeat(self, batch_size: float) -> Never:
        self.check_outside()


@contextlib.contextmanager
def evaluating(trainer: Any, average: "Pass") -> "Iterator[Parameters]":
    """Trainer.averaged; average: the pass that makes of weights those to evaluate."""
    held = vars(trainer)                           # a handler of a signal would come into a setattr
    params, stepper, before = held["_params"], held["_stepper"], None
    flat, memory = params.flat, params.memory
    stepper.check_outside()
    try:
        with stepper.lock:
            if held["_stepper"] is not stepper:    # another thread was first
                held["_stepper"].check_outside()
            stepper.halt()
            stepper.leave_out(held["_frozen"])     # and not what had no gradient in the latest step
            copied = memory.zeros(flat.size, flat.dtype)
            memory.write(copied, flat)
            before = copied
            held["_stepper"] = Averaged(stepper)
            stepper.run(average)
        yield params
    finally:
        if before is not None:
            try:
                memory.write(flat, before)
            except BaseException:                  # Ctrl-C, before anything was written or in the middle
                memory.write(flat, before)
                raise
            finally:
                held["_stepper"] = stepper
