"""The plan, as kernels for the processor see it."""
from collections import namedtuple
from typing import Any

from numoptim.rule import Rule

from . import abi, intrinsics
from .abi import FLOAT
from .compile import cached, inline
from .intrinsics import each

# buffers: of elements; numbers: slots over segments and all.
View: Any = namedtuple("View", [*(word.name for word in abi.PLAN), "numbers"])       # type: ignore[misc]


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(plan) -> View``: the plan's words, each of its type."""
    from numba import float64, from_dtype, int64, types
    record, table, numbers = from_dtype(abi.PLAN_DTYPE), types.CPointer(int64), types.CPointer(float64)
    kinds = {"offsets": table, "which": table, "hyper": table, "norms": numbers}
    words = {word.name: intrinsics.word(kinds.get(word.name, int64), record, word.name) for word in abi.PLAN}
    words["buffers"], words["numbers"] = buffers_of(rule, dtype, record)
    read = each(list(words.values()))

    def view(plan):
        return View(*read(plan))
    return inline(view)


def buffers_of(rule: Rule, dtype: str, record: Any) -> tuple[Any, Any]:
    """Functions of a struct with ``buffers``: pointers to those of elements, and to those of slots over the rest."""
    from numba import float64, from_dtype, types
    return (intrinsics.words(types.CPointer(from_dtype(FLOAT[dtype])), record, "buffers",
                             [0, 1, *abi.places(rule, "element")]),
            intrinsics.words(types.CPointer(float64), record, "buffers", abi.places(rule, "segment", "all")))
