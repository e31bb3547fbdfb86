"""Every rule on an NVIDIA GPU: first that its bits are the processor's, then its speed against the memory's.

    python bench/gpu.py [--quick] [--json FILE] [--rules adam,lamb] [--sizes 10000,1000000]

Takes numoptim[cuda] and a driver; PyTorch with CUDA where it is to be compared. Before anything is timed, three steps
of every rule and type, on segments with two groups of hyper-parameters, must leave the same bits in all buffers as on
the processor. Then, all timed by the device's own clock, in turns, in the rows of common.py:

"<rule>": a step against a device-to-device copy that reads and writes as many bytes in all; ``ratio`` = copy / rule:
1 is the memory's limit, and ``gb_s`` is what the rule moves. Small sizes are what a launch costs, for both.
"<optimizer> step": Trainer.step on one buffer, and on 1,000 tensors of 100, against torch's fused and multi-tensor
("foreach") optimizers; above 1 numoptim is faster.
"<optimizer> host": what the processor does for a step of 100 elements, against a captured step's advance and replay.
"""
import argparse
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, Timed, absent, compared, line, machine, measure, stepper, times
from peer_server import RATES, start, torch_step
from peers import trainer
from roofline import NORMS_READ

from numoptim.cuda import driver, plan
from numoptim.cuda.array import zeros
from numoptim.kernels.abi import places
from numoptim.native import plan as native
from numoptim.rule import Rule
from numoptim.rules import RULES

SIZES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
QUICK = (10_000, 10_000_000)
MANY = [100] * 1000                            # tensors
TYPES = (np.float32, np.float64)
CHECKED = 3 * 4096 + 1003                      # elements
OFFSETS = np.array([0, 7, 7, 4096 + 20, CHECKED])


def uploaded(context: driver.Context, array: np.ndarray) -> Any:
    made = zeros(context, driver.LEGACY, array.size, array.dtype)
    made.copy_from(array)
    return made


# --- correctness

def check(rule: Rule, dtype: type, context: driver.Context) -> None:
    """SystemExit unless three steps, and the first slots, have the bits of the processor's."""
    rng = np.random.default_rng(0)
    host = [np.asarray(rng.standard_normal(CHECKED), dtype) for _ in "wg"]
    host += [np.asarray(rng.random(CHECKED), dtype) if slot.over == "element" else
             rng.random(len(OFFSETS) - 1 if slot.over == "segment" else 1) for slot in rule.slots]
    device = [uploaded(context, array) for array in host]
    values = {key: default for key, (default, _) in rule.fields.items()}
    if rule.inits:
        for module, arrays in ((native, host), (plan, device)):
            module.initialise(rule, arrays[0], [arrays[k] for k in places(rule, "element")], values)
    groups = np.array([0, 1, 0, 1])
    for module, arrays in ((native, host), (plan, device)):
        made = module.Plan(native.Pass(rule, ("w", "g", *rule.slots)), arrays, OFFSETS, groups, 2, 1)
        made.fill([{**values, "wd": 0.01, "lr_mult": rate, "wd_mult": decay}
                   for rate, decay in ((1.0, 1.0), (0.5, 2.0))])
        step = stepper(made, module=module)
        for t in (1, 2, 3):
            made.set(t, values.get("learning_rate", 0.0), 0.5)
            step()
    for name, own, other in zip(("w", "g", *rule.slots), host, device, strict=True):
        wrong = np.flatnonzero(own.view(f"i{own.itemsize}") != other.to_host().view(f"i{own.itemsize}"))
        if wrong.size:
            raise SystemExit(f"gpu: {rule.name} in {np.dtype(dtype)}: {wrong.size} of {CHECKED} elements of {name} "
                             f"have other bits than the processor's, the first is {wrong[0]}")


# --- time

def by_device(call: Callable[[], object]) -> Timed:
    """``call`` in a loop, in seconds of the device, from an event on the legacy stream to another."""
    def loop(count: int) -> float:
        first, last = driver.check("cuEventCreate", 0), driver.check("cuEventCreate", 0)
        driver.check("cuEventRecord", first, driver.LEGACY)
        for _ in itertools.repeat(None, count):
            call()
        driver.check("cuEventRecord", last, driver.LEGACY)
        driver.check("cuEventSynchronize", last)
        milliseconds = float(driver.check("cuEventElapsedTime", first, last))
        for event in (first, last):
            driver.check("cuEventDestroy", event)
        return milliseconds / 1e3

    return loop


def by_host(call: Callable[[], object]) -> Timed:
    """``call`` in a loop, in seconds of the processor, after the device has done what it was given."""
    def loop(count: int) -> None:
        driver.check("cuCtxSynchronize")
        times(call)(count)
    return loop


def kernel(rule: Rule, dtype: type, size: int, rounds: int, context: driver.Context) -> Iterator[Row]:
    case: Row = {"case": rule.name, "dtype": np.dtype(dtype).name, "n": size}
    elements = 2 + len(rule.slots_over("element"))
    moved = (2 * elements - 1 + NORMS_READ.get(rule.name, 0)) * np.dtype(dtype).itemsize
    try:
        arrays = [zeros(context, driver.LEGACY, size, dtype) for _ in "wg"]
        arrays += [zeros(context, driver.LEGACY, size, dtype) if slot.over == "element" else
                   zeros(context, driver.LEGACY, 1, float) for slot in rule.slots]
        source, target = (driver.Allocation(context, moved * size // 2) for _ in range(2))
    except RuntimeError as error:              # no memory left
        yield {**case, **absent("copy", error)}
        return
    begin, gradient = start(size)
    arrays[0].copy_from(begin.astype(dtype))
    arrays[1].copy_from(gradient.astype(dtype))
    values = {key: default for key, (default, _) in rule.fields.items()}
    whole = native.Pass(rule, ("w", "g", *rule.slots))
    made = plan.Plan(whole, arrays, np.array([0, size]), np.zeros(1, np.int64), 1, 1)
    made.fill([{**values, "lr_mult": 1.0, "wd_mult": 1.0}])
    made.set(1, values.get("learning_rate", 0.0), 1.0)
    calls = {"numoptim": by_device(stepper(made, 999, plan)),
             "copy": by_device(lambda: driver.copy(target.ptr, source.ptr, moved * size // 2, driver.LEGACY))}
    for row in compared(measure(calls, rounds), **case):
        yield {**row, "bytes": moved, "gb_s": round(moved * size / row["ns"], 2)}


def against_torch(optimizer: str, sizes: list[int], rounds: int) -> Iterator[Row]:
    case: Row = {"case": f"{optimizer} step" if len(sizes) == 1 else f"{optimizer} {len(sizes)} x {sizes[0]}",
                 "dtype": "float32", "n": sum(sizes)}
    try:
        peers = {f"torch {how}": by_device(torch_step(optimizer, sizes, 1, device="cuda", **{how: True})[0])
                 for how in ("fused", "foreach")}
    except Exception as error:                 # not installed, without CUDA, out of memory
        yield {**case, **absent("torch", f"{type(error).__name__}: {error}")}
        return
    own = trainer(optimizer, sizes, device="cuda")
    yield from compared(measure({"numoptim": by_device(lambda: own.step(1)), **peers}, rounds), **case)


def host(optimizer: str, rounds: int) -> Iterator[Row]:
    stream = int(driver.check("cuStreamCreate", 1))                   # the legacy stream cannot be captured
    own = trainer(optimizer, [100], device="cuda", stream=stream)
    own.step(1)                                                       # loads the kernels
    driver.check("cuStreamBeginCapture", stream, driver.api().CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_GLOBAL)
    own.step(1)
    graph = driver.check("cuStreamEndCapture", stream)
    executable = driver.check("cuGraphInstantiate", graph, 0)

    def replay() -> None:
        own.advance(1)
        driver.check("cuGraphLaunch", executable, stream)

    calls = {"numoptim": by_host(lambda: own.step(1)), "advance and replay": by_host(replay)}
    yield from compared(measure(calls, rounds), case=f"{optimizer} host", dtype="float32", n=100)
    driver.check("cuCtxSynchronize")
    for name, handle in (("cuGraphExecDestroy", executable), ("cuGraphDestroy", graph), ("cuStreamDestroy", stream)):
        driver.check(name, handle)


# --- all of it

def device(context: driver.Context) -> Row:
    """What results depend on beside the code and the processor."""
    count = driver.api().CUdevice_attribute.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
    return {"gpu": driver.check("cuDeviceGetName", 128, context.ordinal).split(b"\0")[0].decode(),
            "capability": context.capability / 10, "driver": int(driver.check("cuDriverGetVersion")),
            "multiprocessors": int(driver.check("cuDeviceGetAttribute", count, context.ordinal))}


def rows(rules: list[Rule], sizes: list[int], rounds: int, context: driver.Context) -> Iterator[Row]:
    for rule, dtype, size in itertools.product(rules, TYPES, sizes):
        yield from kernel(rule, dtype, size, rounds, context)
    for optimizer in RATES:
        if optimizer in {rule.name for rule in rules}:
            for tensors in (*([size] for size in sizes), MANY):
                yield from against_torch(optimizer, tensors, rounds)
            yield from host(optimizer, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, count of checks and rows there")
    parser.add_argument("--rules", default=",".join(rule.name for rule in RULES), help="names, default all")
    parser.add_argument("--sizes", default="", help="elements, default 1e4 to 1e8")
    options = parser.parse_args()
    rules = [rule for rule in RULES if rule.name in options.rules.split(",")]
    sizes = [int(size) for size in options.sizes.split(",") if size] or (QUICK if options.quick else SIZES)
    try:
        context = driver.context(0)
    except (ImportError, RuntimeError) as error:
        sys.exit(f"gpu: {error}")
    with context:
        results: Row = {"machine": {**machine(), **device(context)}, "checked": 0, "rows": []}
        print(", ".join(f"{key} {value}" for key, value in device(context).items()))
        for rule, dtype in itertools.product(rules, TYPES):
            check(rule, dtype, context)
            results["checked"] += 1
        print(f"the processor's bits in {results['checked']} of {len(rules) * len(TYPES)} rules and types", flush=True)
        for row in rows(rules, list(sizes), 5 if options.quick else 15, context):
            results["rows"].append(row)
            print(line(row), flush=True)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
