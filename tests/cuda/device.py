"""GPU kernels run on the CPU by the PTX emulator, and the same steps by the kernels for the processor."""
import functools

import numpy as np
import ptx
from reference import FLOAT, counts, held, norms_for, plan, records, values, whole_ones

from numoptim import cuda
from numoptim.cuda import parameters
from numoptim.kernels import phases
from numoptim.native.library import entry, extension

NULL, MOST_SEGMENTS = 0, 2000


@functools.cache
def module(rule, dtype):
    return ptx.load(cuda.ptx(rule, FLOAT[dtype]))


def aligned(size, dtype, past=0):
    """An uninitialised array that begins ``past`` elements behind a multiple of 16 bytes."""
    itemsize = np.dtype(dtype).itemsize
    room = np.empty(size + 16 // itemsize + past, dtype)
    first = -room.ctypes.data % 16 // itemsize + past
    return room[first:first + size]


def buffers_for(rule, dtype, size, seed=0, past=0):
    """w, g and slots, some of them extreme or subnormal; slots that rules keep positive are.

    There are numbers for more segments than any test has.
    """
    rng = np.random.default_rng(seed)
    made = []
    for k, count in enumerate(counts(rule, size, MOST_SEGMENTS)):
        scalar = np.float64 if k in whole_ones(rule) else FLOAT[dtype]
        array = aligned(count, scalar, past)
        array[:] = rng.standard_normal(count)
        array[:] = held(rule.slots[k - 2], array) if k > 1 else array
        array[rng.random(count) < 0.02] = 0.0
        array[rng.random(count) < 0.02] *= np.finfo(array.dtype).tiny * 4
        made.append(array)
    return made


class Problem:
    """One rule's step: segments, groups of hyper-parameters, and what a launch needs beside the buffers."""

    def __init__(self, rule, dtype, size, offsets=None, which=None, groups=None):
        self.rule, self.dtype, self.size = rule, dtype, size
        self.offsets = np.array([0, size] if offsets is None else offsets, np.int64)
        self.which = np.zeros(len(self.offsets) - 1, np.int64) if which is None else np.array(which, np.int64)
        self.groups = groups or [values(rule)]
        self.hyper = records(rule, self.groups)
        self.norms = norms_for(rule, self.offsets)

    def processor(self, buffers, t, phases_=None):
        """The step by the kernels for the processor; returns the status."""
        made = plan(0, self.size, self.offsets, self.which, self.hyper, buffers, self.norms)
        for phase in phases_ or phases(self.rule):
            status = extension().call(entry(self.rule, buffers[0].dtype, phase), made.ctypes.data, t)
            if status:
                return status
        return 0

    def device(self, buffers, t, grid=3, block=64, vectors=None, by_value=False, step=None, suffixes=None, **checks):
        """The step by the GPU kernels.

        by_value: hyper-parameters as numbers, else in memory. step: an int64 array that holds t in memory.
        """
        own = list(self.groups[0].values()) if by_value else [d for d, _ in self.rule.fields.values()]
        fields = [int(x) if isinstance(d, int) else float(x)
                  for x, (d, _) in zip(own, self.rule.fields.values(), strict=True)]
        if vectors is None:
            vectors = all(b.ctypes.data % 16 == 0 for b in buffers)
        table = self.rule.layerwise or not by_value
        head = [self.size, len(self.which), self.offsets if table else NULL, NULL if by_value else self.which,
                0 if by_value else len(self.groups), NULL if by_value else self.hyper, *fields,
                NULL if step is None else step, 0 if step is not None else t]
        norms = [self.norms] if self.rule.layerwise else []
        for suffix in parameters.phases(self.rule) if suffixes is None else suffixes:
            name = f"{self.rule.name}_{self.dtype}{suffix}"
            module(self.rule, self.dtype).launch(name, grid, block, *head, *norms, *buffers, int(vectors), **checks)
