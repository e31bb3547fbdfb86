"""The parameters of GPU kernels: what they are, and how the functions that Numba compiles see them."""
from collections import namedtuple
from itertools import chain
from typing import Any

import numpy as np

from numoptim.kernels import abi, common
from numoptim.kernels.compile import cached, inline
from numoptim.kernels.intrinsics import each, word
from numoptim.kernels.view import buffers_of
from numoptim.rule import Rule


def phases(rule: Rule) -> tuple[str, ...]:
    """Suffixes of the kernels of a step, in the order in which they run."""
    sums = [phase.removeprefix("norms") for phase in abi.sums_phases(rule)]
    return (*(f"_{what}{number}" for number in sums for what in ("norms", "trust")),
            *({"range": "", "advance": "_advance"}[phase] for phase in abi.phases(rule)[len(sums):]))


def suffixes(rule: Rule) -> tuple[str, ...]:
    """Suffixes of all kernels of a rule: those of a step, and ``_init`` where slots do not begin at 0."""
    return (*phases(rule), *(["_init"] if rule.inits else []))


def parameters(rule: Rule) -> "np.dtype[Any]":
    """The parameters of a rule's kernels, in order, as the struct that they stand in for the functions here.

    They are the plan's words and, behind ``hyper``, hyper-parameters by value, behind ``step`` the number of the step.
    Hyper-parameters by value are called ``own.<name>``; pointers and integers are int64.
    """
    fields: dict[str, list[Any]] = {word.name: [(word.name, "i8")] for word in abi.DEVICE_PLAN}
    hyper = abi.hyper_dtype(rule)
    fields["hyper"] += [(f"own.{name}", hyper[name]) for name in rule.fields]
    fields["step"] += [("t", "i8")]
    fields["norms"] *= rule.layerwise
    fields["buffers"] = [("buffers", "i8", (2 + len(rule.slots),)), ("vectors", "i4")]
    return np.dtype(list(chain(*fields.values())), align=True)


View: Any = namedtuple(                                                     # type: ignore[misc]
    "View", [*(word.name for word in abi.DEVICE_PLAN), "numbers", "own", "t", "vectors"])


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(parameters) -> View``; ``own`` the tuple V of hyper-parameters by value."""
    from numba import float64, from_dtype, int32, int64, types
    record, begin, table = from_dtype(parameters(rule)), common.begin(rule), types.CPointer(int64)
    kinds = {"norms": types.CPointer(float64), "vectors": int32,
             **dict.fromkeys(("offsets", "which", "hyper", "step"), table)}
    fields = each([word(from_dtype(abi.hyper_dtype(rule)[name]), record, f"own.{name}") for name in rule.fields])

    def own_values(given):
        return begin(fields(given))

    known = {"own": inline(own_values), **({} if rule.layerwise else {"norms": inline(_none)})}
    known["buffers"], known["numbers"] = buffers_of(rule, dtype, record)
    names: tuple[str, ...] = View._fields
    words = each([known.get(name) or word(kinds.get(name, int64), record, name) for name in names])

    def view(given):
        return View(*words(given))
    return inline(view)


def _none(given):
    return 0


