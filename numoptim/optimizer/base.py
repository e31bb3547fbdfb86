"""Optimizer: what all optimizers have in common, and the registry of their names."""
import fnmatch
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from numoptim.hyperparameters import COMMON, checked, nearest
from numoptim.lr_scheduler import LRScheduler
from numoptim.memory import Buffer

Key = int | str
Schedule = Callable[[int], float]
RATE = "[0, inf)"


class HyperParameter:
    """A hyper-parameter as an attribute: checked when set, None standing for an infinite default."""

    def __init__(self, default: float, interval: str) -> None:
        self.default, self.interval = default, interval

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: "Optimizer | None", owner: type) -> Any:
        if optimizer is None:
            return self
        value = optimizer._values[self.name]
        return None if abs(value) == float("inf") else value

    def __set__(self, optimizer: "Optimizer", value: Any) -> None:
        optimizer._values[self.name] = checked(self.name, value, self.default, self.interval)
        optimizer._version += 1


class Optimizer:
    """Base of all optimizers. Subclass it to write one in Python; see ``update``.

    learning_rate: default 0.01. lr_scheduler: ``f(num_update) -> rate``; a learning_rate given beside a
    schedule of lr_scheduler becomes the base_lr of the optimizer's own copy.
    wd, rescale_grad, clip_gradient: the gradient is rescaled, clipped to [-clip_gradient, clip_gradient]
    (None: not), then wd*w is added. lr_mult, wd_mult: {name, index or name pattern: factor}.
    param_idx2name: {index: name}, for those tables. begin_num_update: steps already made elsewhere.
    multi_precision: no effect on float32 and float64.

    Raises ValueError for values out of range, TypeError for unknown keywords.
    """

    wd = HyperParameter(*COMMON["wd"])
    rescale_grad = HyperParameter(*COMMON["rescale_grad"])
    clip_gradient = HyperParameter(*COMMON["clip_gradient"])
    default_learning_rate: ClassVar[float] = 0.01

    def __init__(self, *, learning_rate: float | None = None, lr_scheduler: Schedule | None = None,
                 wd: float = 0.0, rescale_grad: float = 1.0, clip_gradient: float | None = None,
                 lr_mult: Mapping[Key, float] | None = None, wd_mult: Mapping[Key, float] | None = None,
                 param_idx2name: Mapping[int, str] | None = None, begin_num_update: int = 0,
                 multi_precision: bool = False) -> None:
        self._values: dict[str, float] = {}
        self._version = 0                       # changes whenever anything but the schedule's rate does
        self.wd, self.rescale_grad, self.clip_gradient = wd, rescale_grad, clip_gradient
        self.lr_scheduler = lr_scheduler
        if lr_scheduler is not None and not callable(lr_scheduler):
            raise TypeError(f"lr_scheduler={lr_scheduler!r}: expected a function of the update number")
        if lr_scheduler is not None and learning_rate is not None:
            if not isinstance(lr_scheduler, LRScheduler):
                raise ValueError("learning_rate beside an lr_scheduler that has no base_lr: give one of them")
            self.lr_scheduler = replace(lr_scheduler, base_lr=checked("learning_rate", learning_rate, 0.01, RATE))
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        self._learning_rate = checked("learning_rate", rate, 0.01, RATE)
        self.begin_num_update = int(checked("begin_num_update", begin_num_update, 0, "[0, inf)"))
        self.num_update = self.begin_num_update
        self.multi_precision = bool(multi_precision)
        self.param_idx2name = dict(param_idx2name or {})
        self._counts: dict[Key, int] = {}
        self.set_lr_mult(lr_mult or {})
        self.set_wd_mult(wd_mult or {})

    # --- learning rate

    @property
    def learning_rate(self) -> float:
        """The learning rate, before multipliers, of the latest update."""
        return self._rate(self.num_update)

    def set_learning_rate(self, lr: float) -> None:
        """Change the learning rate from the next update on. ValueError where a schedule sets it."""
        if self.lr_scheduler is not None:
            raise ValueError("the learning rate is set by lr_scheduler: change or remove that instead")
        self._learning_rate = checked("learning_rate", lr, 0.01, RATE)

    def _rate(self, num_update: int) -> float:
        if self.lr_scheduler is None:
            return self._learning_rate
        return checked("learning_rate", self.lr_scheduler(num_update), 0.01, RATE)

    # --- multipliers

    def set_lr_mult(self, lr_mult: Mapping[Key, float]) -> None:
        """Multiply the learning rate of some parameters: ``{name, index or pattern: factor}``.

        Replaces the previous table. Of several entries that fit a parameter its name wins, then its
        index, then the first pattern (``"*.bias"``, as fnmatch reads it). No name is special.
        """
        self.lr_mult = self._multipliers("lr_mult", lr_mult)

    def set_wd_mult(self, wd_mult: Mapping[Key, float]) -> None:
        """Multiply ``wd`` of some parameters; the table is that of ``set_lr_mult``."""
        self.wd_mult = self._multipliers("wd_mult", wd_mult)

    def _multipliers(self, what: str, table: Mapping[Key, float]) -> dict[Key, float]:
        checked_table = {int(key) if isinstance(key, np.integer) else key:
                         checked(f"{what}[{key!r}]", factor, 1.0, "[0, inf)") for key, factor in table.items()}
        self._check_keys(what, checked_table)
        self._version += 1
        return checked_table

    def _check_keys(self, what: str, table: Mapping[Key, float]) -> None:
        """ValueError for an entry that fits no parameter, once their names are known."""
        for key in table:
            if not isinstance(key, (int, str)):
                raise TypeError(f"{what}: {key!r} is neither a name or pattern nor an index")
            if not self.param_idx2name or key in self.param_idx2name:
                continue
            names = self.param_idx2name.values()
            if isinstance(key, int) or not any(fnmatch.fnmatchcase(name, key) for name in names):
                raise ValueError(f"{what}: {key!r} fits no parameter{nearest(str(key), names)}")

    def _name_parameters(self, names: Sequence[str]) -> None:
        """Tell the optimizer the parameters it is for."""
        known = dict(enumerate(names))
        if self.param_idx2name and self.param_idx2name != known:
            raise ValueError(f"this optimizer belongs to the parameters {self.param_idx2name}, not {known}: "
                             "make one for each Trainer")
        before, self.param_idx2name = self.param_idx2name, known
        try:
            self._check_keys("lr_mult", self.lr_mult)
            self._check_keys("wd_mult", self.wd_mult)
        except ValueError:
            self.param_idx2name = before
            raise

    def _multiplier(self, table: Mapping[Key, float], index: Key) -> float:
        name = index if isinstance(index, str) else self.param_idx2name.get(index, "")
        for key in (name, index):
            if key in table:
                return table[key]
        fits = (factor for key, factor in table.items() if isinstance(key, str) and fnmatch.fnmatchcase(name, key))
        return next(fits, 1.0)

    # --- what a custom optimizer overrides, and what it may call

    def create_state(self, index: Key, weight: Buffer) -> Any:
        """State of one parameter before its first update: None, an array, or tuples, lists, dicts of them."""
        return None

    def update(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """Change ``weight`` (and ``state``) in place, given ``grad``; all of one shape and dtype.

        A custom optimizer begins with ``self._update_count(index)``, takes its rate from
        ``self._get_lr(index)`` and ``self._get_wd(index)``, and applies ``self.rescale_grad`` and
        ``self.clip_gradient``. Under a Trainer, ``grad`` is a copy already divided by the batch size. With parameters
        on a GPU, weight and grad are cuda.Arrays, for CuPy or PyTorch to view; grad is the trainer's own, and the
        batch size must be 1.
        """
        raise NotImplementedError(f"{type(self).__name__} does not override update")

    def _update_count(self, index: Key) -> None:
        self._counts[index] = self._counts.get(index, self.begin_num_update) + 1
        self.num_update = max(self.num_update, self._counts[index])

    def _get_lr(self, index: Key) -> float:
        """Learning rate of a parameter in its present update, multiplier included."""
        return self._rate(self._counts.get(index, self.num_update)) * self._multiplier(self.lr_mult, index)

    def _get_wd(self, index: Key) -> float:
        return float(self.wd) * self._multiplier(self.wd_mult, index)


_registry: dict[str, type[Optimizer]] = {}
Class = TypeVar("Class", bound=type[Optimizer])


def add(cls: Class) -> Class:
    """Make ``create`` find a class by its name, in any case. ValueError where another module's class has it."""
    if not (inspect.isclass(cls) and issubclass(cls, Optimizer)):
        raise TypeError(f"register takes an Optimizer subclass or a Rule, not {cls!r}")
    known = _registry.setdefault(cls.__name__.lower(), cls)
    if known is not cls:
        if known.__module__.startswith("numoptim."):
            raise ValueError(f"{cls.__name__!r} is the name of a built-in optimizer")
        _registry[cls.__name__.lower()] = cls
    return cls


def find(name: str) -> type[Optimizer]:
    """The class of a name, in any case; ValueError with the nearest where there is none."""
    if not isinstance(name, str):
        raise TypeError(f"expected the name of an optimizer or an Optimizer, was given {name!r}")
    if name.lower() not in _registry:
        raise ValueError(f"unknown optimizer {name!r}{nearest(name, (c.__name__ for c in _registry.values()))}")
    return _registry[name.lower()]


def create(name: str, **keywords: Any) -> Optimizer:
    """An optimizer by name, in any case: ``create("adam", learning_rate=1e-3)``."""
    return find(name)(**keywords)
