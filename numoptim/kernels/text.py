"""The source of a rule's kernels: the loops of loops.py filled in, and what the names in them mean."""
import functools
import math
import textwrap
from collections import namedtuple
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from numoptim import gradient, random
from numoptim.hyperparameters import Interval
from numoptim.rule import Rule

from . import loops
from .compile import FLOAT, callee, define, inline, specialise

# Statuses of the C entries; 0 is success.
STATUS = {
    -1: "null pointer",
    -2: "size, offset or count negative, or 2**60 or more",
    -3: "step t below 1",
    -4: "hyper-parameter NaN or out of range",
    -5: "segment table does not cover the range, decreases, or names a missing group",
    -6: "instruction set not available",
}
NULL, SIZE, STEP, HYPER, TABLE, _ = STATUS
BLOCK = 4096        # elements per partial sum of a norm; blocks never cross a segment
LANES = 64
CHUNK = 32          # elements between prefetches; of fewer in float64 LLVM would make scalar code
LINE = 64           # bytes of a cache line
AHEAD = 1024        # bytes from what is updated to what is prefetched
FROZEN = -1         # group of a segment that a step leaves alone
MOST = 2**60        # elements, segments and groups are fewer: no memory holds as many, and their sums do not overflow
ROWS = 16           # sets of constants kept on the stack while segments alternate


def fill(template: str, **parts: str | list[str]) -> str:
    """``template`` with its placeholders filled; the lines of a list keep the indentation of theirs."""
    for key, value in parts.items():
        if isinstance(value, list):
            mark = "{" + key + "}"
            template = "\n".join(
                textwrap.indent("\n".join(value) or "pass", line[:line.index(mark)]) if line.strip() == mark else line
                for line in template.split("\n"))
            template = template.replace(mark, " ".join(value))
        else:
            template = template.replace("{" + key + "}", value)
    return template


def conditions(rule: Rule) -> str:
    """Python condition that every hyper-parameter lies in its interval, also as a T; NaN fails it."""
    tests = []
    for key, (default, text) in rule.fields.items():
        low, high, closed_low, closed_high, or_zero = Interval.parse(text)
        bound = bound_of_integer if isinstance(default, int) else bound_of_float
        ends = [bound(f"hyper.{key}", low, closed_low, ">"), bound(f"hyper.{key}", high, closed_high, "<")]
        inside = " and ".join(filter(None, ends))
        tests.append(f"(hyper.{key} == 0 or {inside})" if or_zero and inside else inside)
    return " and ".join(filter(None, tests))


def bound_of_integer(value: str, end: float, closed: bool, relation: str) -> str:
    """One of its comparisons; "" where every int64 is inside."""
    if math.isinf(end):
        return ""
    exact = int(end) if end == int(end) and abs(end) < 2**63 else end        # 1e18 + 1 is 1e18 among floats
    return f"{value} {relation}{'=' * closed} {exact}"


def bound_of_float(value: str, end: float, closed: bool, relation: str) -> str:
    """One of its comparisons: what is rounded onto a closed end is inside, onto an open one outside."""
    if closed:
        return f"{value} {relation}= {end!r}"
    if math.isinf(end):       # LLVM makes a long test of bits of "less than infinity"
        return f"T({value}) {relation}= {'MAX' if end > 0 else '-MAX'}"
    return f"T({value}) {relation} T({end!r})"


def constants_of(rule: Rule) -> list[str]:
    """Hyper-parameters and derived constants that the scalar functions of elements read."""
    read: set[str] = set()
    functions = [getattr(gradient, rule.gradient), rule.update, rule.measure, rule.init]
    while functions:
        function = functions.pop()
        if isinstance(function, FunctionType):
            read.update(function.__code__.co_names)
            functions += [function.__globals__.get(name) for name in function.__code__.co_names]
    return [name for name in (*rule.fields, *rule.derived) if name in read]


def parts(rule: Rule, itemsize: int) -> dict[str, str | list[str]]:
    """What the placeholders of loops.py stand for."""
    slots = [f"s_{s}" for s in rule.slots]
    buffers = ["w", "g", *slots]
    cells = constants_of(rule)
    old = ", ".join(["w[i]", "gradient(w[i], g[i], h)", *(f"{s}[i]" for s in slots)])
    new = ["new_w", *(f"new_{s}" for s in rule.slots)]
    stores = [f"{s}[i] = flush(new_{name}, TINY)" for s, name in zip(slots, rule.slots, strict=True)]
    values = [f"T({f if f in rule.derived else 'hyper.' + f})" for f in cells]
    layers = ["offsets"] if rule.layerwise else []
    words = [f"buffer_at(words[{8 + k}])" for k in range(len(buffers))]
    extra = "extra, " if rule.noisy or rule.layerwise else ""
    lines = [f"start + AHEAD + {at}" for at in range(0, CHUNK, LINE // itemsize)]
    return {
        "element": [f"{', '.join(new)} = update({old}, {extra}h)", "w[i] = new_w", *stores],
        "prefetch": [f"prefetch({b}, {line})" for b in buffers for line in lines],
        "once": ["shared()"] if rule.layerwise else [],          # two entries call it
        "ratio": ", extra" if rule.layerwise else "",
        "old": old,
        "new": ", ".join(new[1:]) + ",",
        "stores": stores,
        "slots": ", ".join(slots),
        "buffers": ", ".join(buffers),
        "prepare": [f"{', '.join(rule.derived)}, = prepare(t, hyper)"] if rule.derived else [],
        "values": ", ".join(values),
        "store": [f"table[row * {len(cells)} + {j}] = h.{f}" for j, f in enumerate(cells)],
        "load": ", ".join(f"table[row * {len(cells)} + {j}]" for j in range(len(cells))),
        "conditions": conditions(rule),
        "thawed": "hyper.learning_rate >= LEAST_RATE" if rule.needs_rate else "True",
        "thawed_record": "record.learning_rate >= LEAST_RATE" if rule.needs_rate else "True",
        "any_null": " or ".join(f"is_null({b})" for b in layers + buffers),
        "any_unequal": " or ".join(f"len({b}) != len(w)" for b in buffers[1:]),
        "null_slots": " or ".join(f"is_null({s})" for s in slots),
        "norms_word": "norms_at(words[7]), " if rule.layerwise else "",
        "unpacked": ", ".join(words),
        "unpacked_init": ", ".join([words[0], *words[2:]]),
        "data": ", ".join(f"{'data_read' if b == 'g' else 'data'}({b})" for b in buffers),
        "offsets_data": "data_offsets(offsets), " if rule.layerwise else "",
        "offsets_fit": ["if len(offsets) == 0 or offsets[-1] > len(w):",
                        '    raise ValueError("numoptim: offsets reach beyond the weights")'] if rule.layerwise else [],
        "count": "k" if rule.layerwise else "size",
        "length": "len(offsets) - 1" if rule.layerwise else "len(w)",
        "offsets": "offsets, " if rule.layerwise else "",
        "null_norms": "is_null(norms)" if rule.layerwise else "False",
        "norms": "norms, " if rule.layerwise else "",
        "extra": ", hyper.seed, t, hyper.offset" if rule.noisy else "",
        "extra_range": (", record.seed, t, record.offset + lo" if rule.noisy else
                        ", ratio_of_norms(norms, s, offsets[s], offsets[s + 1], record)" if rule.layerwise else ""),
    }


def source(rule: Rule, itemsize: int) -> str:
    """Text of all kernels of a rule for a type of so many bytes."""
    known = parts(rule, itemsize)
    family = loops.NOISY if rule.noisy else loops.DENSE + (loops.NORMS if rule.layerwise else "")
    body = fill(loops.SPANS if rule.layerwise else loops.SPAN, **known).rstrip().split("\n")
    entries = [loops.CONSTANTS, loops.RANGE, loops.TABLE, loops.ENTRY_RANGE, loops.WHOLE, loops.ARRAYS,
               *([loops.INIT] if rule.init else [])]
    packed = [loops.PACKED.replace("{phase}", phase) for phase in phases(rule)]
    return fill(family + "".join(entries + packed), body=body, **known)


def phases(rule: Rule) -> tuple[str, ...]:
    """What a step on ranges consists of: entries ``entry_<phase>``, each over all ranges before the next."""
    return ("norms", "range") if rule.layerwise else ("range",)


@functools.cache
def functions(rule: Rule, dtype: str) -> dict[str, FunctionType]:
    """A rule's kernels for "f32" or "f64" by name, as plain functions: entry, entry_range, entry_arrays ...

    What they call of each other is compiled inline, but for functions that say ``shared()``.
    """
    names = {**constants(rule, dtype), **mathematics(rule, dtype)}
    return defined(f"{rule.name}_{dtype}", source(rule, FLOAT[dtype].itemsize), names)


def defined(name: str, text: str, names: dict[str, Any]) -> dict[str, FunctionType]:
    """The functions that ``text`` defines, by name; in ``names`` they are wrapped for each other's calls."""
    given = set(names)
    define(name, text, names)
    generated = {name: value for name, value in names.items() if name not in given and isinstance(value, FunctionType)}
    names.update({name: callee(function) for name, function in generated.items()})
    return generated


def least_rate(scalar: "np.dtype[Any]") -> float:
    """The learning rate below which rules that divide by it rest: smaller ones' reciprocals leave floats no room.

    Room for a factor of 1/eps: what is divided is a weight or gradient times a few constants, not 1.
    """
    info = np.finfo(scalar)
    return 1.0 / (float(info.eps) * float(info.max))


def constants(rule: Rule, dtype: str) -> dict[str, Any]:
    """The types, numbers and intrinsics that the loops name."""
    import numba

    from . import intrinsics
    itemsize = FLOAT[dtype].itemsize
    number, table = numba.from_dtype(FLOAT[dtype]), numba.types.CPointer(numba.int64)
    rows = (ROWS + 1) * (len(rule.fields) + len(rule.derived))
    return {
        "np": np, "math": math, "T": FLOAT[dtype].type, "TINY": np.finfo(FLOAT[dtype]).tiny,
        "inf": math.inf, "MAX": float(np.finfo(FLOAT[dtype]).max), "LEAST_RATE": least_rate(FLOAT[dtype]),
        "FROZEN": FROZEN, "MOST": MOST, "NULL": NULL, "SIZE": SIZE, "STEP": STEP, "HYPER": HYPER, "TABLE": TABLE,
        "BLOCK": BLOCK, "LANES": LANES, "ROWS": ROWS, "TILE": random.TILE,
        "CHUNK": CHUNK, "AHEAD": AHEAD // itemsize,
        "shared": intrinsics.shared, "unaliased": intrinsics.unaliased, "prefetch": intrinsics.prefetch,
        "H": namedtuple("H", constants_of(rule)),
        "is_null": intrinsics.is_null, "record_at": intrinsics.record_at,
        "data": intrinsics.data(number), "data_read": intrinsics.data(number, written=False),
        "data_offsets": intrinsics.data(numba.int64, written=False),
        "table_at": intrinsics.at_address(table),
        "hyper_at": intrinsics.at_address(numba.from_dtype(hyper_dtype(rule))),
        "norms_at": intrinsics.at_address(numba.types.CPointer(numba.float64)),
        "buffer_at": intrinsics.at_address(numba.types.CPointer(number)),
        "stack_constants": intrinsics.stack(number, rows),
        "stack_lanes": intrinsics.stack(numba.float64, LANES),
        "stack_normals": intrinsics.stack(numba.float32, random.TILE),
        "stack_words": intrinsics.stack(numba.uint32, random.TILE),
    }


def mathematics(rule: Rule, dtype: str, wrap: Callable[..., Any] = inline) -> dict[str, Any]:
    """The scalar functions that the loops call: in the element type, but prepare and trust in float64."""
    scalar: Any = FLOAT[dtype].type
    single: Any = np.float32
    names = {
        "gradient": specialise(getattr(gradient, rule.gradient), scalar, wrap),
        "flush": specialise(gradient.flush, scalar, wrap),
        "fill": specialise(random.fill, single, wrap),
    }
    for name in ("update", "measure", "init", "prepare", "trust"):
        if getattr(rule, name) is not None:
            double = name in ("prepare", "trust")
            names[name] = specialise(getattr(rule, name), None if double else scalar, wrap)
    return names


@functools.cache
def hyper_dtype(rule: Rule) -> "np.dtype[Any]":
    """Layout of a rule's C struct: float64 and int64 fields in the order of ``rule.fields``."""
    return np.dtype([(key, "i8" if isinstance(default, int) else "f8")
                     for key, (default, _) in rule.fields.items()], align=True)
