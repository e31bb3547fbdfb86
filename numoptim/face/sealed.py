"""Objects that refuse attributes they do not have: set, a misspelt one would have no effect, and nobody would know."""
from typing import TYPE_CHECKING, Any, ClassVar

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

    if not TYPE_CHECKING:                           # a type checker that saw it would take any name
        def __setattr__(self, name: str, value: Any) -> None:
            if name[0] == "_" or not self._sealed or _settable(type(self), name):
                object.__setattr__(self, name, value)
                return
            raise AttributeError(f"{type(self).__name__}.{name} cannot be set{self._hint(name)}")

    def _hint(self, name: str) -> str:
        ways = self._ways()
        if name in ways:
            return f": write {ways[name]}{' = x' if ways[name].endswith(name) else ''}"
        return "" if hasattr(self, name) else f", there is none{instead(name, ways)}"

    def _ways(self) -> dict[str, str]:
        """{attribute: what to write for it}."""
        free = () if self._sealed else vars(self)
        names = [name for name in (*dir(type(self)), *free) if _settable(type(self), name) or name in free]
        return {**{name: name for name in names if name[0] != "_"}, **self._instead}


class Stepping(Sealed):
    """What steps an optimizer, for whose attributes it says what to write."""

    @property
    def optimizer(self) -> Any:
        raise NotImplementedError

    def _hint(self, name: str) -> str:
        return "" if hasattr(self.optimizer, name) and name not in self._ways() else super()._hint(name)

    def _ways(self) -> dict[str, str]:
        theirs = {name: f".optimizer.{way}" for name, way in self.optimizer._ways().items()}
        return {**theirs, **super()._ways()}


def _settable(cls: type, name: str) -> bool:
    known = getattr(cls, name, None)
    return hasattr(known, "__set__") and bool(getattr(known, "fset", known))
