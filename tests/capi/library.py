"""The C library as a foreign host sees it: cffi reads the declarations and opens the file."""
import platform

import cffi
import numpy as np
import pytest

from numoptim.aot import LIBRARY, header
from numoptim.kernels.abi import phases
from numoptim.rules import RULES

PATH, STATIC = LIBRARY, LIBRARY.with_name("libnumoptim.a")
LEVELS = {"x86_64": (0, 1, 2)}.get(platform.machine(), (0,))
if not PATH.exists():
    pytest.skip("numoptim was installed without a C compiler: no C library", allow_module_level=True)

# 0.1.0 cannot make their steps.
LATER = ("lans", "novograd", "prodigy", "sgd_schedule_free", "adamw_schedule_free", "gradient_norm")

FFI = cffi.FFI()
FFI.cdef(header.declarations(RULES))
LIB = FFI.dlopen(str(PATH))
NULL = FFI.NULL

each_level = pytest.mark.parametrize("level", LEVELS, indirect=True)


def function(rule, dtype, suffix=""):
    return getattr(LIB, f"numoptim_{rule.name}_{dtype}{suffix}")


def pointer(array):
    return FFI.cast("void *", array.ctypes.data)


def call(f, *arguments):
    """Call a C function, arrays standing for their addresses."""
    return f(*(pointer(x) if isinstance(x, np.ndarray) else x for x in arguments))


def descriptor(rule):
    return LIB.numoptim_rule_at(RULES.index(rule))


def entry(rule, phase, dtype):
    """A descriptor's function of a plan."""
    known = descriptor(rule)
    pair = known.init if phase == "init" else known.passes[phases(rule).index(phase)]
    return pair[dtype == "f64"]


def plan(first, count, offsets, which, hyper, buffers, norms=None, whole=()):
    """A numoptim_plan; keep the arrays alive. whole: which of the buffers have no number for each element."""
    p = FFI.new("numoptim_plan *")
    p.first, p.count, p.segments, p.groups = first, count, len(which), len(hyper)
    p.offsets, p.which = (FFI.cast("int64_t *", a.ctypes.data) for a in (offsets, which))
    p.hyper, p.norms = pointer(hyper), NULL if norms is None else FFI.cast("double *", norms.ctypes.data)
    for k, buffer in enumerate(buffers):
        p.buffers[k] = pointer(buffer if k in whole else buffer[first:])
    return p
