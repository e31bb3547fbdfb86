"""Averaged: a Trainer's stepper while its parameters have weights to evaluate."""
from typing import Any, Never


class Averaged:
    """In the place of a Stepper: RuntimeError for steps, loading, copies and pickles; states can be saved."""

    def __init__(self, stepper: Any) -> None:
        self.lock, self.captures = stepper.lock, stepper.captures

    def halt(self) -> None:
        """Nothing: nobody steps."""

    def check_outside(self) -> Never:
        raise RuntimeError("within averaged() the parameters have weights to evaluate: steps, loading, copies and "
                           "pickles of the trainer are for afterwards")

    def counts(self) -> Never:
        self.check_outside()

    def repeat(self, batch_size: float) -> Never:
        self.check_outside()
