"""``python -m numoptim.optimizer.stubs`` writes ``__init__.pyi``: what editors and type checkers know of the classes.

Those are made from rules when the package is imported, which no tool sees that only reads.
"""
import ast
import inspect
import math
import textwrap
from pathlib import Path

from numoptim import optimizer

from .base import Optimizer
from .rule_optimizer import RuleOptimizer

PATH = Path(__file__).with_name("__init__.pyi")
HEAD = '''\
"""Optimizers by name: ``optimizer.Adam(learning_rate=1e-3)`` or ``optimizer.create("adam", ...)``."""
# Written by `python -m numoptim.optimizer.stubs`, which `make stubs` runs.
from collections.abc import Mapping
from typing import SupportsFloat, SupportsIndex

from numoptim.lr_scheduler.base import Schedule
from numoptim.step.state import State as State

from .base import Optimizer as Optimizer
from .base import create as create
from .base import find as find
from .multipliers import Key
from .mxnet import Updater as Updater
from .mxnet import get_updater as get_updater
from .rule_optimizer import RuleOptimizer as RuleOptimizer
from .rule_optimizer import register as register
'''


# What a keyword takes that an attribute gives: numbers of NumPy, 0-d arrays and tensors, too.
TAKEN = {"float": "SupportsFloat", "float | None": "SupportsFloat | None", "int": "SupportsIndex"}


def text() -> str:
    """The content of the file."""
    built_in = [cls for name in dir(optimizer) if inspect.isclass(cls := getattr(optimizer, name))
                and issubclass(cls, RuleOptimizer) and cls.rules and cls.__module__.startswith("numoptim.")]
    ordered = sorted(optimizer.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    names = textwrap.fill(", ".join(f'"{name}"' for name in ordered), 110)
    return "\n".join([HEAD, f"__all__ = [\n{textwrap.indent(names, ' ' * 4)}\n]\n", *map(_class, built_in)])


def _class(cls: type[RuleOptimizer]) -> str:
    own = {key: _type(default) for key, (default, *_) in {**cls.hyper, **cls.options}.items()}
    types = {**_common(), **{key: TAKEN.get(kind, kind) for key, kind in own.items()}}
    parameters = ["self", "*", *(f"{p.name}: {types[p.name]} = {p.default!r}"
                                 for p in inspect.signature(cls).parameters.values())]
    call = textwrap.fill(", ".join(p.replace(" ", "\0") for p in parameters), 100).replace("\0", " ")
    return "\n".join([
        f"class {cls.__name__}(RuleOptimizer):",
        f'    """{(cls.__doc__ or "").splitlines()[0]}"""',
        *(f"    {key}: {kind}" for key, kind in own.items()),
        "    def __init__(",
        textwrap.indent(call, " " * 8),
        "    ) -> None: ...",
        ""])


def _common() -> dict[str, str]:
    """{keyword: type} of what all optimizers take, as their base class has it."""
    function, = ast.parse(textwrap.dedent(inspect.getsource(Optimizer.__init__))).body
    assert isinstance(function, ast.FunctionDef)
    return {a.arg: ast.unparse(a.annotation) for a in function.args.kwonlyargs if a.annotation}


def _type(default: object) -> str:
    return "float | None" if isinstance(default, float) and math.isinf(default) else type(default).__name__


if __name__ == "__main__":
    PATH.write_text(text())
