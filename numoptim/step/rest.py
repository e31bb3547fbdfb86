"""Which parameters of a buffer sit steps out, and how many steps each has missed."""
from collections.abc import Iterable

import numpy as np

from numoptim.kernels import FROZEN
from numoptim.native.arrays import Array


class Rest:
    """Of so many parameters. out: the numbers of those that take no part in steps, whatever their multipliers say.

    A parameter counts its own steps: it is behind the buffer's number by those that it has missed, here or with a
    multiplier of 0.
    """

    def __init__(self, count: int, lags: Iterable[int] = (), out: Iterable[int] = ()) -> None:
        self.out = frozenset(out)
        self._resting = np.zeros(count, bool)
        self._numbers = np.zeros(count, np.int64)  # of those that rest their own step, of others their lag
        self._numbers[:] = [*lags] or 0

    def lags(self, t: int) -> Array:
        """int64 (count,): by how many steps each is behind step t, the latest."""
        return np.where(self._resting, t - self._numbers, self._numbers)

    def begin(self, which: Array, t: int) -> Array:
        """``lags``, of steps after t in which segments of the group FROZEN rest, and no others."""
        lags, self._resting = self.lags(t), which == FROZEN
        self._numbers = np.where(self._resting, t - lags, lags)
        return lags

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, (self._resting, self._numbers, self.out)


def _restored(resting: Array, numbers: Array, out: frozenset[int]) -> Rest:
    made = Rest(len(numbers), numbers, out)
    made._resting = resting
    return made
