"""The demo: real images, two small models in NumPy, and every optimizer."""
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import plots
from .digits import Network, load
from .tables import table
from .training import CHOICES, Result, train

NETWORKS = {
    "Softmax regression (64-10)": Network(64, 10),
    "Two-layer network (64-32-10)": Network(64, 32, 10),
}


def run(out: Path, seed: int) -> None:
    """Train every network with every optimizer, print a table for each network, draw two pictures in ``out``.

    The progress bar goes to standard error: standard output holds the results alone.
    """
    data = load()
    results: dict[str, list[Result]] = {title: [] for title in NETWORKS}
    columns = TextColumn("{task.description:18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    terminal = Console(stderr=True)
    with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
        task = progress.add_task("", total=len(CHOICES) * len(NETWORKS))
        for choice in CHOICES:
            progress.update(task, description=choice.title)
            for title, network in NETWORKS.items():
                results[title].append(train(choice, network, data, seed))
                progress.advance(task)
        progress.update(task, description="drawing")
        plots.convergence(results, out / "convergence.png")
        plots.paths(out / "paths.png")
    for title, group in results.items():
        Console().print(table(title, group), end="\n\n")
    print(f"wrote {out / 'convergence.png'} and {out / 'paths.png'}")
