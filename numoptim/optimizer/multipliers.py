"""Factors by parameter: the tables lr_mult and wd_mult."""
import fnmatch
import re
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from numoptim.hyperparameters import checked, nearest

Key = int | str


class Multipliers:
    """A table {name, index or pattern: factor}, resolved for parameters of these names.

    what: what the table is called in messages. names: {index: name}; empty while they are not known. Raises TypeError
    for other keys, ValueError for factors outside [0, inf) and, once names are known, for a key that fits none.
    """

    def __init__(self, what: str, table: Mapping[Key, float], names: Mapping[int, str]) -> None:
        self.what, self._names = what, names
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
        name = index if isinstance(index, str) else self._names.get(index, "")
        for key in (name, index):
            if key in self._table:
                return self._table[key]
        return next((factor for pattern, factor in self._patterns if pattern.match(name)), 1.0)

    def __reduce__(self) -> tuple[type, tuple[str, dict[Key, float], dict[int, str]]]:
        return Multipliers, (self.what, self._table, dict(self._names))
