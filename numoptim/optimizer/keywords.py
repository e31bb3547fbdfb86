"""What a Trainer is given for its optimizer."""
from collections.abc import Mapping
from typing import Any

from numoptim.face import display
from numoptim.face.hints import instead, keywords, renamed

from .base import Optimizer, find
from .groups import Table
from .rule_optimizer import RuleOptimizer

TRAINERS = "groups", "clip_norm", "skip_nonfinite", "loss_scaler", "on_step", "threads", "kvstore"


def set_groups(optimizer: Optimizer, groups: Table) -> None:
    """Set the groups of a rule's optimizer. ValueError for another."""
    if not isinstance(optimizer, RuleOptimizer) or optimizer._steps_in_python():
        raise ValueError(f"groups go with a rule's steps; those of {type(optimizer).__name__} are its own, in Python")
    optimizer.set_groups(groups)


def misplaced(optimizer: Any, given: Mapping[str, Any]) -> str:
    """What to write for keywords that are the optimizer's, or nobody's."""
    cls = optimizer if isinstance(optimizer, type) else type(optimizer)
    named = not issubclass(cls, Optimizer)
    if named:
        cls = find(optimizer)
    theirs = keywords(cls, Optimizer)
    names = {key: renamed(key, theirs) for key in given}
    fitting = {name: given[key] for key, name in names.items() if name}
    strange = next((key for key, name in names.items() if not name), None)
    said = strange and instead(strange, [*theirs, *TRAINERS])
    shown = f"{cls.__name__.lower()!r}, {fitting or '{...}'}" if named else display.call(cls.__name__, fitting)
    return (f"Trainer has no keyword {strange or next(iter(given))!r}{said or ''}; an optimizer's "
            f"{'go in a dict' if named else 'go to it'}: Trainer(params, {shown})")
