"""The demo's results as tables for the terminal."""
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .training import BURN_IN, CHOICES, Result

WIDEST = max(len(choice.title) for choice in CHOICES)
COLUMNS = "training\nloss", "test\naccuracy", "us per\nstep", "state\nbytes"
CAPTION = ("loss: mean over all training images; us per step: microseconds of trainer.step alone; state bytes: of the "
           "optimizer, per weight.")


def table(title: str, results: Sequence[Result]) -> Table:
    """A row per optimizer: its name always whole, its hyper-parameters on as many lines as they need."""
    caption = "\n" + " ".join([CAPTION, *(_averaged(result) for result in results if result.samples > 1)])
    rows = Table(title=title, caption=caption, box=SIMPLE_HEAD, show_edge=False, pad_edge=False,
                 title_style="bold", title_justify="left", caption_style="", caption_justify="left")
    rows.add_column("\noptimizer", no_wrap=True, min_width=WIDEST)
    rows.add_column("\nhyper-parameters", overflow="fold")
    for heading in COLUMNS:
        rows.add_column(heading, justify="right", min_width=max(map(len, heading.splitlines())))
    for result in results:
        keywords = ", ".join(f"{key}={value}" for key, value in result.choice.keywords.items())
        rows.add_row(result.choice.title, keywords, f"{result.loss:.4f}", f"{result.accuracy:.4f}",
                     f"{result.microseconds:.1f}", f"{result.state_bytes:g}")
    return rows


def _averaged(result: Result) -> str:
    return (f"{result.choice.title} is a sampler: its loss and accuracy are those of the average prediction of "
            f"{result.samples} samples, taken after a burn-in of {BURN_IN:.0%} of the steps.")
