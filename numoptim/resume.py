"""What a file of states holds beside slots, how an optimizer becomes that, and states of fewer parameters."""
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from . import lr_scheduler
from .arrays import Array
from .hyperparameters import checked, some
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer
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
    if set(saved["hyper"]) != set(optimizer._values):
        raise ValueError(f"its hyper-parameters are {sorted(saved['hyper'])}")
    for key, value in saved["hyper"].items():
        setattr(optimizer, key, None if math.isinf(value) else value)
    optimizer._learning_rate = checked("learning_rate", saved["learning_rate"], 0.0, "[0, inf)")
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
    keywords = {key: value for key, value in saved.items() if key != "class"}
    return getattr(lr_scheduler, saved["class"])(**keywords)


def _check_shapes(theirs: list[tuple[str, Any]], ours: list[tuple[str, Any]]) -> None:
    """ValueError where the parameters of a file are not those that are here."""
    if theirs != ours:
        there, here = dict(theirs), dict(ours)
        only = [[f"{name} {shape}" for name, shape in one.items() if other.get(name) != shape]
                for one, other in ((there, here), (here, there))]
        differ = [f"only {where} {some(names)}" for where, names in zip(("there", "here"), only, strict=True) if names]
        raise ValueError(f"its shapes are others: {', '.join(differ) or 'in another order'}")


def renamed(saved: Mapping[str, Any], optimizer: Optimizer, shapes: Mapping[str, tuple[int, ...]]) -> Tree:
    """What a file holds, with the indices that parameters of these names and shapes have.

    Those that it lacks are in "new"; they keep the multipliers that the optimizer has for them. ValueError where it
    has parameters that are not among them.
    """
    gone = [f"{name} {shape}" for name, shape in saved["shapes"] if shapes.get(name) != shape]
    if gone:
        raise ValueError(f"its parameters {some(gone)} are not here")
    new = {name: index for index, name in enumerate(shapes)}
    index = [new[name] for name, _ in saved["shapes"]]
    tables = {key: {index[k] if isinstance(k, int) else k: x for k, x in saved[key].items()}
              for key in ("lr_mult", "wd_mult", "counts") if key in saved}
    named, own = dict(saved["shapes"]), {"lr_mult": optimizer._lr_mult, "wd_mult": optimizer._wd_mult}
    added = {k: name for k, name in enumerate(shapes) if name not in named}
    for key, table in own.items():
        tables[key].update({name: table.of(k) for k, name in added.items() if table.has(k)})
    return {**saved, **tables, "named": named, "shapes": list(shapes.items()), "new": list(added)}


def begun(saved: Tree) -> Tree:
    """The result of ``renamed`` of an optimizer in Python, whose new parameters go on from the file's update number."""
    count = dict.fromkeys(saved["new"], saved["num_update"])
    states = dict(zip(saved["named"], saved["states"], strict=True))
    return {**saved, "counts": {**saved["counts"], **count}, "states": [states.get(k) for k, _ in saved["shapes"]]}


def completed(saved: Tree, fresh: Tree) -> Tree:
    """The result of ``renamed`` with slots for what it lacks. fresh: what a trainer saves before its first step."""
    theirs, ours = _spans(saved["named"]), _spans(dict(saved["shapes"]))
    if list(saved["slots"]) != list(fresh["slots"]):
        raise ValueError(f"its slots are {list(saved['slots'])}; expected {list(fresh['slots'])}")
    sizes = [max((span.stop for span in spans.values()), default=0) for spans in (theirs, ours)]
    for slot, values in saved["slots"].items():
        if (values.dtype, values.shape) != (fresh["slots"][slot].dtype, (sizes[0],)):
            raise ValueError(f"slot {slot!r} is {values.dtype} {values.shape}, which is not that of its parameters")
    moves = [(ours[name], span) for name, span in theirs.items()]
    slots = {slot: _Joined(values, fresh["slots"][slot], moves) for slot, values in saved["slots"].items()}
    return {**saved, "slots": slots, "noise": max(saved["noise"], saved["offset"] + sizes[1])}


class _Joined:
    """A slot of a file in its places among new ones, read when asked for, as checkpoint.Stored is."""

    def __init__(self, stored: Any, fresh: Array, moves: list[tuple[slice, slice]]) -> None:
        self._stored, self._fresh, self._moves = stored, fresh, moves
        self.dtype, self.shape = fresh.dtype, fresh.shape

    def read(self) -> Array:
        array = np.empty(self.shape, self.dtype)
        self.read_into(array)
        return array

    def read_into(self, buffer: Array) -> None:
        buffer[...] = self._fresh
        stored = self._stored.read()
        for to, source in self._moves:
            buffer[to] = stored[source]


def _spans(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, slice]:
    ends = np.cumsum([0, *(int(np.prod(shape, dtype=np.int64)) for shape in shapes.values())]).tolist()
    return {name: slice(*ends[k:k + 2]) for k, name in enumerate(shapes)}
