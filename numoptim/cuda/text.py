"""The source of a rule's GPU kernels: the loops of loops.py filled in, and what the names in them mean."""
import functools
from collections import namedtuple
from types import FunctionType
from typing import Any

import numba
import numpy as np

from numoptim.kernels import compile as numba_compile
from numoptim.kernels import loops as processor
from numoptim.kernels import text
from numoptim.kernels.compile import FLOAT, specialise
from numoptim.kernels.text import BLOCK, LANES
from numoptim.rule import Rule

from . import intrinsics, loops, noise

THREADS = 256       # of a block, at most
ROWS = 64           # groups whose constants are in shared memory at a time
PIECE = 512         # partial sums in shared memory at a time
VECTOR = 16         # bytes of the widest access
RUN = 4             # neighbours among the elements that a thread draws noise for


def inline(function: FunctionType) -> Any:
    """A scalar function for use inside loops, and not the one that Numba may have optimised for the processor."""
    return numba_compile.inline(function)


def phases(rule: Rule) -> tuple[str, ...]:
    """Suffixes of the kernels of a step, in the order in which they run."""
    return ("_norms", "_trust", "") if rule.layerwise else ("",)


def suffixes(rule: Rule) -> tuple[str, ...]:
    """Suffixes of all kernels of a rule: those of a step, and ``_init`` where slots do not begin at 0."""
    return (*phases(rule), *(["_init"] if rule.init else []))


def parts(rule: Rule, width: int) -> dict[str, Any]:
    """What the placeholders stand for: those of the processor's loops, and the GPU's own."""
    known = text.parts(rule, VECTOR // width)
    buffers = str(known["buffers"]).split(", ")
    lifted = [f"own_{b}" for b in buffers]
    fields = [f"f_{key}" for key in rule.fields]
    words = [(f"integer_at(hyper, group * {len(fields)} + {k})" if isinstance(default, int) else
              f"hyper[group * {len(fields)} + {k}]") for k, (default, _) in enumerate(rule.fields.values())]
    measure = [f"x, y = measure({known['old']}, h)", "a += np.float64(x) * np.float64(x)",
               "b += np.float64(y) * np.float64(y)", "i += LANES"]
    return {
        **known,
        "fields": ", ".join(fields),
        "words": ", ".join(words),
        "one_segment": "False" if rule.layerwise else "is_null(hyper)",
        "lifted": ", ".join(lifted),
        "lift": ", ".join(f"lift({b}, at)" for b in buffers),
        "measure_one": measure,
        "measure_four": measure * 4,
    }


def update(rule: Rule, width: int, known: dict[str, Any]) -> str:
    """Text of the kernel that updates weights and slots."""
    lines = ["extra = T(noise[first + THREADS * i])"] * rule.noisy + known["element"]
    body = loops.VECTOR + (loops.NOISY if rule.noisy else loops.DENSE) + loops.KERNEL
    return text.fill(
        body, phase="", one_step="t",
        elements=[line for i in range(width) for line in (f"i = {i}", *lines)],
        given=", noise, first" if rule.noisy else known["ratio"],
        lower=[f"lower(own_{b}, {b}, at)" for b in known["buffers"].split(", ") if b != "g"],
        segment_ratio=["extra = T(norms[2 * ((offsets[s] >> BLOCK_BITS) + s)])"] if rule.layerwise else [])


def start(width: int, known: dict[str, Any]) -> str:
    """Text of the kernel that fills the slots before the first step."""
    lines = [f"{known['new']} = init(w[i], h)", *known["stores"]]
    return text.fill(
        loops.VECTOR + loops.DENSE + loops.KERNEL, phase="_init", one_step="1", given="", segment_ratio=[],
        element=lines, elements=[line for i in range(width) for line in (f"i = {i}", *lines)],
        lower=[f"lower(own_{b}, {b}, at)" for b in known["slots"].split(", ")])


def source(rule: Rule, width: int) -> str:
    """Text of all kernels of a rule, for vectors of so many elements."""
    known = parts(rule, width)
    pieces = [processor.CONSTANTS, processor.TABLE, loops.GROUPS, update(rule, width, known)]
    if rule.layerwise:
        pieces += [loops.NORMS, text.fill(loops.KERNEL, phase="_norms", one_step="t"), loops.TRUST]
    if rule.init:
        pieces.append(start(width, known))
    return text.fill("".join(pieces), **known)


@functools.cache
def functions(rule: Rule, dtype: str) -> dict[str, FunctionType]:
    """A rule's GPU kernels for "f32" or "f64" as plain functions: kernel, kernel_norms ..."""
    return text.defined(f"{rule.name}_{dtype}_cuda", source(rule, VECTOR // FLOAT[dtype].itemsize),
                        {**names(rule, dtype), **text.mathematics(rule, dtype, inline)})


def names(rule: Rule, dtype: str) -> dict[str, Any]:
    """The types, numbers and intrinsics that the loops name."""
    number, width = numba.from_dtype(FLOAT[dtype]), VECTOR // FLOAT[dtype].itemsize
    cells = len(text.constants_of(rule))
    registers = {name: getattr(intrinsics, name) for name in ("thread", "threads", "block", "blocks")}
    return {
        **text.constants(rule, dtype), **registers,
        "V": namedtuple("V", rule.fields),
        "ROWS": ROWS, "PIECE": PIECE, "BLOCK_BITS": BLOCK.bit_length() - 1, "RUN": RUN, "UNITS": LANES // RUN,
        "WIDTH": width, "THREADS": THREADS, "NEXT": THREADS * RUN,
        "barrier": intrinsics.barrier, "integer_at": intrinsics.integer_at,
        "lift": intrinsics.lift(number, width), "lower": intrinsics.lower(number, width),
        **shared_memory({
            **{f"table{suffix}": (number, ROWS * cells) for suffix in suffixes(rule)},
            **{f"flags{suffix}": (numba.int32, ROWS) for suffix in suffixes(rule)},
            **{f"{name}_norms": (numba.float64, THREADS) for name in ("a", "b")},
            **{f"{name}_trust": (numba.float64, PIECE) for name in ("a", "b")},
            "noise": (numba.float32, 4 * RUN * THREADS)}),
        "normals": specialise(noise.normals, np.float32, inline),
        "normal": specialise(noise.normal, np.float32, inline),
    }


def shared_memory(arrays: dict[str, tuple[Any, int]]) -> dict[str, Any]:
    """``shared_<name>()`` for each array; kernels have their own, or each would occupy what all of a rule take."""
    return {f"shared_{name}": intrinsics.shared_array(scalar, size, f"shared_{name}")
            for name, (scalar, size) in arrays.items()}


def signature(rule: Rule, dtype: str) -> Any:
    """Numba's signature of a kernel; all of a rule have the same parameters."""
    from numba import types
    table, number = types.CPointer(types.int64), types.CPointer(types.float64)
    fields = [types.int64 if isinstance(default, int) else types.float64 for default, _ in rule.fields.values()]
    norms = [number] if rule.layerwise else []
    buffers = [types.CPointer(numba.from_dtype(FLOAT[dtype]))] * (2 + len(rule.slots))
    return types.void(types.int64, types.int64, table, table, types.int64, number, *fields, table, types.int64,
                      *norms, *buffers, types.int32)
