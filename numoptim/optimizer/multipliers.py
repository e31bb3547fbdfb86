"""Factors by parameter: the tables lr_mult and wd_mult."""
import fnmatch
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, SupportsFloat

import numpy as np

from numoptim.face.names import nearest
from numoptim.rule.hyperparameters import checked

Key = int | str


class Multipliers:
    """A table {name, index or pattern: factor}, resolved for parameters of these names.

    what: what the table is called in messages. names: {index: name}; empty while they are not known. Raises TypeError
    for what is no mapping and for other keys, ValueError for factors outside [0, inf) and, once names are known, for a
    key that fits none. Neither changes later: what was found is kept.
    """

    def __init__(self, what: str, table: Mapping[Key, SupportsFloat], names: Mapping[int, str]) -> None:
        if not isinstance(table, Mapping):
            raise TypeError(f"{what}={table!r}: expected a mapping, {{name, index or pattern: factor}}")
        self.what, self._names = what, names
        self._indices = {name: index for index, name in names.items()}
        self._found: dict[Key, float] = {}
        self._table = {int(key) if isinstance(key, np.integer) else key:
                       checked(f"{what}[{key!r}]", factor, 1.0, "[0, inf)") for key, factor in table.items()}
        known = dict.fromkeys(names.values())
        self._patterns: list[tuple[re.Pattern[str], float]] = []
        for key, factor in self._table.items():
            if not isinstance(key, (int, str)):
                raise TypeError(f"{what}: {key!r} is neither a name or pattern nor an index")
            if key in known or key in names:
                continue
            pattern = re.compile(fnmatch.translate(str(key)))
            if names and (isinstance(key, int) or not any(map(pattern.match, known))):
                raise ValueError(f"{what}: {key!r} fits no parameter{nearest(str(key), known)}")
            if isinstance(key, str):
                self._patterns.append((pattern, factor))

    @property
    def table(self) -> Mapping[Key, float]:
        return MappingProxyType(self._table)

    def of(self, index: Key) -> float:
        """The factor of a parameter: that of its name, else of its index, else of the first pattern that fits, or 1."""
        if not self._table:
            return 1.0
        if index not in self._found:
            self._found[index] = self._resolved(index, 1.0)
        return self._found[index]

    def has(self, index: Key) -> bool:
        """Whether an entry fits a parameter."""
        return not math.isnan(self._resolved(index, math.nan))

    def _resolved(self, index: Key, otherwise: float) -> float:
        name = index if isinstance(index, str) else self._names.get(index, "")
        for key in (name, self._indices.get(name, index)):
            if key in self._table:
                return self._table[key]
        return next((factor for pattern, factor in self._patterns if pattern.match(name)), otherwise)

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
