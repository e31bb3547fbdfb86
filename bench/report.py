"""The report of a run: report.html, which needs no other file, and the plots in it as PNG.

    python bench/report.py bench/results/<machine>.json

A plot shows medians; bars and bands reach from the first to the third quartile, hollow points are unsteady: their
quartiles lie more than a fifth of the ratio apart, something else used the machine.
"""
import base64
import html
import io
import json
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

from common import Row
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#17becf")
NOT_SHOWN = {"script", "steady", "low", "high", "text"}
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72em; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
td, th { padding: 2px 10px; border-bottom: 1px solid #ddd; text-align: right }
td:first-child, th:first-child { text-align: left }
img { max-width: 100% } .unsteady { color: #a60 } details { margin: 1em 0 } summary { cursor: pointer }
"""


def panels(count: int, size: tuple[float, float]) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, count, squeeze=False)[0]


def curve(ax: Axes, rows: Sequence[Row], colour: str, label: str, y: str = "ratio") -> None:
    """Median against n, the quartiles as a band, hollow where unsteady."""
    rows = sorted(rows, key=lambda row: row["n"])
    n = [row["n"] for row in rows]
    ax.plot(n, [row[y] for row in rows], color=colour, label=label, linewidth=1.5)
    for row in rows:
        ax.plot(row["n"], row[y], "o", color=colour, markerfacecolor=colour if row["steady"] else "white", markersize=5)
    if y == "ratio":
        ax.fill_between(n, [row["low"] for row in rows], [row["high"] for row in rows], color=colour, alpha=0.15)


def bars(ax: Axes, rows: Sequence[Row], labels: Sequence[str], y: str = "ratio") -> None:
    """A bar for each row, from the top, with its number."""
    places = range(len(rows))
    ax.barh(places, [row[y] for row in rows], color=COLOURS[0], height=0.7)
    for place, row in zip(places, rows, strict=True):
        end = row[y]
        if y == "ratio":
            ax.plot([row["low"], row["high"]], [place, place], color="black", linewidth=1)
            end = max(end, row["high"])
        ax.annotate(f" {row[y]:,.0f}" if row[y] >= 100 else f" {row[y]:.3g}", (end, place), va="center", fontsize=8)
    ax.set_yticks(places, labels, fontsize=9)
    ax.invert_yaxis()
    ax.margins(x=0.12)


def by(rows: Sequence[Row], *keys: str) -> list[tuple[tuple, list[Row]]]:
    """Rows in groups of equal ``keys``."""
    def key(row: Row) -> tuple:
        return tuple(row.get(k) for k in keys)
    return [(k, list(group)) for k, group in groupby(sorted(rows, key=lambda row: str(key(row))), key)]


def roofline(rows: Sequence[Row]) -> Figure:
    figure, axes = panels(2, (13, max(6.5, 0.24 * len({row["case"] for row in rows}))))
    bandwidth, limits = axes
    single = [row for row in rows if row["threads"] == 1 and row["dtype"] == "float32"]
    for colour, case in zip(COLOURS, ("sgd", "adam", "rmsprop", "ftrl"), strict=False):
        curve(bandwidth, [row for row in single if row["case"] == case], colour, case, "gb_s")
    limit = [{**row, "gb_s": row["gb_s"] * row["ns"] / row["against_ns"]} for row in single if row["case"] == "adam"]
    curve(bandwidth, limit, "0.5", "limit of adam", "gb_s")
    bandwidth.set(xscale="log", xlabel="elements", ylabel="GB/s moved, float32, 1 thread", ylim=(0, None))
    bandwidth.legend(frameon=False)
    largest = max(row["n"] for row in rows)
    last = [row for row in rows if row["n"] == largest]
    names = list(dict.fromkeys(row["case"] for row in last))
    for shift, (kind, group) in enumerate(by(last, "dtype", "threads")):
        places = [names.index(row["case"]) + 0.18 * (shift - 1.5) for row in group]
        limits.hlines(places, [row["low"] for row in group], [row["high"] for row in group], COLOURS[shift], alpha=0.5)
        for place, row in zip(places, group, strict=True):
            limits.plot(row["ratio"], place, "o", color=COLOURS[shift], markersize=5,
                        markerfacecolor=COLOURS[shift] if row["steady"] else "white")
        limits.plot([], [], "o", color=COLOURS[shift], label=f"{kind[0]}, {kind[1]} thread{'s' * (kind[1] > 1)}")
    limits.axvline(1, color="0.6", linewidth=1)
    limits.set_yticks(range(len(names)), names)
    limits.set(xlabel=f"limit / rule at {largest:,} elements (1 is the machine's limit)", xlim=(0.5, 1.3))
    limits.invert_yaxis()
    limits.legend(frameon=False, loc="lower left", fontsize=8)
    return figure


def peers(rows: Sequence[Row]) -> Figure:
    figure, axes = panels(2, (13, 6))
    for ax, what in zip(axes, ("adam step", "adam kernel"), strict=True):
        chosen = [row for row in rows if row["case"] == what and (row["threads"] > 1 or what.endswith("kernel"))]
        for colour, ((peer, threads), group) in zip(COLOURS, by(chosen, "against", "threads"), strict=False):
            label = f"{peer}, {threads} thread{'s' * (threads > 1)}" if what.endswith("kernel") else peer
            curve(ax, group, colour, label)
        ax.axhline(1, color="0.6", linewidth=1)
        ax.set(xscale="log", yscale="log", xlabel="elements, float32", ylabel="times as long as numoptim", title=what)
        ax.yaxis.set_major_formatter("{x:g}")
        ax.legend(frameon=False)
    return figure


def hand(rows: Sequence[Row]) -> Figure:
    figure, axes = panels(2, (13, 6))
    for ax, dtype in zip(axes, ("float32", "float64"), strict=True):
        chosen = [row for row in rows if row["dtype"] == dtype and row["n"] == 10_000]
        bars(ax, chosen, [f"{row['case']} ({row['binds']})" for row in chosen])
        ax.axvline(1, color="0.6", linewidth=1)
        ax.set(xlabel=f"gcc / numoptim at 10,000 elements, {dtype}, 1 thread")
    return figure


def overhead(rows: Sequence[Row]) -> Figure:
    figure, (ax,) = panels(1, (11, 6))
    calls = [row for row in rows if row["n"] in (100, 100_000)]
    bars(ax, calls, [f"{row['case']} (n={row['n']:,})" for row in calls], "ns")
    ax.set(xscale="log", xlabel="nanoseconds per call")
    return figure


def scaling(rows: Sequence[Row]) -> Figure:
    figure, (ax,) = panels(1, (9, 6))
    for colour, ((case,), group) in zip(COLOURS, by([row for row in rows if "n" in row], "case"), strict=False):
        curve(ax, group, colour, case, "ns")
    fits = "\n".join(f"{row['case']}: {row['text']}" for row in rows if "text" in row)
    ax.set(xscale="log", yscale="log", xlabel="elements, or parameters", ylabel="nanoseconds per step")
    ax.annotate(fits, (0.02, 0.7), xycoords="axes fraction", va="top", fontsize=8)
    ax.legend(frameon=False)
    return figure


def cold_start(rows: Sequence[Row]) -> Figure:
    figure, (ax,) = panels(1, (9, 4))
    milliseconds = [{**row, "ms": row["ns"] / 1e6} for row in rows]
    bars(ax, milliseconds, [row["case"] for row in rows], "ms")
    ax.set(xlabel="milliseconds, whole process")
    return figure


PLOTS: dict[str, tuple[str, Callable[[Sequence[Row]], Figure]]] = {
    "roofline": ("Against the machine's limit", roofline),
    "hand": ("Against hand-written C in cache", hand),
    "peers": ("Against other libraries", peers),
    "overhead": ("What a call costs", overhead),
    "scaling": ("Cost against size", scaling),
    "cold_start": ("Cold start", cold_start),
}


def table(rows: Sequence[Row]) -> str:
    """Rows as HTML, every fact a column."""
    keys = list(dict.fromkeys(key for row in rows for key in row if key not in NOT_SHOWN))
    lines = []
    for row in rows:
        cells = (f"{row[k]:,}" if isinstance(row.get(k), int) else f"{row[k]:,.4g}" if isinstance(row.get(k), float)
                 else str(row.get(k, "")) for k in keys)
        mark = "" if row.get("steady", True) else " class=unsteady"
        spread = f"{row['low']:.2f} - {row['high']:.2f}{' ~' * bool(mark)}" if "ratio" in row else row.get("text", "")
        lines.append(f"<tr{mark}>{''.join(f'<td>{html.escape(cell)}</td>' for cell in (*cells, spread))}</tr>")
    heads = "".join(f"<th>{html.escape(key)}</th>" for key in (*keys, "quartiles"))
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>"


def write(file: Path) -> list[Path]:
    """Write report.html and the plots beside the results ``file``. Returns their paths."""
    results = json.loads(file.read_text())
    written, parts = [], []
    for script, (title, draw) in PLOTS.items():
        rows = [row for row in results["rows"] if row["script"] == script]
        if not rows:
            continue
        source = (Path(__file__).parent / f"{script}.py").read_text()
        manual = source.split('"""')[1]
        image = io.BytesIO()
        draw([row for row in rows if "absent" not in row]).savefig(image, format="png", dpi=90)
        written.append(file.parent / f"{script}.png")
        written[-1].write_bytes(image.getvalue())
        picture = base64.b64encode(image.getvalue()).decode()
        parts.append(f"<h2>{title}</h2><img src='data:image/png;base64,{picture}' alt='{title}'>"
                     f"<pre>{html.escape(manual.strip())}</pre>"
                     f"<details><summary>{len(rows)} rows</summary>{table(rows)}</details>")
    facts = "".join(f"<tr><td>{key}</td><td>{html.escape(str(value))}</td></tr>"
                    for key, value in results["machine"].items())
    quick = "<p>A quick run: few sizes and rounds.</p>" if results["quick"] else ""
    page = (f"<!doctype html><html lang=en><meta charset=utf-8><title>numoptim: benches</title><style>{STYLE}</style>"
            f"<h1>numoptim: benches</h1><table>{facts}</table>{quick}{''.join(parts)}</html>\n")
    written.append(file.parent / "report.html")
    written[-1].write_text(page)
    return written


if __name__ == "__main__":
    print("\n".join(str(path) for path in write(Path(sys.argv[1]))))
