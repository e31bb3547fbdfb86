"""Hyper-parameters of some parameters."""
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

from numoptim.face.hints import instead
from numoptim.face.names import nearest, some
from numoptim.lr_scheduler.base import Schedule
from numoptim.native.plan import EVERY
from numoptim.rule import Rule
from numoptim.rule.hyperparameters import checked
from numoptim.step.followed import OF_A_STEP, Followed

from .base import Optimizer
from .multipliers import ByParameter, Key
from .schedules import Schedules, check_schedule, check_taken, numbers_of

Table = Mapping[str, Mapping[str, Any]]


class Group(NamedTuple):
    """One entry: its place in the table, numbers and schedules by hyper-parameter, defaults and intervals of these."""

    place: int
    fixed: dict[str, float]
    scheduled: dict[str, Schedule]
    ranges: dict[str, tuple[float, str]]

    def as_given(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What it was made of, with numbers as they were checked."""
        return {key: x if x is None or callable(x) else self.fixed[key] for key, x in entry.items()}

    def value(self, key: str, num_update: int) -> float:
        """A number that it has, in an update; TypeError or ValueError for what a schedule says and it cannot be."""
        if key in self.fixed:
            return self.fixed[key]
        return checked(key, self.scheduled[key](num_update), *self.ranges[key])


class Groups(ByParameter[Group]):
    """A table {name or pattern: {hyper-parameter: number or schedule}}; ``given`` is what it was made of."""

    def __init__(self, entries: Mapping[Key, Group], given: Table, names: Mapping[int, str]) -> None:
        super().__init__("groups", entries, names)
        self.groups = list(entries.values())
        self.given = MappingProxyType({key: MappingProxyType(group.as_given(entry)) for (key, entry), group in
                                       zip(given.items(), self.groups, strict=True)})

    @classmethod
    def of(cls, optimizer: type, table: Table, names: Mapping[int, str]) -> Self:
        """For a class of optimizers. TypeError for what is no such table, ValueError for what the class has not, or has
        for all parameters alike.
        """
        if not isinstance(table, Mapping):
            raise TypeError(f"groups={table!r}: expected a mapping, {{name or pattern: {{hyper-parameter: value}}}}")
        return cls({key: _group(optimizer, place, key, entry) for place, (key, entry) in enumerate(table.items())},
                   table, names)

    def place(self, index: Key) -> int:
        """That of a parameter's group, -1 where it has none."""
        group = self.found(index)
        return -1 if group is None else group.place

    def numbers(self, index: Key, num_update: int) -> dict[str, float]:
        """What a parameter has of its own in an update."""
        group = self.found(index)
        return {} if group is None else {key: group.value(key, num_update) for key in group.ranges}

    def check_read(self, name: str, fields: Mapping[str, object]) -> None:
        """ValueError for a number that the rule of this name does not have."""
        idle = [key for group in self.groups for key in group.ranges if key not in fields]
        if idle:
            raise ValueError(f"groups: {some(idle)} would have no effect: the options choose the rule {name!r} for all "
                             f"parameters, which has {some(fields, str)}")

    def __reduce__(self) -> tuple[object, ...]:
        return Groups, (self._table, {key: dict(entry) for key, entry in self.given.items()}, dict(self._names))


class Grouped(Optimizer):
    """An optimizer whose parameters may have hyper-parameters of their own."""

    apart: ClassVar[tuple[str, ...]] = ()      # those that they may have where the rule has numbers for all parameters
    _schedules: Schedules | None = None
    _groups: Groups | None = None

    @property
    def rule(self) -> Rule:
        """The rule that the options choose."""
        raise NotImplementedError

    @property
    def groups(self) -> Mapping[str, Mapping[str, Any]]:
        """The table that ``set_groups`` set; read-only."""
        return self._groups.given if self._groups else {}

    def set_groups(self, groups: Table) -> None:
        """Hyper-parameters of some parameters: ``{name or pattern: {hyper-parameter: number or schedule}}``.

        Replaces the previous table. A parameter has the first entry that fits it, one of its name before patterns
        (as fnmatch reads them); ValueError for one that fits none. Options, which choose the rule, are the optimizer's.
        """
        made, rule = Groups.of(type(self), groups, self._names), self.rule
        made.check_read(rule.name, rule.fields)
        self._change(vars(self), _groups=made if groups else None)

    def _name_parameters(self, names: Sequence[str]) -> None:
        super()._name_parameters(names)
        self.set_groups(self.groups)

    def _check_read(self, rule: Rule) -> None:
        """ValueError for numbers of schedules and groups that a rule does not have."""
        for table in (self._schedules, self._groups):
            if table is not None:
                table.check_read(rule.name, rule.fields)

    def _following(self, sets: Sequence[tuple[float, float, int]]) -> list[Followed]:
        """What steps set beside the learning rate; sets: their multipliers and the places of their groups."""
        groups: list[Group] = self._groups.groups if self._groups else []
        made, others = [], self._schedules
        for key, its in others.table.items() if others else ():
            own = {group.place for group in groups if key in group.ranges}
            which = [k for k, (_, _, place) in enumerate(sets) if place not in own] if own else EVERY
            made.append(Followed(key, key, partial(others.of, key), its, which))         # type: ignore[union-attr]
        for group in groups:
            which = [k for k, (_, _, place) in enumerate(sets) if place == group.place]
            for key in group.ranges:
                if key in group.scheduled or key in OF_A_STEP:
                    say, schedule = partial(group.value, key), group.scheduled.get(key)
                    made.append(Followed((key, group.place), key, say, schedule, which))
        return made


def _group(optimizer: Any, place: int, name: Any, entry: Any) -> Group:
    if not isinstance(name, str):
        raise TypeError(f"groups: {name!r} is neither a name nor a pattern")
    if not isinstance(entry, Mapping):
        raise TypeError(f"groups[{name!r}]={entry!r}: expected a mapping, such as {{'wd': 0}}")
    made = Group(place, {}, {}, {key: _range(optimizer, f"groups[{name!r}]", key) for key in entry})
    for key, value in entry.items():
        what, (default, interval) = f"groups[{name!r}][{key!r}]", made.ranges[key]
        if callable(value) and not isinstance(default, int):
            check_schedule(optimizer, what, key, value)
            made.scheduled[key] = value
        else:
            made.fixed[key] = checked(what, value, default, interval)
    return made


def _range(optimizer: Any, what: str, key: Any) -> tuple[float, str]:
    """Default and interval of a hyper-parameter. ValueError for what an entry cannot have."""
    known = numbers_of(optimizer)
    if key in ("learning_rate", *optimizer.hyper) and key not in optimizer.apart and any(
            rule.slots_over("all") for rule in optimizer.rules):
        raise ValueError(f"{what}: {optimizer.__name__} has numbers for all parameters, of which {key!r} is a part")
    if key == "learning_rate" and optimizer._rated:
        return 0.0, "[0, inf)"
    if key in known:
        check_taken(optimizer, what, key)
        return known[key].default, known[key].interval
    if key in optimizer.options:
        raise ValueError(f"{what}: {key!r} chooses the rule, which is one for all parameters")
    if key in ("lr_mult", "wd_mult", "lr_scheduler"):
        said = "learning_rate takes a schedule, too" if key == "lr_scheduler" else f"that is a table of its own, {key}="
        raise ValueError(f"{what}: {key!r} is no hyper-parameter: {said}")
    names = [*(["learning_rate"] if optimizer._rated else []), *known]
    raise ValueError(f"{what}: {optimizer.__name__} has no {key!r}"
                     f"{instead(str(key), names) or nearest(str(key), names)}")
