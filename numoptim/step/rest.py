"""Which parameters of a buffer sit steps out, and how many steps each has missed."""
from collections.abc import Iterable

import numpy as np

from numoptim.kernels import FROZEN
from numoptim.native.arrays import Array
from numoptim.rule import Rule


class Rest:
    """Of so many parameters. out: the numbers of those that take no part in steps, whatever their multipliers say.

    A parameter counts its own steps: it is behind the buffer's number by those that it has missed, here or with a
    multiplier of 0.
    """

    def __init__(self, count: int, lags: Iterable[int] = (), out: Iterable[int] = ()) -> None:
        self.out = frozenset(out)
        numbers = np.zeros(count, np.int64)
        numbers[:] = [*lags] or 0
        # Which rest, and of those their own step, of others their lag: one attribute, whatever interrupts a change.
        self._numbers = np.zeros(count, bool), numbers

    def without(self, which: Array) -> Array:
        """The groups of segments, FROZEN for those that take no part."""
        if self.out:
            which = which.copy()
            which[list(self.out)] = FROZEN
        return which

    def lags(self, t: int) -> Array:
        """int64 (count,): by how many steps each is behind step t, the latest."""
        resting, numbers = self._numbers
        return np.where(resting, t - numbers, numbers)

    def begin(self, which: Array, t: int) -> Array:
        """``lags``, of steps after t in which segments of the group FROZEN rest, and no others."""
        lags, resting = self.lags(t), which == FROZEN
        self._numbers = resting, np.where(resting, t - lags, lags)
        return lags


def by_lag(rule: Rule, which: Array, lags: Array) -> list[tuple[int, Array]]:
    """Lags, and the groups of segments that have them, FROZEN for others. Numbers for all are of one step: no lags."""
    live = lags[which != FROZEN]
    if not live.any() or rule.slots_over("all") or any(reduction.over == "all" for reduction in rule.reductions):
        return [(0, which)]
    return [(int(lag), np.where(lags == lag, which, FROZEN)) for lag in np.unique(live)]
