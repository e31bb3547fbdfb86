"""Every bench, one after the other, and the report.

    python bench/run.py [--quick] [--out bench/results]

Writes <machine>.json, the rows of all scripts, and from it report.html, which needs no other file, and PNG plots.
"""
import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import report
from common import Row, line, machine
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

HERE = Path(__file__).parent
SCRIPTS = "roofline", "hand", "peers", "overhead", "scaling", "cold_start"


def rows_of(script: str, quick: bool, show: Progress) -> list[Row]:
    """What a script measures, in a process of its own: no library's threads disturb the others."""
    command = [sys.executable, str(HERE / f"{script}.py"), "--json", *["--quick"] * quick]
    rows = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for text in process.stdout:
            rows.append({"script": script, **json.loads(text)})
            show.console.print(f"{script:10} {line(rows[-1])}", highlight=False, soft_wrap=True)
    if process.returncode:
        raise SystemExit(f"bench/{script}.py failed with status {process.returncode}")
    return rows


def name_of(facts: Row) -> str:
    words = re.sub(r"\(\w+\)|Processor|CPU|@.*", "", facts["processor"])
    return re.sub(r"[^a-z0-9]+", "-", f"{words} {facts['processors']}".lower()).strip("-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds: two minutes")
    parser.add_argument("--out", type=Path, default=HERE / "results", metavar="DIR")
    options = parser.parse_args()
    results = {"machine": machine(), "quick": options.quick, "rows": []}
    columns = TextColumn("{task.description:10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as show:
        task = show.add_task("", total=len(SCRIPTS))
        for script in SCRIPTS:
            show.update(task, description=script)
            results["rows"] += rows_of(script, options.quick, show)
            show.advance(task)
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"{name_of(results['machine'])}.json"
    head, rows = {**results, "rows": []}, ",\n".join(json.dumps(row) for row in results["rows"])
    file.write_text(json.dumps(head, indent=1).replace('"rows": []', f'"rows": [\n{rows}\n]') + "\n")
    print(f"wrote {', '.join(str(path) for path in [file, *report.write(file)])}")


if __name__ == "__main__":
    main()
