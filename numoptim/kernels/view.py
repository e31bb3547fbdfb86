"""The plan, as kernels for the processor see it."""
import itertools
from collections import namedtuple
from collections.abc import Iterable
from typing import Any

from numoptim.rule import Rule

from . import abi, intrinsics
from .compile import cached, inline
from .element import roles

# buffers: of elements; numbers: slots over segments and all.
WORDS = [word.name for word in abi.PLAN if word.name != "buffers"]
View: Any = namedtuple("View", [*WORDS, "buffers", "numbers"])                                # type: ignore[misc]


@cached
def view(rule: Rule, dtype: str) -> Any:
    """``view(plan) -> View``: the plan's words, each of its type."""
    from numba import float64, from_dtype, int64, types
    record: Any = from_dtype(abi.PLAN_DTYPE)
    table = types.CPointer(int64)
    kinds = {"offsets": table, "which": table, "hyper": table, "norms": types.CPointer(float64)}
    words = intrinsics.words([(kinds.get(name, int64), record.offset(name)) for name in WORDS])
    buffers, numbers = buffers_of(rule, dtype, record)

    def view(plan):
        return View(*words(plan), buffers(plan), numbers(plan))                             # type: ignore[call-arg]
    return inline(view)


def buffers_of(rule: Rule, dtype: str, record: Any) -> tuple[Any, Any]:
    """Functions of a struct with ``buffers``: pointers to those of elements, and to those of slots over the rest."""
    from numba import float64, from_dtype, types

    def pointers(places: Iterable[int], kinds: Iterable[Any]) -> Any:
        return intrinsics.words([(types.CPointer(kind), record.offset("buffers") + 8 * k)
                                 for k, kind in zip(places, kinds, strict=False)])
    return (pointers([0, 1, *abi.places(rule, "element")], [from_dtype(role.dtype) for role in roles(rule, dtype)]),
            pointers(abi.places(rule, "segment", "all"), itertools.repeat(float64)))
