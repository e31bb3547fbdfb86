"""All kernels of a rule for GPUs."""
from collections.abc import Callable
from typing import Any

from numoptim.kernels import element
from numoptim.kernels.compile import cached, inline
from numoptim.rule import Rule

from .loops import Parts, dense, kernel
from .noisy import noisy
from .parameters import phases
from .sums import norms_kernel, reduced, trust_kernel


def update_kernel(parts: Parts) -> Callable[..., Any]:
    """The update of weights and slots."""
    prepare, complete = reduced(parts, len(parts.rule.reductions))
    sweep = (noisy(parts, complete) if parts.rule.noisy else
             dense(parts, element.update(parts.rule, parts.dtype), complete))
    return kernel(parts, "", sweep, prepare)


def init_kernel(parts: Parts) -> Callable[..., Any]:
    """The slots before the first step."""
    initial, (prepare, complete) = element.initial(parts.rule, parts.dtype), reduced(parts, 0)

    def one(i, buffers, extra, h):
        initial(i, buffers, h)
    return kernel(parts, "_init", dense(parts, inline(one), complete, kept=2), prepare, one_step=True)


@cached
def kernels(rule: Rule, dtype: str) -> dict[str, Callable[..., Any]]:
    """A rule's kernels by suffix, as plain functions of their parameters (a struct of ``parameters``)."""
    parts, made = Parts(rule, dtype), {}
    for k, suffix in enumerate(phases(rule)[:-1]):
        made[suffix] = (trust_kernel if k % 2 else norms_kernel)(parts, k // 2, suffix)
    made[""] = update_kernel(parts)
    if rule.init:
        made["_init"] = init_kernel(parts)
    return made
