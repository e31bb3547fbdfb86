"""The two pictures of the demo."""
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator

from numoptim.native.arrays import Array

from . import valley
from .training import CHOICES, Choice, Result

COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf")
STYLES = "-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1))       # each for as many lines as there are colours
WINDOW = 84                 # mini-batches, two epochs
ROWS = 5                    # of paths
STEP_TICKS = 0, 10, 50, 100, 200, 400, 600, 800, 1000, 1200


def convergence(results: Mapping[str, Sequence[Result]], file: Path) -> None:
    """Training loss against step: a panel per model, a line per optimizer."""
    figure, axes = _figure(1, len(results), (16, 9))
    for ax, (title, group) in zip(axes, results.items(), strict=True):
        for k, result in enumerate(group):
            name = result.choice.title + " (samples)" * (result.samples > 1)
            ax.plot(np.arange(1, len(result.losses) + 1), smooth(result.losses), label=name,
                    color=COLOURS[k % len(COLOURS)], linestyle=STYLES[k // len(COLOURS)], linewidth=1.5)
        ax.set_xscale("function", functions=(np.sqrt, np.square))       # room for the first steps, and for the last
        ax.set(yscale="log", xlim=(0, len(group[0].losses)))
        ax.xaxis.set_major_locator(FixedLocator(STEP_TICKS))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_title(title, fontsize=13)
        ax.set_xlabel("step (square-root scale)", fontsize=12)
        ax.grid(which="both", color="0.92")
    axes[0].set_ylabel("training loss (mean of the latest mini-batches)", fontsize=12)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", handlelength=3.2, labelspacing=0.4,
                  fontsize=12, frameon=False)
    figure.savefig(file, dpi=100)


def smooth(losses: Array) -> Array:
    """Means over the latest quarter of the steps so far, at most WINDOW of them."""
    sums = np.cumsum([0.0, *losses])
    n = np.arange(1, len(losses) + 1)
    start = n - np.minimum(-(-n // 4), WINDOW)
    return np.asarray((sums[n] - sums[start]) / (n - start))


def paths(file: Path, choices: Sequence[Choice] = CHOICES) -> None:
    """The way of every optimizer down one valley, a panel each; the last one explains them."""
    columns = -(-(len(choices) + 1) // ROWS)
    figure, axes = _figure(ROWS, columns, (3.2 * columns, 2.9 * ROWS))
    for ax, choice in zip(axes, choices, strict=False):
        dots = _path(ax, choice)
    for ax in axes[len(choices):]:
        ax.axis("off")
    bar = axes[-1].inset_axes((0.08, 0.72, 0.84, 0.09))
    figure.colorbar(dots, cax=bar, orientation="horizontal").set_label("step", fontsize=11)
    explained = "+  lowest point\n\nLines of equal height;\nexact gradients, float32"
    axes[-1].text(0.5, 0.26, explained, ha="center", va="center", fontsize=11)
    figure.savefig(file, dpi=100)


def _path(ax: Axes, choice: Choice) -> Any:
    x, y = np.meshgrid(np.linspace(-2.2, 2.0, 200), np.linspace(-1.2, 2.0, 200))
    ax.contour(x, y, valley.height(x, y), levels=np.geomspace(0.02, 20, 10), colors="0.82", linewidths=0.8)
    points = valley.path(choice)
    ax.plot(*points.T, color="0.3", linewidth=0.8)
    dots = ax.scatter(points[:, 0], points[:, 1], c=np.arange(len(points)), cmap="plasma", s=14, zorder=3)
    ax.plot(*valley.MINIMUM, "k+", markersize=12, zorder=4)
    ax.set(xticks=[], yticks=[], xlim=(x.min(), x.max()), ylim=(y.min(), y.max()))
    ax.set_title(choice.title, fontsize=13)
    lines = [f"{key} = {value}" for key, value in valley.keywords(choice).items()]
    ax.text(0.03, 0.97, "\n".join(lines), transform=ax.transAxes, va="top", fontsize=8.5, color="0.25")
    return dots


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Any]:
    """A figure on a canvas of its own: no global state, no display."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, np.ravel(figure.subplots(rows, columns))
