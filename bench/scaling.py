"""Cost against the number of elements and of parameters: a straight line and a constant.

    python bench/scaling.py [--quick] [--json]

A step of ``Trainer`` with Adam in float32 on one thread, against the same step on one element: ``ns`` by ``n``.
Cases: "elements", one parameter; "parameters", n of 100 elements; "multipliers", n of 100 elements with alternating
wd_mult. The fit ns = constant + slope * n is least squares of relative errors over all sizes of a case; "elements"
twice, in cache (up to 100,000) and in memory (from ten million on), since memory is slower than cache. ``off`` is the
largest relative error.
"""
from collections.abc import Callable, Iterator

import numpy as np
from common import Row, compared, measure, run, times

import numoptim

SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 20_000_000, 40_000_000)
COUNTS = (1, 10, 100, 1_000)
IN_CACHE, IN_MEMORY = 100_000, 10_000_000


def elements(n: int) -> numoptim.Trainer:
    return made([n])


def parameters(n: int) -> numoptim.Trainer:
    return made([100] * n)


def multipliers(n: int) -> numoptim.Trainer:
    return made([100] * n, wd=0.01, wd_mult={f"p{k}": 0.5 for k in range(0, n, 2)})


def made(sizes: list[int], **keywords: object) -> numoptim.Trainer:
    params = numoptim.Parameters({f"p{k}": np.ones(size, np.float32) for k, size in enumerate(sizes)})
    params.grad.flat[:] = 0.5
    return numoptim.Trainer(params, "adam", keywords, threads=1)


def fitted(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """(constant, slope, largest relative error) of ns = constant + slope * n."""
    n, ns = np.array(points, float).T
    constant, slope = np.linalg.lstsq(np.stack([1 / ns, n / ns], 1), np.ones(len(n)), rcond=None)[0]
    return float(constant), float(slope), float(np.abs((constant + slope * n) / ns - 1).max())


def line(case: str, points: list[tuple[int, float]]) -> Row:
    constant, slope, off = fitted(points)
    return {"case": f"fit of {case}", "constant_ns": round(constant, 1), "slope_ns": round(slope, 4),
            "off": round(off, 3), "text": f"ns = {constant:,.0f} + {slope:.3f} n, within {off:.0%}"}


def rows(quick: bool) -> Iterator[Row]:
    cases: dict[str, tuple[Callable[[int], numoptim.Trainer], tuple[int, ...]]] = {
        "elements": (elements, SIZES), "parameters": (parameters, COUNTS), "multipliers": (multipliers, COUNTS)}
    for case, (make, sizes) in cases.items():
        points = []
        for n in sizes[:-3] if quick and case == "elements" else sizes:
            own, one = make(n), elements(1)
            calls = {"numoptim": times(lambda own=own: own.step(1)), "one element": times(lambda one=one: one.step(1))}
            for row in compared(measure(calls, 5 if quick else 15), case=case, n=n):
                points.append((n, row["ns"]))
                yield row
        if case == "elements":
            yield line("elements in cache", [point for point in points if point[0] <= IN_CACHE])
            large = [point for point in points if point[0] >= IN_MEMORY]
            if len(large) > 1:
                yield line("elements in memory", large)
        else:
            yield line(case, points)


if __name__ == "__main__":
    run(rows, __doc__)
