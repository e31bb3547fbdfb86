"""All kernels of a rule for GPUs."""
from collections.abc import Callable
from typing import Any

from numoptim.kernels import element
from numoptim.kernels.compile import cached, inline
from numoptim.rule import Rule

from .loops import Parts, dense, kernel
from .noisy import noisy
from .parameters import suffixes
from .sums import BLOCK_BITS, norms_kernel, trust_kernel


def update_kernel(parts: Parts) -> Callable[..., Any]:
    """The update of weights and slots."""
    update, scalar, layers = element.update(parts.rule, parts.dtype), parts.scalar, parts.rule.layerwise
    if parts.rule.noisy:
        return kernel(parts, "", noisy(parts))
    if layers:
        def extra(p, s):
            return (scalar(p.norms[2 * ((p.offsets[s] >> BLOCK_BITS) + s)]),)
    else:
        def extra(p, s):
            return ()
    return kernel(parts, "", dense(parts, update, inline(extra)))


def init_kernel(parts: Parts) -> Callable[..., Any]:
    """The slots before the first step."""
    initial = element.initial(parts.rule, parts.dtype)

    def one(i, buffers, extra, h):
        initial(i, buffers, h)

    def extra(p, s):
        return ()
    return kernel(parts, "_init", dense(parts, inline(one), inline(extra), kept=2), one_step=True)


@cached
def kernels(rule: Rule, dtype: str) -> dict[str, Callable[..., Any]]:
    """A rule's kernels by suffix, as plain functions of their parameters (a struct of ``parameters``)."""
    made = {"": update_kernel, "_norms": norms_kernel, "_trust": trust_kernel, "_init": init_kernel}
    parts = Parts(rule, dtype)
    return {suffix: made[suffix](parts) for suffix in suffixes(rule)}
