"""What a step of Adam costs by every way in, and what many parameters and multipliers add.

    python bench/overhead.py [--quick] [--json]

``ns`` is a whole call; ``against`` is what it is compared with in turns: for a way in, the C function called from a
jitted loop ("C function"), for many parameters one buffer of the same size. ``ratio`` = the other / this one: how
much of the call is not overhead. "Trainer.step" contains "plan" contains "cffi, extension" contains the C function.
The rows "C" come from capi.c: the library called from C, against a hand-written function with the same checks and
preparation.
"""
import ctypes
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cffi
import numpy as np
from common import Row, Timed, absent, compared, measure, run, stepper, times
from hand import FLAGS, calls, compilers
from hand import numoptim as library
from numba import njit
from roofline import buffers, plan

import numoptim
from numoptim import lr_scheduler, native, optimizer
from numoptim.aot import LIBRARY, PACKAGE, header
from numoptim.rules import RULES

ADAM = next(rule for rule in RULES if rule.name == "adam")
SIZES = (0, 100, 1_000)
TOTAL = 100_000                                # elements of many parameters together
HERE = Path(__file__).parent


def ways(n: int) -> dict[str, Timed]:
    """Every way to make a step on n float32, by name; each on buffers of its own."""
    arrays, hyper = buffers(ADAM, n, np.float32), numoptim.hyper("adam")
    own, weight, grad = plan(ADAM, arrays, 1), *buffers(ADAM, n, np.float32)[:2]
    adam = optimizer.Adam()
    state = adam.create_state(0, weight)
    adam.update(0, weight, grad, state)
    kernel = numoptim.kernel("adam", np.float32)

    @njit
    def jitted(count, w, g, m, v, hyper):
        for _ in range(count):
            kernel(w, g, m, v, hyper, 1000)

    jitted(1, *arrays, hyper)
    found: dict[str, Timed] = {
        "@njit caller": lambda count: jitted(count, *arrays, hyper),
        "@njit kernel from Python": times(lambda: kernel(*arrays, hyper, 1000)),
        "plan": times(stepper(own, 999)),
        "optimizer.update": times(lambda: adam.update(0, weight, grad, state)),
        "Trainer.step": trainer([n]),
        "Trainer.step, schedule": trainer([n], lr_scheduler=lr_scheduler.CosineScheduler(10**9)),
    }
    if n:                                      # else there are no pieces
        call, entry, words = native.library.extension().call, *map(int, own.passes[0, 4:6])
        found["cffi, extension"] = times(lambda: call(entry, words, 1000))
    return found | foreign(n, arrays, hyper)


def foreign(n: int, arrays: list[np.ndarray], hyper: np.void) -> dict[str, Timed]:
    """The C function called with its arguments one by one, as a host without numoptim's Python would."""
    try:
        shared = library()
    except OSError:
        return {}
    record = np.array([hyper])
    ffi = cffi.FFI()
    ffi.cdef(header.declarations([ADAM]))
    opened = ffi.dlopen(str(LIBRARY))
    pointers = [ffi.cast("float *", array.ctypes.data) for array in arrays]
    h = ffi.cast("numoptim_adam *", record.ctypes.data)
    step = shared.numoptim_adam_f32
    words = [array.ctypes.data for array in arrays]
    step.argtypes = [ctypes.c_int64, *[ctypes.c_void_p] * 5, ctypes.c_int64]
    c_function = calls(shared, "numoptim_adam_f32", n, *arrays, record, 1000)
    c_function(1)
    return {"C function": c_function,
            "cffi, opened": times(lambda: opened.numoptim_adam_f32(n, *pointers, h, 1000)),
            "ctypes": times(lambda: step(n, *words, record.ctypes.data, 1000))}


def trainer(sizes: list[int], **keywords: object) -> Timed:
    """Steps of a Trainer of Adam on tensors of these sizes."""
    params = numoptim.Parameters({f"p{k}": np.ones(size, np.float32) for k, size in enumerate(sizes)})
    params.grad.flat[:] = 0.5
    made = numoptim.Trainer(params, "adam", keywords)
    return times(lambda: made.step(1))


def many() -> Iterator[tuple[str, Timed]]:
    for count in (10, 100, 1000):
        yield f"{count} parameters", trainer([TOTAL // count] * count)
    half = {f"p{k}": 0.5 for k in range(0, 1000, 2)}
    yield "1000 parameters, wd_mult alternating", trainer([100] * 1000, wd=0.01, wd_mult=half)
    each = {f"p{k}": 1 + k / 1000 for k in range(1000)}
    yield "1000 parameters, each its lr_mult", trainer([100] * 1000, lr_mult=each)
    adam = optimizer.Adam()
    weights = [np.ones(100, np.float32) for _ in range(1000)]
    grads = [np.ones(100, np.float32) for _ in range(1000)]
    states = [adam.create_state(k, w) for k, w in enumerate(weights)]
    yield "1000 parameters, optimizer.update", times(lambda: adam.update(list(range(1000)), weights, grads, states))


def from_c(quick: bool) -> Iterator[Row]:
    """capi.c's rows."""
    compiler = next(compilers(), None)
    static = PACKAGE / "lib/libnumoptim.a"
    if compiler is None or not static.exists():
        yield {"case": "C", **absent("capi.c", f"no {static}" if compiler else "no C compiler")}
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "capi")
        flags = [flag for flag in FLAGS if flag not in ("-shared", "-fPIC")]
        subprocess.run([compiler, *flags, str(HERE / "capi.c"), f"-I{PACKAGE / 'include'}", str(static), "-lm", "-o",
                        str(program)], check=True)
        printed = subprocess.run([program, "--json"], check=True, capture_output=True, text=True).stdout
    for line in printed.splitlines():
        row = json.loads(line)
        if not quick or row["n"] <= 10_000:
            yield {**row, "against": f"{compiler} by hand", "steady": row["high"] - row["low"] <= 0.2 * row["ratio"]}


def rows(quick: bool) -> Iterator[Row]:
    rounds = 7 if quick else 21
    for n in (100,) if quick else SIZES:
        found = ways(n)
        base = "C function" if "C function" in found else "plan"
        spent = measure(found, rounds)
        for name in [name for name in found if name != base]:
            yield from compared({name: spent[name], base: spent[base]}, own=name, case=name, dtype="float32", n=n)
    found = dict(many())
    spent = measure({"one buffer": trainer([TOTAL]), **found}, rounds)
    for name in found:
        yield from compared({name: spent[name], "one buffer": spent["one buffer"]}, own=name, case=name,
                            dtype="float32", n=TOTAL)
    yield from from_c(quick)


if __name__ == "__main__":
    run(rows, __doc__)
