"""What a file of a trainer's states holds, how optimizer and states become that, and states of fewer parameters."""
import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .buffers.parameters import Parameters, segments
from .face.names import some
from .lr_scheduler import saved as schedules
from .native.arrays import Array
from .optimizer import Optimizer, RuleOptimizer
from .optimizer.multipliers import Multipliers
from .rule.hyperparameters import checked_rate
from .step.rest import Rest
from .step.state import Layout, State, as_saved, check_saved, count, counted, go_on

Tree = dict[str, Any]


def own(optimizer: Optimizer, params: Parameters) -> Tree:
    """What a file holds beside the states."""
    return {
        "optimizer": type(optimizer).__name__.lower(),
        "dtype": str(params.flat.dtype),
        "shapes": list(params.shapes.items()),
        "learning_rate": optimizer._learning_rate,
        "schedule": schedules.as_saved(optimizer.lr_scheduler),
        "schedules": {key: schedules.as_saved(each) for key, each in _others(optimizer).items()},
        "observed": [tuple(plateau.observed) for plateau in schedules.plateaus(optimizer.lr_scheduler)],
        "hyper": dict(optimizer._values),
        "lr_mult": dict(optimizer.lr_mult),
        "wd_mult": dict(optimizer.wd_mult),
        "groups": {name: {key: schedules.as_saved(value) if callable(value) else value for key, value in entry.items()}
                   for name, entry in _groups(optimizer).items()},
        "begin_num_update": optimizer.begin_num_update,
        "num_update": optimizer.num_update,
    }


def become(optimizer: Optimizer, params: Parameters, saved: Mapping[str, Any]) -> list[tuple[Tree, Tree]]:
    """Give an optimizer what a file holds of it. ValueError where that is of another, or of other parameters.

    What a file holds of observations is for the program's own Plateau, and so returned: changes for ``at_once``.
    """
    here = own(optimizer, params)
    for key in ("optimizer", "dtype"):
        if saved[key] != here[key]:
            raise ValueError(f"its {key} is {saved[key]}, here it is {here[key]}")
    _check_shapes(saved["shapes"], here["shapes"])
    if saved["schedule"] == "custom":
        if optimizer.lr_scheduler is None:
            raise ValueError("its learning rate came from a function: give this trainer that lr_scheduler")
    elif not schedules.plateaus(optimizer.lr_scheduler):
        optimizer.lr_scheduler = schedules.of_saved(saved["schedule"])
    elif saved["schedule"] != here["schedule"]:
        raise ValueError(f"its lr_scheduler is {schedules.of_saved(saved['schedule'])!r}, here it is "
                         f"{optimizer.lr_scheduler!r}, which the program tells a metric: give this trainer the "
                         "file's, or none")
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
    plateaus = schedules.plateaus(optimizer.lr_scheduler)
    observed = saved.get("observed", [plateau.observed for plateau in plateaus])       # of before there were any
    return [(vars(plateau), {"observed": plateau._checked(left)})
            for plateau, left in zip(plateaus, observed, strict=True)]


def _others(optimizer: Optimizer) -> Mapping[str, Any]:
    """The schedules of other hyper-parameters than the learning rate."""
    return optimizer.schedules if isinstance(optimizer, RuleOptimizer) else {}


def _groups(optimizer: Optimizer) -> Mapping[str, Mapping[str, Any]]:
    return optimizer.groups if isinstance(optimizer, RuleOptimizer) else {}


def _entry(name: str, here: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
    """A group that a file holds; one of a new parameter is as it is here."""
    return {key: each if callable(each) else _known(f"groups[{name!r}]", here, key, each)
            for key, each in saved.items()}


def _known(what: str, here: Mapping[str, Any], key: str, saved: Any) -> Any:
    """A number or schedule that a file holds; a function of the program's is the one that is here."""
    if saved == "custom" and not callable(here.get(key)):
        raise ValueError(f"its {key} came from a function: give this trainer that in {what}")
    return here[key] if saved == "custom" else schedules.of_saved(saved)


# --- states: a State of a rule, or a list of those of an optimizer in Python

def kept(optimizer: Optimizer, params: Parameters, state: Any) -> Tree:
    """What a file holds of the states; TypeError for a custom state that is not arrays and numbers."""
    if isinstance(state, State):
        return {**as_saved(state, params.memory), "noise": optimizer._noise,
                "options": {key: getattr(optimizer, key) for key in _options(optimizer)}}
    if any(isinstance(each, State) for each in state):
        raise TypeError("cannot save a rule's state inside a custom optimizer's")
    return {"states": list(state), **counted(optimizer)}


def states(saved: Tree, optimizer: Any, params: Parameters, state: Any) -> Any:
    """The states that a file holds. optimizer: a draft, which becomes what the file says; state: what is here now."""
    if isinstance(state, State):
        for key, (default, *_) in optimizer.options.items():
            setattr(optimizer, key, saved["options"].get(key, default))     # an earlier version may not have had it
    if isinstance(optimizer, RuleOptimizer):
        optimizer.schedules = {key: _known("schedules", optimizer.schedules, key, each)
                               for key, each in saved.get("schedules", {}).items()}
    if isinstance(optimizer, RuleOptimizer) and "groups" in saved:         # not in files of before there were any
        optimizer.set_groups({name: _entry(name, optimizer.groups.get(name, {}), entry)
                              for name, entry in saved["groups"].items()})
    if isinstance(state, State):
        return _of_rule(saved, optimizer, params)
    if len(saved["states"]) != len(state):
        raise ValueError(f"it has {len(saved['states'])} states for {len(state)} parameters")
    go_on(optimizer, saved)
    new = saved.get("new", ())                      # parameters that the file lacks
    return [optimizer.create_state(i, w) if i in new else each
            for i, (w, each) in enumerate(zip(params.values(), saved["states"], strict=True))]


def _options(optimizer: Optimizer) -> Any:
    return optimizer.options if isinstance(optimizer, RuleOptimizer) else ()


def _of_rule(saved: Tree, optimizer: RuleOptimizer, params: Parameters) -> State:
    rule, memory = optimizer.rule, params.memory
    check_saved(saved, rule, optimizer._slots())
    optimizer._noise = count(saved, "noise")
    ends = segments(saved["named"]) if "named" in saved else params.offsets
    for name, slot in zip(optimizer._slots(), saved["slots"].values(), strict=True):
        layout = Layout.of(name, (int(ends[-1]),), params.flat.dtype, (len(ends) - 1,))
        shape, dtype = getattr(slot, "shape", ""), getattr(slot, "dtype", type(slot).__name__)
        if (shape, dtype) != layout:
            raise ValueError(f"slot '{name}' is {dtype} {shape}; expected {layout.dtype} {layout.shape}")
    if "named" in saved:
        return State(rule, _among_new(saved, optimizer, params, ends), count(saved, "t"), count(saved, "offset"),
                     _rest(saved, params))
    slots = {}
    for name, slot in saved["slots"].items():
        slots[name] = memory.zeros(math.prod(slot.shape), slot.dtype).reshape(slot.shape)
        memory.load(slots[name], slot)
    return State(rule, slots, count(saved, "t"), count(saved, "offset"), _rest(saved, params))


def _rest(saved: Tree, params: Parameters) -> Rest:
    """How many steps parameters have missed, and which are frozen."""
    numbers, t = {name: k for k, name in enumerate(params)}, count(saved, "t")
    names, lags = list(saved.get("named", params)), np.zeros(len(params), np.int64)
    missed = np.asarray(saved.get("lags", np.zeros(len(names), np.int64)))
    if missed.shape != (len(names),) or missed.dtype != np.int64 or not ((missed >= 0) & (missed <= t)).all():
        raise ValueError(f"its lags are no steps that {len(names)} parameters missed of {t}")
    lags[[numbers[name] for name in names]] = missed
    return Rest(len(params), lags, (numbers[name] for name in saved.get("frozen", ())))


def _among_new(saved: Tree, optimizer: RuleOptimizer, params: Parameters, ends: Array) -> Mapping[str, Any]:
    """New slots, with those of a file in the places of its parameters, whose segments are ``ends``."""
    new: State = optimizer._begin(params)
    if optimizer.rule.noisy:                        # all of the buffer goes on at the file's offset
        optimizer._noise = max(count(saved, "noise"), count(saved, "offset") + params.flat.size)
    begins, numbers = params.offsets.tolist(), {key: k for k, key in enumerate(params)}
    spans = {"element": [(begins[numbers[key]], lo, hi) for key, (lo, hi) in
                         zip(saved["named"], itertools.pairwise(ends.tolist()), strict=True)],
             "segment": [(numbers[key], k, k + 1) for k, key in enumerate(saved["named"])],
             "all": [(0, 0, 1)]}
    for name, slot in new._slots.items():
        stored, flat = saved["slots"][name].read().reshape(-1), slot.reshape(-1)
        for begin, lo, hi in spans[name.over]:
            if lo < hi:
                params.memory.write(flat[begin:begin + hi - lo], stored[lo:hi])
    return new.slots


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
    groups = getattr(optimizer, "_groups", None)
    if groups is not None and "groups" in saved:
        given = list(groups.given.values())
        own = {name: given[place] for k, name in new.items() if (place := groups.place(k)) >= 0}
        tables["groups"] = {**saved["groups"], **own}
    made = {**saved, **tables, "named": named, "shapes": list(shapes.items()), "new": list(new)}
    if "states" in saved:                           # of an optimizer in Python
        states = dict(zip(named, saved["states"], strict=True))
        made["states"] = [states.get(name) for name in shapes]
        made["counts"].update(dict.fromkeys(new, saved["num_update"]))
    return made
