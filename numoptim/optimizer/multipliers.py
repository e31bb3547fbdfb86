"""Tables by parameter: the factors lr_mult and wd_mult, and what they have in common with others."""
import fnmatch
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Generic, SupportsFloat, TypeVar

import numpy as np

from numoptim.face.names import nearest
from numoptim.rule.hyperparameters import checked

Key = int | str
Entry = TypeVar("Entry")


class ByParameter(Generic[Entry]):
    """A table {name, index or pattern: entry}, resolved for parameters of these names.

    what: what the table is called in messages. names: {index: name}; empty while they are not known. Raises TypeError
    for other keys, ValueError, once names are known, for a key that fits none. Neither changes later: what was found is
    kept.
    """

    def __init__(self, what: str, table: Mapping[Key, Entry], names: Mapping[int, str]) -> None:
        self.what, self._names = what, names
        self._indices = {name: index for index, name in names.items()}
        self._found: dict[Key, Entry | None] = {}
        self._table = {int(key) if isinstance(key, np.integer) else key: entry for key, entry in table.items()}
        known = dict.fromkeys(names.values())
        self._patterns: list[tuple[re.Pattern[str], Entry]] = []
        for key, entry in self._table.items():
            if not isinstance(key, (int, str)):
                raise TypeError(f"{what}: {key!r} is neither a name or pattern nor an index")
            if key in known or key in names:
                continue
            pattern = re.compile(fnmatch.translate(str(key)))
            if names and (isinstance(key, int) or not any(map(pattern.match, known))):
                raise ValueError(f"{what}: {key!r} fits no parameter{nearest(str(key), known)}")
            if isinstance(key, str):
                self._patterns.append((pattern, entry))

    @property
    def table(self) -> Mapping[Key, Entry]:
        return MappingProxyType(self._table)

    def found(self, index: Key) -> Entry | None:
        """What a parameter has: by its name, else by its index, else by the first pattern that fits, or None."""
        if index not in self._found:
            self._found[index] = self._resolved(index)
        return self._found[index]

    def _resolved(self, index: Key) -> Entry | None:
        name = index if isinstance(index, str) else self._names.get(index, "")
        for key in (name, self._indices.get(name, index)):
            if key in self._table:
                return self._table[key]
        return next((entry for pattern, entry in self._patterns if pattern.match(name)), None)


class Multipliers(ByParameter[float]):
    """Factors. Raises TypeError for what is no mapping, ValueError for factors outside [0, inf)."""

    def __init__(self, what: str, table: Mapping[Key, SupportsFloat], names: Mapping[int, str]) -> None:
        if not isinstance(table, Mapping):
            raise TypeError(f"{what}={table!r}: expected a mapping, {{name, index or pattern: factor}}")
        super().__init__(what, {key: checked(f"{what}[{key!r}]", factor, 1.0, "[0, inf)")
                                for key, factor in table.items()}, names)

    def of(self, index: Key) -> float:
        """The factor of a parameter, 1 where no entry fits."""
        if not self._table:
            return 1.0
        found = self.found(index)
        return 1.0 if found is None else found

    def has(self, index: Key) -> bool:
        """Whether an entry fits a parameter."""
        return self.found(index) is not None

    def __reduce__(self) -> tuple[type, tuple[str, dict[Key, float], dict[int, str]]]:
        return Multipliers, (self.what, self._table, dict(self._names))


def names_of(table: Any) -> dict[int, str]:
    """A param_idx2name, checked. TypeError for anything but {index: name}, ValueError where two have one name."""
    known = {} if table is None else table
    if not isinstance(known, Mapping) or not all(
            isinstance(index, (int, np.integer)) and isinstance(name, str) for index, name in known.items()):
        raise TypeError(f"param_idx2name={table!r}: expected a mapping, {{index: name}}")
    names = {int(index): name for index, name in known.items()}
    if len(set(names.values())) < len(names):
        raise ValueError(f"param_idx2name={table!r}: two indices have one name")
    return names
