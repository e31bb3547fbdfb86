"""How optimizers, parameters and trainers show themselves: on a few lines, whatever they hold."""
import inspect
import itertools
import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from .names import some

ROWS = 8                # of a table
LONGEST = 60            # of a name
_short = reprlib.Repr()
_short.maxdict, _short.maxother, _short.maxstring = 3, 100, 60
_MISSING = object()


def call(name: str, keywords: Mapping[str, Any]) -> str:
    """``name(key=value, ...)``, with long values shortened."""
    values = {key: dict(x) if isinstance(x, Mapping) else x for key, x in keywords.items()}
    return f"{name}({', '.join(f'{key}={_short.repr(x)}' for key, x in values.items())})"


def optimizer(shown: Any, base: type) -> str:
    """As it could be made: first what is not by default, then what its class has beside ``base``."""
    common, own = inspect.signature(base).parameters, inspect.signature(type(shown)).parameters
    defaults = {p.name: p.default for p in {**own, **common, **own}.values()}
    del defaults["param_idx2name"]
    if _attribute(shown, "lr_scheduler") is not None or not shown._rated:
        del defaults["learning_rate"]               # the schedule's, which is the user's code
    found = {name: _attribute(shown, name, _MISSING) for name in defaults}
    values = {name: x for name, x in found.items() if x is not _MISSING}
    defaults |= {"learning_rate": shown.default_learning_rate, "lr_mult": {}, "wd_mult": {}}
    changed = {name: x for name, x in values.items() if not equal(x, defaults[name])}
    usual = {name: x for name, x in values.items() if name not in common or name == "learning_rate"}
    return call(type(shown).__name__, {**changed, **usual})


def _attribute(shown: Any, name: str, otherwise: Any = None) -> Any:
    """An attribute, or ``otherwise`` where there is none yet, or a property of the user's fails."""
    try:
        return getattr(shown, name)
    except Exception:
        return otherwise


def equal(x: Any, default: Any) -> bool:
    """Whether a value is the default; arrays and tensors, which do not say so in one word, are not."""
    try:
        return bool(x == default)
    except Exception:
        return False


def views(shown: Any) -> str:
    """Type, dtype, and names with shapes."""
    inside = some((f"{_name(name)}: {shape}" for name, shape in shown.shapes.items()), form=str)
    return f"<{type(shown).__name__} {shown.flat.dtype} {{{inside}}}>"


def trainer(shown: Any) -> str:
    """Optimizer, updates made, and how many parameters."""
    flat = shown.params.flat
    return (f"<Trainer: {shown.optimizer!r}, {shown.optimizer.num_update:,} updates of {len(shown.params):,} "
            f"parameters, {flat.size:,} elements, {flat.dtype} on {shown.params.memory.name}>")


def _name(name: str) -> str:
    """A name on one line, without its middle where it is long."""
    if len(name) > LONGEST:
        name = f"{name[:LONGEST // 2]}...{name[-LONGEST // 2:]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def views_html(shown: Any) -> str:
    """A table of names, shapes and sizes."""
    shapes = shown.shapes
    rows = [(_name(name), shape, f"{math.prod(shape):,}") for name, shape in itertools.islice(shapes.items(), ROWS)]
    rest = [(f"... ({len(shapes):,} in all)", "", f"{shown.flat.size:,}")] if len(shapes) > ROWS else []
    caption = f"{type(shown).__name__}: {shown.flat.size:,} elements, {shown.flat.dtype} on {shown.memory.name}"
    lines = [_row("th", ("name", "shape", "elements")), *(_row("td", row) for row in rows + rest)]
    return f"<table><caption>{_escaped(caption)}</caption>{''.join(lines)}</table>"


def trainer_html(shown: Any) -> str:
    """The same for a trainer, under its optimizer."""
    text = f"Trainer: {shown.optimizer!r}, {shown.optimizer.num_update:,} updates"
    return f"<p>{_escaped(text)}</p>{views_html(shown.params)}"


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_escaped(str(cell))}</{tag}>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    # Here, as it has tables that an import of numoptim need not wait for.
    from html import escape
    return escape(text)
