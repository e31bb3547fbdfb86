"""All kernels of a rule for GPUs."""
from collections.abc import Callable
from typing import Any

from numoptim.kernels import common, element
from numoptim.kernels.compile import cached, inline
from numoptim.rule import Rule

from .loops import Parts, dense, kernel
from .noisy import noisy
from .parameters import phases
from .sums import advance_kernel, completed, constants, norms_kernel, trust_kernel


def update_kernel(parts: Parts) -> Callable[..., Any]:
    """The update of weights and slots."""
    count = len(parts.rule.reductions)
    complete = completed(parts, count)
    sweep = (noisy(parts, complete) if parts.rule.noisy else
             dense(parts, element.update(parts.rule, parts.dtype), complete))
    return kernel(parts, "", sweep, constants(parts, count), parts.usable)


def init_kernel(parts: Parts) -> Callable[..., Any]:
    """The slots before the first step."""
    initial, of_groups = element.initial(parts.rule, parts.dtype), common.of_groups(parts.rule)

    def one(i, buffers, extra, h):
        initial(i, buffers, h)
    sweep = dense(parts, inline(one), of_groups.complete, kept=2, alone=True)
    return kernel(parts, "_init", sweep, of_groups, parts.usable, one_step=True)


@cached
def kernels(rule: Rule, dtype: str) -> dict[str, Callable[..., Any]]:
    """A rule's kernels by suffix, as plain functions of their parameters (a struct of ``parameters``)."""
    parts, made = Parts(rule, dtype), {}
    for k, suffix in enumerate(phases(rule)[:2 * len(rule.reductions)]):
        made[suffix] = (trust_kernel if k % 2 else norms_kernel)(parts, k // 2, suffix)
    made[""] = update_kernel(parts)
    if "_advance" in phases(rule):
        made["_advance"] = advance_kernel(parts)
    if rule.inits:
        made["_init"] = init_kernel(parts)
    return made
