"""Objects that refuse attributes they do not have: set, a misspelt one would have no effect, and nobody would know."""
from typing import Any, ClassVar

from .hints import instead


class Sealed:
    """Public attributes can be set where the class says how, with a property or another descriptor; others raise
    AttributeError. Subclasses written elsewhere may set attributes of their own.
    """

    _sealed: ClassVar[bool] = True
    _instead: ClassVar[dict[str, str]] = {}        # attribute: what to write instead

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "_sealed" not in vars(cls):
            cls._sealed = cls.__module__.partition(".")[0] == __name__.partition(".")[0]

    def __setattr__(self, name: str, value: Any) -> None:
        known = getattr(type(self), name, None)
        if name[0] == "_" or not self._sealed or (hasattr(known, "__set__") and getattr(known, "fset", known)):
            object.__setattr__(self, name, value)
            return
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set{self._hint(name)}")

    def _hint(self, name: str) -> str:
        if name in self._instead:
            return f": write {self._instead[name]}"
        if hasattr(self, name):
            return ""
        settable = [key for key in dir(type(self)) if key[0] != "_" and getattr(
            getattr(type(self), key), "fset", getattr(getattr(type(self), key), "__set__", None))]
        return f", there is none{instead(name, settable, self._instead)}"
