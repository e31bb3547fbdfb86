"""Every rule of hand.c, where element-wise ones are loops in C, compiled for this very processor, on one thread.

    python bench/hand.py [--quick] [--json]

The functions of libnumoptim.so and those of hand.c take turns on the same buffers, called from the same jitted loop.
numoptim's check their arguments and work their constants out at every call; hand.c's are given theirs. ``ratio`` =
hand-written / numoptim: below 0.91 numoptim takes more than 1.1 times as long. Before anything is timed, three steps
of both give the same bits. The default sizes lie in the first cache (two), the second, the third (float64) and memory.

What binds: a rule takes at least as long as its divisions and square roots, which share a unit of the processor and
are timed one kind at a time in the first cache, and as a loop that only loads and stores what it does (roofline.py's
limit, at the same size). The larger of the two ``binds`` and is ``bound_ns``; ``of_bound`` = bound / numoptim, 1 where
nothing but that bound is left. ``divides``, ``roots`` and ``streams`` (loads and stores) are counted per element.
"""
import ast
import ctypes
import functools
import inspect
import itertools
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from common import Row, Timed, absent, compared, measure, run
from numba import njit
from roofline import buffers, copies

from numoptim.aot import LIBRARY, digest
from numoptim.aot.build import runs
from numoptim.kernels import hyper_dtype
from numoptim.rule import Rule
from numoptim.rule.hyperparameters import COMMON
from numoptim.rules import RULES

COMPILERS = "gcc", "clang"
FLAGS = "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC"
VALUES = {"wd": 0.01, "rescale_grad": 0.5, "clip_gradient": 0.4, "momentum": 0.9, "clip_weights": 0.9, "wd_lh": 0.1}
SIZES = (100, 1_000, 10_000, 100_000, 10_000_000)
QUICK = (10_000,)
TYPES = {np.float32: "f32", np.float64: "f64"}
IN_CACHE = 1000                                # elements that divisions and roots are timed on
Library = ctypes.CDLL


def compilers() -> Iterator[str]:
    """Those that are here."""
    return (name for name in COMPILERS if runs(name, "--version"))


def compiled(compiler: str, folder: str) -> Library:
    file = Path(folder, f"{compiler}.so")
    subprocess.run([compiler, *FLAGS, str(Path(__file__).with_suffix(".c")), "-o", str(file)], check=True)
    return ctypes.CDLL(str(file))


def numoptim() -> Library:
    """The C library. OSError where it is missing or was built from other sources."""
    library = ctypes.CDLL(str(LIBRARY))
    library.numoptim_sources.restype = ctypes.c_char_p
    if library.numoptim_sources().decode() != digest():
        raise OSError("libnumoptim.so was built from other sources: install numoptim anew")
    return library


@functools.cache
def caller(library: Library, name: str, count: int) -> Callable[..., None]:
    """``f(repeat, words)``: calls a C function of ``count`` integers and pointers, as integers."""
    address = ctypes.cast(library[name], ctypes.c_void_p).value
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * count)(address)

    @njit
    def calls(repeat, words):
        for _ in range(repeat):
            function(*words)

    return calls


def calls(library: Library, name: str, *arguments: int | np.ndarray) -> Timed:
    """A C function on ``arguments``, which it keeps alive."""
    words = tuple(x if isinstance(x, int) else x.ctypes.data for x in arguments)
    call = caller(library, name, len(words))
    return lambda count, alive=arguments: call(count, words)


def step(library: Library, rule: Rule, arrays: list[np.ndarray], t: int) -> Timed:
    """Step t with VALUES, by numoptim or by hand."""
    dtype, size = TYPES[arrays[0].dtype.type], arrays[0].size
    h = np.zeros(1, hyper_dtype(rule)).view(np.recarray)
    for key, (default, _) in rule.fields.items():
        h[key] = VALUES.get(key, default)
    if hasattr(library, "numoptim_version"):
        return calls(library, f"numoptim_{rule.name}_{dtype}", size, *arrays, h, t)
    derived = rule.prepare(t, h[0]) if rule.derived else ()
    constants = np.array([*(h[0][key] for key in {**COMMON, **rule.hyper}), *derived])
    return calls(library, f"hand_{rule.name}_{dtype}", size, *arrays, constants)


def by_hand(name: str, size: int) -> dict[str, Timed]:
    """hand.c's step of a rule in float32 on arrays of its own; nothing where there is no compiler."""
    compiler = next(compilers(), None)
    if compiler is None:
        return {}
    rule = next(rule for rule in RULES if rule.name == name)
    with tempfile.TemporaryDirectory() as folder:
        call = step(compiled(compiler, folder), rule, buffers(rule, size, np.float32), 1000)
    call(1)
    return {f"{compiler} by hand, 1 thread": call}


def check(rule: Rule, dtype: type, library: Library, compiler: Library) -> None:
    """Three steps give the same bits: on 1,003 elements, with gradients of all magnitudes and both signs, and zeros."""
    rng, size = np.random.default_rng(0), 1003
    made = [buffers(rule, size, dtype) for _ in range(2)]
    for t in (1, 2, 3):
        gradient = rng.choice([-1, 0, 1], size) * 10 ** rng.uniform(np.log10(np.finfo(dtype).tiny), 1, size)
        for which, arrays in zip((library, compiler), made, strict=True):
            arrays[1][:] = gradient
            step(which, rule, arrays, t)(1)
    if any(own.tobytes() != other.tobytes() for own, other in zip(*made, strict=True)):
        raise SystemExit(f"hand: {rule.name} in {np.dtype(dtype)}: three steps of numoptim and hand.c differ in bits")


def operations(rule: Rule) -> tuple[int, int]:
    """Divisions and square roots that ``update`` spells for each element."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(rule.update))))
    return (sum(isinstance(node, ast.Div) for node in nodes),
            sum(isinstance(node, ast.Attribute) and node.attr == "sqrt" for node in nodes))


def rows(quick: bool) -> Iterator[Row]:
    try:
        library = numoptim()
    except OSError as error:
        yield absent("libnumoptim.so", error)
        return
    with tempfile.TemporaryDirectory() as folder:
        others = {name: compiled(name, folder) for name in compilers()}
    if not others:
        yield absent(" or ".join(COMPILERS), "no C compiler")
        return
    text = Path(__file__).with_suffix(".c").read_text()          # a newer rule may have no loop there
    chosen = [rule for rule in RULES if f"(hand_{rule.name})(" in text]
    for rule, dtype, other in itertools.product(chosen, TYPES, others.values()):
        check(rule, dtype, library, other)
    for rule, dtype, size in itertools.product(chosen, TYPES, QUICK if quick else SIZES):
        yield from row(rule, dtype, size, library, others, 7 if quick else 15)


def row(rule: Rule, dtype: type, size: int, library: Library, others: dict[str, Library], rounds: int) -> Iterator[Row]:
    arrays, (divides, roots), streams = buffers(rule, size, dtype), operations(rule), 2 * len(rule.slots) + 3
    few, any_other = np.linspace(1, 2, 2 * IN_CACHE, dtype=dtype).reshape(2, -1), next(iter(others.values()))
    copy = copies(len(arrays))
    timed = {
        **{name: step(one, rule, arrays, 1000) for name, one in {"numoptim": library, **others}.items()},
        **{name: calls(any_other, f"hand_{name}_{TYPES[dtype]}", IN_CACHE, *few) for name in ("divide", "root")},
        "copy": lambda count: copy(count, *arrays),
    }
    for call in timed.values():                # compiled on their first call
        call(1)
    spent = measure(timed, rounds)
    divide, root, copied = (1e9 * float(np.median(spent.pop(name))) for name in ("divide", "root", "copy"))
    arithmetic = (divides * divide + roots * root) / IN_CACHE * size
    slow = "divide and root" if roots else "divide"
    bound = max(arithmetic, copied)
    for found in compared(spent, case=rule.name, dtype=np.dtype(dtype).name, n=size, divides=divides, roots=roots,
                          streams=streams, binds=slow if arithmetic > copied else "loads and stores"):
        yield {**found, "bound_ns": round(bound, 2), "of_bound": round(bound / found["ns"], 4)}


if __name__ == "__main__":
    run(rows, __doc__)
