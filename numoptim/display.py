"""How optimizers, parameters and trainers show themselves: on a few lines, whatever they hold."""
import html
import inspect
import math
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

from .hyperparameters import some

ROWS = 8                # of a table
_short = reprlib.Repr()
_short.maxdict, _short.maxother, _short.maxstring = 3, 100, 60


def call(name: str, keywords: Mapping[str, Any]) -> str:
    """``name(key=value, ...)``, with long values shortened."""
    values = {key: dict(x) if isinstance(x, Mapping) else x for key, x in keywords.items()}
    return f"{name}({', '.join(f'{key}={_short.repr(x)}' for key, x in values.items())})"


def optimizer(shown: Any, base: type) -> str:
    """As it could be made: first what is not by default, then what its class has beside ``base``."""
    common = inspect.signature(base).parameters
    defaults = {p.name: p.default for p in {**inspect.signature(type(shown)).parameters, **common}.values()}
    values = {name: getattr(shown, name) for name in defaults if hasattr(shown, name) and name != "param_idx2name"}
    defaults |= {"learning_rate": shown.default_learning_rate, "lr_mult": {}, "wd_mult": {}}
    if values["lr_scheduler"] is not None or not shown._rated:
        del values["learning_rate"]
    changed = {name: x for name, x in values.items() if not _equal(x, defaults[name])}
    usual = {name: x for name, x in values.items() if name not in common or name == "learning_rate"}
    return call(type(shown).__name__, {**changed, **usual})


def _equal(x: Any, default: Any) -> bool:
    try:
        return bool(x == default)
    except ValueError:                              # arrays, of which no default is one
        return False


def views(shown: Any) -> str:
    """Type, dtype, and names with shapes."""
    inside = some((f"{name}: {shape}" for name, shape in shown.shapes.items()), form=str)
    return f"<{type(shown).__name__} {shown.flat.dtype} {{{inside}}}>"


def trainer(shown: Any) -> str:
    """Optimizer, updates made, and how many parameters."""
    flat = shown.params.flat
    return (f"<Trainer: {shown.optimizer!r}, {shown.optimizer.num_update:,} updates of {len(shown.params):,} "
            f"parameters, {flat.size:,} elements, {flat.dtype} on {shown.params.memory.name}>")


def views_html(shown: Any) -> str:
    """A table of names, shapes and sizes."""
    rows = [(name, shape, f"{math.prod(shape):,}") for name, shape in shown.shapes.items()]
    rest = [(f"... ({len(rows):,} in all)", "", f"{shown.flat.size:,}")] if len(rows) > ROWS else []
    caption = f"{type(shown).__name__}: {shown.flat.size:,} elements, {shown.flat.dtype} on {shown.memory.name}"
    lines = [_row("th", ("name", "shape", "elements")), *(_row("td", row) for row in rows[:ROWS] + rest)]
    return f"<table><caption>{html.escape(caption)}</caption>{''.join(lines)}</table>"


def trainer_html(shown: Any) -> str:
    """The same for a trainer, under its optimizer."""
    text = f"Trainer: {shown.optimizer!r}, {shown.optimizer.num_update:,} updates"
    return f"<p>{html.escape(text)}</p>{views_html(shown.params)}"


def _row(tag: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{html.escape(str(cell))}</{tag}>' for cell in cells)}</tr>"
