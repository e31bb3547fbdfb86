"""The source of a rule's kernels: the loops of loops.py filled in, and what the names in them mean."""
import functools
import math
import textwrap
from collections import namedtuple
from types import FunctionType
from typing import Any

import numpy as np

from numoptim import gradient, random
from numoptim.hyperparameters import NOISE, Interval
from numoptim.rule import Rule

from . import loops
from .compile import FLOAT, define, inline, specialise

# Statuses of the C entries; 0 is success.
STATUS = {
    -1: "null pointer",
    -2: "negative size, offset or count",
    -3: "step t below 1",
    -4: "hyper-parameter NaN or out of range",
    -5: "segment table does not cover the range, decreases, or names a missing group",
}
NULL, SIZE, STEP, HYPER, TABLE = STATUS
BLOCK = 4096        # elements per partial sum of a norm; blocks never cross a segment
LANES = 64
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
    """Python condition that every hyper-parameter lies in its interval; NaN fails it."""
    tests = []
    for key, (default, text) in rule.fields.items():
        low, high, closed_low, closed_high = Interval.parse(text)
        if isinstance(default, int) and math.inf == high == -low:
            continue
        tests.append(f"{low!r} {'<=' if closed_low else '<'} hyper.{key} {'<=' if closed_high else '<'} {high!r}")
    return " and ".join(tests).replace("inf", "INF")


def parts(rule: Rule) -> dict[str, str | list[str]]:
    """What the placeholders of loops.py stand for."""
    slots = [f"s_{s}" for s in rule.slots]
    buffers = ["w", "g", *slots]
    constants = [*(f for f in rule.fields if f not in NOISE), *rule.derived]
    old = ", ".join(["w[i]", "gradient(w[i], g[i], h)", *(f"{s}[i]" for s in slots)])
    new = ["new_w", *(f"new_{s}" for s in rule.slots)]
    stores = [f"{s}[i] = flush(new_{name}, TINY)" for s, name in zip(slots, rule.slots, strict=True)]
    values = [f"T({f if f in rule.derived else 'hyper.' + f})" for f in constants]
    layers = ["offsets"] if rule.layerwise else []
    return {
        "element": [f"{', '.join(new)} = update({old}, {'extra, ' if rule.noisy or rule.layerwise else ''}h)", "w[i] = new_w", *stores],
        "old": old,
        "new": ", ".join(new[1:]) + ",",
        "stores": stores,
        "slots": ", ".join(slots),
        "buffers": ", ".join(buffers),
        "prepare": [f"{', '.join(rule.derived)}, = prepare(t, hyper)"] if rule.derived else [],
        "values": ", ".join(values),
        "store": [f"table[row * {len(constants)} + {j}] = h.{f}" for j, f in enumerate(constants)],
        "load": ", ".join(f"table[row * {len(constants)} + {j}]" for j in range(len(constants))),
        "conditions": conditions(rule),
        "thawed": "hyper.learning_rate != 0.0" if rule.needs_rate else "True",
        "any_null": " or ".join(f"is_null({b})" for b in layers + buffers),
        "any_unequal": " or ".join(f"len({b}) != len(w)" for b in buffers[1:]),
        "data": ", ".join(f"data({b})" for b in buffers),
        "offsets_data": "data(offsets), " if rule.layerwise else "",
        "offsets_fit": ["if len(offsets) == 0 or offsets[-1] > len(w):",
                        '    raise ValueError("numoptim: offsets reach beyond the weights")'] if rule.layerwise else [],
        "count": "k" if rule.layerwise else "size",
        "length": "len(offsets) - 1" if rule.layerwise else "len(w)",
        "offsets": "offsets, " if rule.layerwise else "",
        "norms": "norms, " if rule.layerwise else "",
        "extra": ", hyper.seed, t, hyper.offset" if rule.noisy else "",
        "extra_range": (", record.seed, t, record.offset + lo" if rule.noisy else
                        ", ratio_of_norms(norms, s, offsets[s], offsets[s + 1], record)" if rule.layerwise else ""),
    }


def source(rule: Rule) -> str:
    """Text of all kernels of a rule."""
    family = loops.LAYERWISE if rule.layerwise else loops.NOISY if rule.noisy else loops.ELEMENTWISE
    known = parts(rule)
    body = fill(loops.SPANS if rule.layerwise else loops.SPAN, **known).rstrip().split("\n")
    entries = [loops.RANGE, loops.WHOLE, loops.ARRAYS, *([loops.INIT] if rule.init else [])]
    return fill(family + "".join(entries), body=body, **known)


@functools.cache
def functions(rule: Rule, dtype: str, pointers: bool = True) -> dict[str, Any]:
    """A rule's kernels for "f32" or "f64", by name, not yet compiled: entry, entry_range, entry_arrays ..."""
    import numba

    from . import intrinsics
    scalar = FLOAT[dtype]
    number = numba.from_dtype(scalar)
    rows = (ROWS + 1) * (len(rule.fields) + len(rule.derived))
    names: dict[str, Any] = {
        "np": np, "math": math, "T": scalar, "TINY": np.finfo(scalar).tiny, "INF": math.inf,
        "NULL": NULL, "SIZE": SIZE, "STEP": STEP, "HYPER": HYPER, "TABLE": TABLE,
        "BLOCK": BLOCK, "LANES": LANES, "ROWS": ROWS, "TILE": random.TILE,
        "H": namedtuple("H", [*(f for f in rule.fields if f not in NOISE), *rule.derived]),
        "is_null": intrinsics.is_null, "record_at": intrinsics.record_at, "data": intrinsics.data,
        "stack_constants": intrinsics.stack(number, rows),
        "stack_lanes": intrinsics.stack(numba.float64, LANES),
        "stack_normals": intrinsics.stack(numba.float32, random.TILE),
        "stack_words": intrinsics.stack(numba.uint32, random.TILE),
        "gradient": specialise(getattr(gradient, rule.gradient), scalar, inline),
        "flush": specialise(gradient.flush, scalar, inline),
        "fill": specialise(random.fill, np.float32, inline),
    }
    for name, own in (("update", scalar), ("measure", scalar), ("init", scalar), ("prepare", None), ("trust", None)):
        if getattr(rule, name) is not None:
            names[name] = specialise(getattr(rule, name), own, inline)
    define(f"{rule.name}_{dtype}", source(rule), names)
    for name, value in names.items():
        if isinstance(value, FunctionType) and not name.startswith("entry_"):
            names[name] = inline(value)
    return names
