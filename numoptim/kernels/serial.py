"""The extension's ``call`` and ``step`` (aot/steps.c) where none was compiled ahead of time: one thread."""
import functools
from types import SimpleNamespace
from typing import Any

from .abi import PLAN_DTYPE
from .compile import OPTIONS


@functools.cache
def functions() -> Any:
    """``call``, ``check``, ``step`` and ``steps`` of native.library.extension, by the numbers of C."""
    from numba import from_dtype, njit, types

    from . import intrinsics
    at, plan_at = (intrinsics.at_address(kind) for kind in (types.CPointer(types.int64), from_dtype(PLAN_DTYPE)))
    byte_at = intrinsics.at_address(types.CPointer(types.uint8))
    called: Any = intrinsics.called

    @njit(**OPTIONS)
    def call(entry, plan, t):
        return called(entry, plan, t)

    @njit(**OPTIONS)
    def clear(plan, size):
        first, last, offsets, which = plan.first, plan.first + plan.count, at(plan.offsets), at(plan.which)
        for s in range(plan.segments):
            begin, end = max(offsets[s], first), min(offsets[s + 1], last)
            if begin < end and which[s] >= 0:
                data = byte_at(plan.buffers[1] + (begin - first) * size)
                for i in range((end - begin) * size):
                    data[i] = 0

    @njit(**OPTIONS)
    def make(p, t):
        kind, lag, entry, plans, stride, jobs = p[0], p[3], p[4], p[5], p[6], p[7]
        status = 0
        for k in range(jobs):
            if kind == 0:
                status = min(status, called(entry, plans + k * stride, t - lag))
            else:
                clear(plan_at(plans + k * stride), entry)
        return status

    @njit(**OPTIONS)
    def step(record, t):
        words = at(record)
        number, latest = at(words[2]), at(words[3])
        if number[0] + 1 != t:
            return 1
        for j in range(words[1]):
            p = at(words[0] + 72 * j)
            status = make(p, t) if (t - p[2]) % p[1] == 0 else 0
            if status != 0:
                return status
        number[0] = t
        latest[0] = max(latest[0], t)
        return 0

    @njit(**OPTIONS)
    def steps(records, numbers, count):
        for k in range(count):
            if at(at(at(records)[k])[2])[0] + 1 != at(numbers)[k]:
                return 1
        for k in range(count):
            status = step(at(records)[k], at(numbers)[k])
            if status != 0:
                return status
        return 0

    return SimpleNamespace(call=call, check=call, step=step, steps=steps)
