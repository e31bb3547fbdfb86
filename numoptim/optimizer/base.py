"""Optimizer: what all optimizers have in common, and the registry of their names."""
import copy
import inspect
import warnings
from array import array
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, Never, Self, SupportsFloat, SupportsIndex, TypeVar

from numoptim.buffers.memory import Buffer
from numoptim.face import display
from numoptim.face.hints import refuse
from numoptim.face.names import nearest, some
from numoptim.face.sealed import Sealed
from numoptim.lr_scheduler import based
from numoptim.lr_scheduler.base import Schedule, check_called
from numoptim.rule.hyperparameters import COMMON, COUNT, checked, checked_rate
from numoptim.step.locks import at_once, lock
from numoptim.step.python import Stepped

from .attributes import HyperParameter, check_class, check_made, check_rated
from .multipliers import Key, Multipliers, names_of

_registry: dict[str, type["Optimizer"]] = {}


class Optimizer(Stepped, Sealed):
    """Base of all optimizers. Subclass it to write one in Python; see ``update``.

    learning_rate: default 0.01. lr_scheduler: ``f(num_update) -> rate``; a learning_rate given beside a
    schedule of lr_scheduler becomes the base_lr of the optimizer's own copy.
    wd, rescale_grad, clip_gradient: the gradient is rescaled, clipped to [-clip_gradient, clip_gradient]
    (None: not), then wd*w is added. lr_mult, wd_mult: {name, index or name pattern: factor}; a parameter with
    lr_mult 0 is frozen: nothing of it is read or written.
    param_idx2name: {index: name}, for those tables. begin_num_update: steps already made elsewhere.
    As in MXNet, multi_precision: no effect on float32 and float64; aggregate_num: how many parameters one call
    updates, which here are all of them whatever it says; lazy_update: rows without gradients are updated as others
    are, so only False.

    Raises ValueError for values out of range, TypeError for unknown keywords.
    """

    wd = HyperParameter(*COMMON["wd"])
    rescale_grad = HyperParameter(*COMMON["rescale_grad"])
    clip_gradient = HyperParameter(*COMMON["clip_gradient"])
    _lr_mult: Multipliers
    _wd_mult: Multipliers
    default_learning_rate: ClassVar[float] = 0.01
    _rated: ClassVar[bool] = True               # has a learning rate
    saved: ClassVar[tuple[str, ...]] = ()
    """Attributes of a custom optimizer that belong to its state: None, numbers, strings, arrays, nests of them."""
    _instead: ClassVar[dict[str, str]] = {
        "learning_rate": "set_learning_rate(x)", "lr_mult": "set_lr_mult(table)", "wd_mult": "set_wd_mult(table)"}
    opt_registry: ClassVar[Mapping[str, "type[Optimizer]"]] = MappingProxyType(_registry)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        check_class(cls, Optimizer)

    def __init__(self, *, learning_rate: SupportsFloat | None = None, lr_scheduler: Schedule | None = None,
                 wd: SupportsFloat = 0.0, rescale_grad: SupportsFloat = 1.0, clip_gradient: SupportsFloat | None = None,
                 lr_mult: Mapping[Key, SupportsFloat] | None = None, wd_mult: Mapping[Key, SupportsFloat] | None = None,
                 param_idx2name: Mapping[int, str] | None = None, begin_num_update: SupportsIndex = 0,
                 multi_precision: bool = False, aggregate_num: SupportsIndex = 0, lazy_update: bool = False,
                 **unknown: Never) -> None:
        if unknown:
            refuse(type(self), unknown, type(self), Optimizer)
        if lazy_update:
            raise ValueError(f"lazy_update={lazy_update!r} is not supported: rows without gradients are updated as all "
                             "others are")
        if callable(learning_rate):
            raise TypeError("learning_rate is a number; a schedule is given as lr_scheduler")
        checked("aggregate_num", aggregate_num, 0, "[0, inf)")
        self._outer, self._lock = lock(), lock()   # around an optimizer's own code, and of what changes slots; in order
        self._trainer: Any = None               # a reference to the one that steps it in Python
        self._values: dict[str, float] = {}
        self._version = object()                # another whenever anything but the schedule's rate changes
        self.wd, self.rescale_grad, self.clip_gradient = wd, rescale_grad, clip_gradient
        if lr_scheduler is not None and learning_rate is not None:
            lr_scheduler = based(lr_scheduler, checked_rate(learning_rate))
        self.lr_scheduler = lr_scheduler
        rate = self.default_learning_rate if learning_rate is None else learning_rate
        self._learning_rate = checked_rate(rate)
        self._begin_num_update = int(checked("begin_num_update", begin_num_update, 0, COUNT))
        self._latest = array("q", [self._begin_num_update])         # where steps count, in C (aot/steps.c)
        self._multi_precision = bool(multi_precision)
        self._names = names_of(param_idx2name)
        self._counts: dict[Key, int] = {}
        self._noise = 0                         # where that of the next state begins
        self.set_lr_mult({} if lr_mult is None else lr_mult)
        self.set_wd_mult({} if wd_mult is None else wd_mult)

    @property
    def num_update(self) -> int:
        """Number of the latest update, of whichever parameter has seen most."""
        return self._latest[0]

    @num_update.setter
    def num_update(self, value: int) -> None:
        self._latest[0] = int(checked("num_update", value, 0, COUNT))

    @property
    def begin_num_update(self) -> int:
        """Steps made before the first."""
        return self._begin_num_update

    @property
    def multi_precision(self) -> bool:
        return self._multi_precision

    @property
    def param_idx2name(self) -> Mapping[int, str]:
        """{index: name}."""
        return MappingProxyType(self._names)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("_lock", "_outer", "_trainer")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _outer=lock(), _lock=lock(), _trainer=None)

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __repr__(self) -> str:
        return display.optimizer(self, Optimizer)

    def _draft(self) -> Self:
        """Another with the same attributes, objects of the user's too, but apart in what a file of states sets."""
        draft = object.__new__(type(self))
        vars(draft).update(vars(self), _values=dict(self._values), _counts=dict(self._counts),
                           _latest=array("q", self._latest))
        return draft

    # --- learning rate

    @property
    def learning_rate(self) -> float:
        """The learning rate, before multipliers, of the latest update, or of the first while none was made."""
        return self._rate(max(self.num_update, self._begin_num_update + 1))

    def set_learning_rate(self, lr: SupportsFloat) -> None:
        """Change the learning rate from the next update on. ValueError where a schedule sets it."""
        if self.lr_scheduler is not None:
            raise ValueError("the learning rate is set by lr_scheduler: change or remove that instead")
        check_rated(self, True)
        self._learning_rate = checked_rate(lr)

    @property
    def lr_scheduler(self) -> Schedule | None:
        """``f(num_update) -> rate``, or None; may be set, for the next update on."""
        return self._lr_scheduler

    @lr_scheduler.setter
    def lr_scheduler(self, schedule: Schedule | None) -> None:
        if schedule is not None:
            check_called("lr_scheduler", schedule)
        check_rated(self, schedule is not None)
        self._lr_scheduler = schedule

    def _rate(self, num_update: int) -> float:
        if self._lr_scheduler is None:
            return self._learning_rate
        return checked_rate(self._lr_scheduler(num_update))

    # --- multipliers

    @property
    def lr_mult(self) -> Mapping[Key, float]:
        """The table that ``set_lr_mult`` set; read-only."""
        return self._lr_mult.table

    @property
    def wd_mult(self) -> Mapping[Key, float]:
        """The table that ``set_wd_mult`` set; read-only."""
        return self._wd_mult.table

    def set_lr_mult(self, lr_mult: Mapping[Key, SupportsFloat]) -> None:
        """Multiply the learning rate of some parameters: ``{name, index or pattern: factor}``; 0 freezes them.

        Replaces the previous table. A key that is a parameter's name is that name and nothing else. Of several
        entries that fit a parameter its name wins, then its index, then the first pattern (``"*.bias"``, as fnmatch
        reads it).
        """
        made = Multipliers("lr_mult", lr_mult, self._names)
        check_rated(self, not {*made.table.values()} <= {0, 1})
        self._change(vars(self), _lr_mult=made)

    def set_wd_mult(self, wd_mult: Mapping[Key, SupportsFloat]) -> None:
        """Multiply ``wd`` of some parameters; the table is that of ``set_lr_mult``."""
        self._change(vars(self), _wd_mult=Multipliers("wd_mult", wd_mult, self._names))

    def _name_parameters(self, names: Sequence[str]) -> None:
        """Tell the optimizer the parameters it is for."""
        check_made(self)
        known = dict(enumerate(names))
        if self._names and self._names != known:
            raise ValueError(f"this optimizer belongs to the parameters {some(self._names.values())}, not "
                             f"{some(names)}: make one for each Trainer")
        tables = {f"_{each.what}": Multipliers(each.what, each.table, known) for each in (self._lr_mult, self._wd_mult)}
        self._change(vars(self), _names=known, **tables)

    def _change(self, table: dict[str, Any], **entries: Any) -> None:
        """Change entries of a table, and the version, in one call: no step and no interrupt comes in between."""
        at_once((table, entries), (vars(self), {"_version": object()}))

    # --- as Apache MXNet calls them

    @staticmethod
    def create_optimizer(name: str, **keywords: Any) -> "Optimizer":
        """``optimizer.create``."""
        return create(name, **keywords)

    @staticmethod
    def register(cls: "Class") -> "Class":
        """``optimizer.register`` of a class."""
        return add(cls)

    def create_state_multi_precision(self, index: Key, weight: Buffer) -> Any:
        """``create_state``: there are no 16-bit weights here, which would need a copy in 32 bits."""
        return self.create_state(index, weight)

    def update_multi_precision(self, index: Any, weight: Any, grad: Any, state: Any) -> None:
        """``update``."""
        self.update(index, weight, grad, state)

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
        self._counts[index] = self._counts.get(index, self._begin_num_update) + 1
        self._latest[0] = max(self._latest[0], self._counts[index])

    def _get_lr(self, index: Key) -> float:
        """Learning rate of a parameter in its present update, or before its first in that; multiplier included."""
        update = self._counts.get(index, self.num_update)
        return self._rate(max(update, self._begin_num_update + 1)) * self._lr_mult.of(index)

    def _get_wd(self, index: Key) -> float:
        return float(self.wd) * self._wd_mult.of(index)


Class = TypeVar("Class", bound=type[Optimizer])


def add(cls: Class) -> Class:
    """Make ``create`` find a class by its name, in any case. ValueError where another module's class has it."""
    if not (inspect.isclass(cls) and issubclass(cls, Optimizer)):
        raise TypeError(f"register takes an Optimizer subclass or a Rule, not {cls!r}")
    known = _registry.setdefault(cls.__name__.lower(), cls)
    if known is not cls:
        if known.__module__.startswith("numoptim."):
            raise ValueError(f"{cls.__name__!r} is the name of a built-in optimizer")
        if known.__module__ != cls.__module__:
            warnings.warn(f"the optimizer {cls.__name__!r} of {cls.__module__} replaces that of {known.__module__}",
                          stacklevel=3)
        _registry[cls.__name__.lower()] = cls
    return cls


def find(name: str) -> type[Optimizer]:
    """The class of a name, in any case; ValueError with the nearest where there is none."""
    if not isinstance(name, str):
        call = f": write {name.__name__}()" if isinstance(name, type) and issubclass(name, Optimizer) else ""
        raise TypeError(f"expected the name of an optimizer or an Optimizer, was given {name!r}{call}")
    if name.lower() not in _registry:
        raise ValueError(f"unknown optimizer {name!r}{nearest(name, (c.__name__ for c in _registry.values()))}")
    return _registry[name.lower()]


def create(name: str, **keywords: Any) -> Optimizer:
    """An optimizer by name, in any case: ``create("adam", learning_rate=1e-3)``."""
    return find(name)(**keywords)
