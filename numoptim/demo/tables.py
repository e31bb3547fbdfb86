"""The demo's results as tables for the terminal."""
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .choices import CHOICES
from .training import BURN_IN, Result

WIDEST = max(len(choice.title) for choice in CHOICES)
BEST = min, max, min, min
COLUMNS = "training\nloss", "test\naccuracy", "us per\nstep", "state\nbytes"
CAPTION = ("* best of its column. loss: mean over all training images; us per step: microseconds of trainer.step "
           "alone, the fastest step; state bytes: of the optimizer, per weight.")


def table(title: str, results: Sequence[Result]) -> Table:
    """A row per optimizer: its name always whole, its hyper-parameters on as many lines as they need."""
    caption = "\n" + " ".join([CAPTION, *(_averaged(result) for result in results if result.samples > 1)])
    rows = Table(title=title, caption=caption, box=SIMPLE_HEAD, show_edge=False, pad_edge=False,
                 title_style="bold", title_justify="left", caption_style="", caption_justify="left")
    rows.add_column("\noptimizer", no_wrap=True, min_width=WIDEST)
    rows.add_column("\nhyper-parameters", overflow="fold")
    for heading in COLUMNS:
        rows.add_column(heading, justify="right", min_width=max(map(len, heading.splitlines())))
    cells = [(f"{result.loss:.4f}", f"{result.accuracy:.4f}", f"{result.microseconds:.1f}", f"{result.state_bytes:g}")
             for result in results]
    best = [pick(column, key=float) for pick, column in zip(BEST, zip(*cells, strict=True), strict=True)]
    for result, row in zip(results, cells, strict=True):
        keywords = ", ".join(f"{key}={value}" for key, value in result.keywords.items())
        marked = [f"[bold]{cell}*[/]" if cell == least else f"{cell} " for cell, least in zip(row, best, strict=True)]
        rows.add_row(result.choice.title, keywords, *marked)
    return rows


def _averaged(result: Result) -> str:
    return (f"{result.choice.title} is a sampler: its loss and accuracy are those of the average prediction of "
            f"{result.samples} samples, taken after a burn-in of {BURN_IN:.0%} of the steps.")
