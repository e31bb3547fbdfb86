"""What a file of states holds beside slots, how an optimizer becomes that, and states of fewer parameters."""
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from . import lr_scheduler
from .hyperparameters import checked_rate, some
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer
from .optimizer.multipliers import Multipliers
from .optimizer.state import count
from .parameters import Parameters

Tree = dict[str, Any]


def own(optimizer: Optimizer, params: Parameters) -> Tree:
    """What a file holds beside the driver's part."""
    return {
        "optimizer": type(optimizer).__name__.lower(),
        "dtype": str(params.flat.dtype),
        "shapes": list(params.shapes.items()),
        "learning_rate": optimizer._learning_rate,
        "schedule": _schedule(optimizer),
        "hyper": dict(optimizer._values),
        "lr_mult": dict(optimizer.lr_mult),
        "wd_mult": dict(optimizer.wd_mult),
        "begin_num_update": optimizer.begin_num_update,
        "num_update": optimizer.num_update,
    }


def become(optimizer: Optimizer, params: Parameters, saved: Mapping[str, Any]) -> None:
    """Give an optimizer what a file holds of it. ValueError where that is of another, or of other parameters."""
    here = own(optimizer, params)
    for key in ("optimizer", "dtype"):
        if saved[key] != here[key]:
            raise ValueError(f"its {key} is {saved[key]}, here it is {here[key]}")
    _check_shapes(saved["shapes"], here["shapes"])
    if saved["schedule"] != "custom":
        optimizer.lr_scheduler = _from_schedule(saved["schedule"])
    elif optimizer.lr_scheduler is None:
        raise ValueError("its learning rate came from a function: give this trainer that lr_scheduler")
    defaults = {key: default for key, (default, _) in getattr(optimizer, "hyper", {}).items()}
    hyper = {**defaults, **saved["hyper"]}          # earlier versions had fewer
    if set(hyper) != set(optimizer._values):
        raise ValueError(f"its hyper-parameters are {sorted(saved['hyper'])}")
    for key, value in hyper.items():
        setattr(optimizer, key, None if math.isinf(value) else value)
    optimizer._learning_rate = checked_rate(saved["learning_rate"])
    optimizer._begin_num_update = count(saved, "begin_num_update")
    optimizer.num_update = count(saved, "num_update")
    optimizer.set_lr_mult(saved["lr_mult"])
    optimizer.set_wd_mult(saved["wd_mult"])


def _schedule(optimizer: Optimizer) -> Any:
    schedule = optimizer.lr_scheduler
    if schedule is None:
        return None
    if not isinstance(schedule, LRScheduler) or type(schedule).__module__ != lr_scheduler.__name__:
        return "custom"
    return {"class": type(schedule).__name__, **asdict(schedule)}


def _from_schedule(saved: dict[str, Any] | None) -> Any:
    if saved is None:
        return None
    cls = getattr(lr_scheduler, saved["class"], None)
    if not isinstance(cls, type) or not issubclass(cls, LRScheduler):
        raise ValueError(f"its schedule is a {saved['class']!r}")
    return cls(**{key: value for key, value in saved.items() if key != "class"})


def _check_shapes(theirs: list[tuple[str, Any]], ours: list[tuple[str, Any]]) -> None:
    """ValueError where the parameters of a file are not those that are here."""
    if theirs != ours:
        there, here = dict(theirs), dict(ours)
        only = [[f"{name} {shape}" for name, shape in one.items() if other.get(name) != shape]
                for one, other in ((there, here), (here, there))]
        differ = [f"only {where} {some(names)}" for where, names in zip(("there", "here"), only, strict=True) if names]
        raise ValueError(f"its shapes are others: {', '.join(differ) or 'in another order'}")


def reindexed(saved: Mapping[str, Any], optimizer: Optimizer, shapes: Mapping[str, tuple[int, ...]]) -> Tree:
    """What a file holds, with the indices that parameters of these names and shapes have.

    "named": the file's own {name: shape}. "new": the indices of those that it lacks, which keep the multipliers that
    the optimizer has for them and go on from the file's update number. ValueError where it has parameters that are
    not among them.
    """
    gone = [f"{name} {shape}" for name, shape in saved["shapes"] if shapes.get(name) != shape]
    if gone:
        raise ValueError(f"its parameters {some(gone)} are not here")
    index = {name: k for k, name in enumerate(shapes)}
    named = dict(saved["shapes"])
    old = [index[name] for name in named]
    new = {index[name]: name for name in shapes if name not in named}
    moved = dict(enumerate(old))
    tables = {key: {moved.get(k, k): x for k, x in saved[key].items()} for key in ("lr_mult", "wd_mult", "counts")
              if key in saved}
    for key, table in (("lr_mult", optimizer._lr_mult), ("wd_mult", optimizer._wd_mult)):
        Multipliers(key, saved[key], dict(enumerate(named)))       # ValueError for indices that are none
        tables[key].update({name: table.of(k) for k, name in new.items() if table.has(k)})
    made = {**saved, **tables, "named": named, "shapes": list(shapes.items()), "new": list(new)}
    if "states" in saved:                           # of an optimizer in Python
        states = dict(zip(named, saved["states"], strict=True))
        made["states"] = [states.get(name) for name in shapes]
        made["counts"].update(dict.fromkeys(new, saved["num_update"]))
    return made
