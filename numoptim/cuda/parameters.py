"""The parameters of GPU kernels: what they are, and how the functions that Numba compiles see them."""
from collections import namedtuple
from itertools import chain
from typing import Any

import numpy as np

from numoptim.kernels import abi, common, intrinsics
from numoptim.kernels.compile import cached, inline
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


WORDS = [*(word.name for word in abi.DEVICE_PLAN if word.name not in ("norms", "buffers")), "t", "vectors"]
View: Any = namedtuple("View", [*WORDS, "norms", "buffers", "numbers", "own"])           # type: ignore[misc]


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(parameters) -> View``; ``own`` the tuple V of hyper-parameters by value."""
    from numba import float64, from_dtype, int32, int64, types
    record: Any = from_dtype(parameters(rule))
    begin, table = common.begin(rule), types.CPointer(int64)
    kinds = {"vectors": int32, **dict.fromkeys(("offsets", "which", "hyper", "step"), table)}
    words = intrinsics.words([(kinds.get(name, int64), record.offset(name)) for name in WORDS])
    fields = intrinsics.words([(record.typeof(f"own.{name}"), record.offset(f"own.{name}")) for name in rule.fields])
    norms = (intrinsics.words([(types.CPointer(float64), record.offset("norms"))]) if rule.layerwise else
             inline(lambda given: (0,)))
    buffers, numbers = buffers_of(rule, dtype, record)

    def view(given):
        return View(*words(given), *norms(given),                                       # type: ignore[call-arg]
                    buffers(given), numbers(given), begin(fields(given)))
    return inline(view)
