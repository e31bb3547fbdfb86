"""The demo: real images, two small models in NumPy, three surfaces, and every optimizer."""
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from . import plots, tuning
from .choices import CHOICES, TUNED
from .digits import Network, load
from .export import export
from .surfaces import SURFACES
from .tables import table
from .training import Result, train

__all__ = ["animate", "export", "run", "tune"]
NETWORKS = {
    "Softmax regression (64-10)": Network(64, 10),
    "Two-layer network (64-32-10)": Network(64, 32, 10),
}
CONVERGENCE = "convergence-softmax.png", "convergence-two-layer.png"


def run(out: Path, seed: int) -> None:
    """Train every network with every optimizer, print a table for each network, draw the pictures in ``out``."""
    data = load()
    results: dict[str, list[Result]] = {title: [] for title in NETWORKS}
    with _bar(len(CHOICES) * len(NETWORKS) + len(NETWORKS) + len(SURFACES)) as (progress, task):
        for choice in CHOICES:
            progress.update(task, description=choice.title)
            for title, network in NETWORKS.items():
                results[title].append(train(choice, network, data, seed))
                progress.advance(task)
        written = [out / name for name in (*CONVERGENCE, *(f"paths-{surface.name}.png" for surface in SURFACES))]
        progress.update(task, description="drawing")
        for (title, group), file in zip(results.items(), written, strict=False):
            plots.convergence(title, group, file)
            progress.advance(task)
        for surface, file in zip(SURFACES, written[len(NETWORKS):], strict=True):
            plots.paths(surface, file)
            progress.advance(task)
    for title, group in results.items():
        Console().print(table(title, group), end="\n\n")
    print("\n".join(f"wrote {file}" for file in written))


def animate(out: Path) -> None:
    """Draw the race of all optimizers down the surfaces to ``out``."""
    with _bar(plots.FRAMES) as (progress, task):
        plots.race(out / "race.gif", lambda: progress.advance(task))
    print(f"wrote {out / 'race.gif'}")


def tune(out: Path) -> None:
    """Search the learning rates anew and write them to ``out``."""
    with _bar(len(CHOICES)) as (progress, task):
        found = tuning.tune(NETWORKS.values(), load(), lambda: progress.advance(task))
    file = out / TUNED.name
    file.write_text(json.dumps(found, indent=2) + "\n")
    print(f"wrote {file}")


@contextmanager
def _bar(total: int) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on standard error: standard output holds the results alone."""
    columns = TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    terminal = Console(stderr=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        yield progress, progress.add_task("", total=total)
