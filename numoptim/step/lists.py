"""Lists of updates, made whole: all or none of them."""
import itertools
import operator
from array import array
from collections.abc import Sequence

import numpy as np

from .stepper import Stepper, failed


def step_all(steppers: Sequence[Stepper]) -> None:
    """The updates that all have prepared, in one call: all or none of them, whatever interrupts it.

    ValueError where a weight, gradient or slot is in the list twice, or memory is shared in part.
    """
    first, spans = steppers[0], [stepper.spans for stepper in steppers]
    if spans != first.listed[0]:                   # another list than in the latest call
        _check_distinct(steppers)
        first.listed = spans, np.array([stepper.record.address for stepper in steppers], np.int64)
    numbers = array("q", [stepper.next for stepper in steppers])
    plans = itertools.chain.from_iterable(map(operator.attrgetter("plans"), steppers))
    status = first.memory.kernels.make(plans, first.listed[1].ctypes.data, numbers.buffer_info()[0], len(steppers))
    if status:
        raise failed(first._of_state[0], status)


def _check_distinct(steppers: Sequence[Stepper]) -> None:
    """ValueError where arrays of a list share memory or a state is there twice, or memory is of two devices."""
    places = {stepper.memory.name for stepper in steppers}
    if len(places) > 1:
        raise ValueError(f"the weights of one list are on {', '.join(sorted(places))}: update them apart")
    if len({stepper.record.count_at for stepper in steppers}) < len(steppers):
        seen: set[int] = set()
        for stepper in steppers:
            if stepper.record.count_at in seen:
                raise ValueError(f"the state of {stepper.indices[0]!r} is in these lists twice")
            seen.add(stepper.record.count_at)
    edges = np.array([span for stepper in steppers for span in stepper.spans])
    owner = np.repeat(np.arange(len(steppers)), [len(stepper.spans) for stepper in steppers])
    used = np.flatnonzero(edges[:, 0] < edges[:, 1])
    order = used[np.argsort(edges[used, 0])]
    met = order[1:][edges[order[1:], 0] < edges[order[:-1], 1]]
    if met.size:
        raise ValueError(f"a weight, gradient or state of {steppers[owner[met[0]]].indices[0]!r} is in these lists "
                         "twice, or overlaps another")
