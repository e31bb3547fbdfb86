"""The pictures of the demo, and its race."""
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, LogLocator

from numoptim.native.arrays import Array
from numoptim.optimizer import Optimizer, RuleOptimizer
from numoptim.rules import GROUPS

from .choices import CHOICES, Choice
from .surfaces import STEPS, SURFACES, Surface
from .training import Result

COLOURS = dict(zip(GROUPS, ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#ff7f0e"),
                   strict=False))                # the last group has no optimizers
COLUMNS = 7
GREY = "0.82"
WINDOW = 84                 # mini-batches, two epochs
DRAWN = 200                 # points of a line
STEP_TICKS = 0, 100, 400, 900, 1600
TRAIL, LEADERS, FRAMES_PER_SECOND = 12, 5, 12
FRAMES = STEPS + 1 + 2 * FRAMES_PER_SECOND       # the last is shown for two seconds more


def convergence(title: str, results: Sequence[Result], file: Path) -> None:
    """Training loss against step: a panel per optimizer, before all others in grey, the least loss first."""
    figure, axes = _figure(len(results), sharex=True, sharey=True)
    steps = len(results[0].losses)
    shown = np.unique(np.geomspace(1, steps, DRAWN).astype(int)) - 1
    lines = [np.stack([shown + 1, smooth(result.losses)[shown]], axis=1) for result in results]
    order = sorted(range(len(results)), key=lambda k: results[k].loss)
    for place, (ax, k) in enumerate(zip(axes, order, strict=False), 1):
        result = results[k]
        ax.add_collection(LineCollection(lines, colors=GREY, linewidths=0.6))
        ax.plot(*lines[k].T, color=_colour(result.choice), linewidth=2)
        ax.set_title(f"{place}. {result.choice.title}", fontsize=12)
        ax.text(0.97, 0.95, f"{result.loss:.4f}", transform=ax.transAxes, ha="right", va="top", fontsize=11)
        ax.set_xscale("function", functions=(np.sqrt, np.square))       # room for the first steps, and for the last
        ax.set(yscale="log", xlim=(0, steps), ylim=_limits(lines))
        ax.xaxis.set_major_locator(FixedLocator(STEP_TICKS))
        ax.yaxis.set_major_locator(LogLocator())
        ax.yaxis.set_major_formatter("{x:g}")
        ax.grid(color="0.94")
    figure.suptitle(f"{title}: training loss, mean of the latest mini-batches; the number is that of all images at the "
                    "end", fontsize=14)
    figure.supxlabel("step (square-root scale)", fontsize=13)
    _explain(axes, len(results), _keys())
    figure.savefig(file, dpi=100)


def smooth(losses: Array) -> Array:
    """Means over the latest quarter of the steps so far, at most WINDOW of them."""
    sums = np.cumsum([0.0, *losses])
    n = np.arange(1, len(losses) + 1)
    start = n - np.minimum(-(-n // 4), WINDOW)
    return np.asarray((sums[n] - sums[start]) / (n - start))


def paths(surface: Surface, file: Path, choices: Sequence[Choice] = CHOICES) -> None:
    """The way of every optimizer down a surface, a panel each."""
    figure, axes = _figure(len(choices), sharex=True, sharey=True)
    for ax, choice in zip(axes, choices, strict=False):
        _ground(ax, surface)
        points = surface.path(choice)
        ax.plot(*points.T, color="0.3", linewidth=0.8)
        dots = ax.scatter(points[:, 0], points[:, 1], c=np.arange(len(points)), cmap="plasma", s=14, zorder=3)
        ax.set_title(choice.title, fontsize=12)
        lines = [f"{key} = {value}" for key, value in choice.keywords(surface.name).items()]
        ax.text(0.03, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8.5, color="0.25")
    figure.suptitle(f"{surface.name.capitalize()}: {STEPS} steps on the height {surface.formula}, by exact gradients",
                    fontsize=14)
    figure.supxlabel("x", fontsize=13)
    figure.supylabel("y", fontsize=13)
    last = _explain(axes, len(choices), [Line2D([], [], color="k", marker="+", linestyle="", label="lowest point"),
                                         Line2D([], [], color=GREY, label="equal height")])
    figure.colorbar(dots, cax=last.inset_axes((0.08, 0.2, 0.84, 0.09)), orientation="horizontal").set_label("step")
    figure.savefig(file, dpi=100)


def race(file: Path, done: Callable[[], object]) -> None:
    """All optimizers on all surfaces at once, as a moving picture (GIF); ``done`` is called behind each frame."""
    figure, axes = _figure(len(SURFACES), columns=len(SURFACES), size=(4.6, 6.2))
    ways = [np.array([surface.path(choice) for choice in CHOICES]) for surface in SURFACES]
    colours = [_colour(choice) for choice in CHOICES]
    moving: list[Any] = []
    for ax, surface, way in zip(axes, SURFACES, ways, strict=True):
        _ground(ax, surface)
        ax.set_title(f"{surface.name.capitalize()}\n{surface.formula}", fontsize=11)
        trails = ax.add_collection(LineCollection([], colors=colours, linewidths=1.2, alpha=0.6))
        dots = ax.scatter(way[:, 0, 0], way[:, 0, 1], c=colours, s=22, zorder=3)
        moving.append((trails, dots, ax.set_xlabel("", fontsize=11, loc="left")))
    figure.legend(handles=_keys(), loc="outside lower center", ncols=len(COLOURS), fontsize=9, frameon=False)
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    with writer.saving(figure, file, dpi=80):
        for step in np.minimum(range(FRAMES), STEPS):
            figure.suptitle(f"step {step}", fontsize=13)
            for surface, way, (trails, dots, leaders) in zip(SURFACES, ways, moving, strict=True):
                trails.set_segments(way[:, max(0, step - TRAIL):step + 1])
                dots.set_offsets(way[:, step])
                height = surface.height(*way[:, step].T)
                best = [f"{CHOICES[k].title}: {height[k]:.1e}" for k in np.argsort(height, kind="stable")[:LEADERS]]
                leaders.set_text("\n".join(["lowest", *best]))
            writer.grab_frame()
            done()


def _ground(ax: Axes, surface: Surface) -> None:
    left, right, bottom, top = surface.frame
    x, y = np.meshgrid(np.linspace(left, right, 200), np.linspace(bottom, top, 200))
    height = surface.height(x, y)
    ax.contour(x, y, height, levels=np.geomspace(0.005 * height.max(), height.max(), 10), colors=GREY, linewidths=0.8)
    ax.plot(*np.transpose(surface.minima), "k+", markersize=12, zorder=4)
    ax.set(xlim=(left, right), ylim=(bottom, top))


def _limits(lines: Sequence[Array]) -> tuple[float, float]:
    """Of all lines, from what the worst begins with down to the least."""
    values = np.concatenate([line[:, 1] for line in lines])
    return float(values.min()) / 1.5, float(values.max()) * 1.5


def _colour(choice: Choice) -> str:
    cls = Optimizer.opt_registry[choice.name.lower()]
    assert issubclass(cls, RuleOptimizer)
    return next(COLOURS[group] for group, rules in GROUPS.items() if cls.rules[0] in rules)


def _keys() -> list[Line2D]:
    """What the colours mean."""
    return [Line2D([], [], color=colour, linewidth=2, label=group) for group, colour in COLOURS.items()]


def _figure(panels: int, columns: int = COLUMNS, size: tuple[float, float] = (3.2, 2.9),
            **options: Any) -> tuple[Figure, list[Axes]]:
    """Panels, and one more to explain them where there are several rows; no global state, no display."""
    rows = 1 if panels <= columns else -(-(panels + 1) // columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(np.ravel(figure.subplots(rows, columns, **options)))


def _explain(axes: Sequence[Axes], panels: int, keys: Sequence[Line2D]) -> Axes:
    for ax in axes[panels:]:
        ax.axis("off")
    axes[-1].legend(handles=keys, loc="upper center", fontsize=11, frameon=False)
    return axes[-1]
