"""What all benches share: calls timed in turns, ratios with their spread, rows of results.

Two things are compared by taking turns in one process, so that whatever else the machine does meets both. A row
of results holds nanoseconds per call of numoptim (``ns``) and of what it is compared with (``against_ns``), both
medians, and ``ratio`` = against / numoptim as the median over rounds: above 1 numoptim is faster. ``low`` and ``high``
are the quartiles of the ratio; where they lie further apart than a fifth of it the row is marked not ``steady``:
something else used the machine, or the memory.
"""
import argparse
import itertools
import json
import os
import platform
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Timed = Callable[[int], object]                # makes a call as many times as told; may return its seconds, a float
TURN = 2e-3                                    # seconds that a turn takes at least
SPREAD = 0.2


def times(call: Callable[[], object]) -> Timed:
    """``call`` in a loop."""
    def loop(count: int) -> None:
        for _ in itertools.repeat(None, count):
            call()
    return loop


def stepper(made: Any, t: int = 0, module: Any = None) -> Callable[[], None]:
    """A function that makes the next step of a plan: t + 1 first. module: the plan's; None: native."""
    from numoptim import native
    record = native.plan.StepRecord([made], array("q", [t]), array("q", [t]))
    step = (module or native.plan).stepper([made])

    def call() -> None:
        nonlocal t
        t += 1
        assert step(record.address, t) == 0
    return call


def seconds(timed: Timed, count: int) -> float:
    start = time.perf_counter()
    own = timed(count)
    return own if isinstance(own, float) else time.perf_counter() - start


def repeats(timed: Timed, turn: float) -> int:
    """How many calls fill a turn."""
    timed(1)                                   # may start threads or compile
    count = 1
    while (spent := seconds(timed, count)) < turn / 2 and count < 10**9:
        count *= max(2, min(10, int(turn / max(spent, 1e-9))))
    return max(1, round(count * turn / spent))


def measure(calls: Mapping[str, Timed], rounds: int, turn: float = TURN) -> dict[str, np.ndarray]:
    """Seconds per call, ``(rounds,)`` for each: every round times all, beginning with another one each time."""
    names = list(calls)
    counts = {name: repeats(calls[name], turn) for name in names}          # warms up, too
    spent = {name: np.empty(rounds) for name in names}
    for k in range(rounds):
        for name in names[k % len(names):] + names[:k % len(names)]:
            spent[name][k] = seconds(calls[name], counts[name]) / counts[name]
    return spent


def compared(spent: Mapping[str, np.ndarray], own: str = "numoptim", **facts: Any) -> Iterator[Row]:
    """A row for each of the others in ``spent``."""
    for name, other in spent.items():
        if name != own:
            low, middle, high = (round(float(x), 4) for x in np.quantile(other / spent[own], (0.25, 0.5, 0.75)))
            yield {**facts, "against": name, "ns": round(1e9 * float(np.median(spent[own])), 2),
                   "against_ns": round(1e9 * float(np.median(other)), 2),
                   "ratio": middle, "low": low, "high": high, "steady": high - low <= SPREAD * middle}


def absent(what: str, why: object) -> Row:
    """A row for what could not be measured here."""
    return {"against": what, "absent": " ".join(str(why).split())[:200]}


def machine() -> Row:
    """What results depend on beside the code."""
    import numba

    import numoptim
    from numoptim import native
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=Path(__file__).parent, capture_output=True,
                            text=True).stdout.strip()
    return {
        "date": str(date.today()), "processor": processor(), "processors": native.processors.usable(),
        "system": f"{platform.system()} {platform.machine()}", "python": platform.python_version(),
        "numoptim": numoptim.__version__, "commit": commit, "kernels": native.library.source(),
        "numpy": np.__version__, "numba": numba.__version__,
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def line(row: Row) -> str:
    """A row as text."""
    case = " ".join(str(row[key]) for key in ("case", "dtype") if key in row)
    where = f"n={row['n']:,}" if "n" in row else ""
    where += f" threads={row['threads']}" if row.get("threads", 1) > 1 else ""
    if "absent" in row:
        return f"{case:32} {where:24} {row['against']}: absent: {row['absent']}"
    if "ratio" not in row:
        return f"{case:32} {where:24} {row.get('text', '')}"
    return (f"{case:32} {where:24} {row['against']:22} {row['ns']:14,.1f} ns  against {row['against_ns']:14,.1f}  "
            f"ratio {row['ratio']:7.2f}  ({row['low']:.2f} - {row['high']:.2f}){'' if row['steady'] else '  unsteady'}")


def run(rows: Callable[[bool], Iterable[Row]], manual: str | None) -> None:
    """The command line of a bench: prints rows as they come, with ``--json`` one JSON object a line."""
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args()
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    for row in rows(options.quick):
        print(json.dumps(row) if options.json else line(row), flush=True)
    sys.stdout.flush()
