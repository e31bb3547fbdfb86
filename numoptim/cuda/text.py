"""The source of a rule's GPU kernels: the loops of loops.py filled in, and what the names in them mean."""
import functools
from collections import namedtuple
from types import FunctionType
from typing import Any

import numba
import numpy as np

from numoptim import random
from numoptim.hyperparameters import NOISE
from numoptim.kernels import loops as shared_loops
from numoptim.kernels import text
from numoptim.kernels.compile import FLOAT, inline, specialise
from numoptim.rule import Rule

from . import intrinsics, loops

ROWS = 64           # groups whose constants are in shared memory at a time


def phases(rule: Rule) -> tuple[str, ...]:
    """Suffixes of a rule's GPU kernels, in the order in which a step launches them; ``_init`` is not of a step."""
    return ("",)


def parts(rule: Rule) -> dict[str, Any]:
    """What the placeholders stand for: those of the CPU's loops, and the GPU's own."""
    known = text.parts(rule)
    buffers = known["buffers"].split(", ")
    lifted = [f"own_{b}" for b in buffers]
    fields = [f"f_{key}" for key in rule.fields]
    words = [f"{'as_integers(hyper)' if isinstance(default, int) else 'hyper'}[group * {len(fields)} + {k}]"
             for k, (default, _) in enumerate(rule.fields.values())]
    return {
        **known,
        "fields": ", ".join(fields),
        "words": ", ".join(words),
        "one_segment": "False" if rule.layerwise else "is_null(hyper)",
        "four": [line for k in range(4) for line in (f"i = {k}", *known["element"])],
        "lifted": ", ".join(lifted),
        "lift": ", ".join(f"lift({b}, at)" for b in buffers),
        "lower": [f"lower(own_{b}, {b}, at)" for b in buffers if b != "g"],
        "segment_ratio": [],
    }


def source(rule: Rule) -> str:
    """Text of all kernels of a rule."""
    known = parts(rule)
    body = loops.DENSE + loops.KERNEL
    return text.fill(shared_loops.CONSTANTS + shared_loops.TABLE + loops.GROUPS + text.fill(body, sweep=[loops.SWEEP]),
                     phase="", t="t", **known)


@functools.cache
def functions(rule: Rule, dtype: str) -> dict[str, FunctionType]:
    """A rule's GPU kernels for "f32" or "f64" as plain functions: kernel, kernel_norms ..."""
    return text.defined(f"{rule.name}_{dtype}_cuda", source(rule), {**names(rule, dtype), **text.mathematics(rule, dtype)})


def names(rule: Rule, dtype: str) -> dict[str, Any]:
    """The types, numbers and intrinsics that the loops name."""
    number = numba.from_dtype(FLOAT[dtype])
    cells = len([f for f in rule.fields if f not in NOISE]) + len(rule.derived)
    return {
        **text.constants(rule, dtype),
        "ROWS": ROWS, "V": namedtuple("V", rule.fields),
        **{name: getattr(intrinsics, name) for name in ("thread", "threads", "block", "blocks", "barrier",
                                                        "as_integers")},
        "lift": intrinsics.lift(number), "lower": intrinsics.lower(number),
        "shared_table": intrinsics.shared_array(number, ROWS * cells, "table"),
        "shared_flags": intrinsics.shared_array(numba.int32, ROWS, "ready"),
    }


def signature(rule: Rule, dtype: str) -> Any:
    """Numba's signature of a kernel; all of a rule have the same parameters."""
    from numba import types
    table, number = types.CPointer(types.int64), types.CPointer(types.float64)
    fields = [types.int64 if isinstance(default, int) else types.float64 for default, _ in rule.fields.values()]
    norms = [number] if rule.layerwise else []
    buffers = [types.CPointer(numba.from_dtype(FLOAT[dtype]))] * (2 + len(rule.slots))
    return types.void(types.int64, types.int64, table, table, types.int64, number, *fields, table, types.int64,
                      *norms, *buffers, types.int32)
