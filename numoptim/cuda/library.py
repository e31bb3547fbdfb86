"""The C library of GPU kernels: fatbins of all rules, their launcher, and a header that is its manual."""
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from numoptim.aot import build as aot
from numoptim.aot import digest, soname
from numoptim.aot.build import Toolchain
from numoptim.aot.header import TYPES, named, template
from numoptim.kernels.abi import FLOAT
from numoptim.rule import Rule

from . import fatbin, header

HERE = Path(__file__).parent
FLAGS = ("-Os", "-fPIC", "-fno-asynchronous-unwind-tables", "-I.", "-c")


def library(rules: Sequence[Rule], lib: Path, include: Path, name: str, tools: Toolchain) -> None:
    """Write ``lib``/lib<name>_cuda.so.MAJOR.MINOR, .so and .a and ``include``/<name>_cuda.h.

    The C library of the same rules and name stands there already: this one is linked to it. Raises ImportError
    without the extra ``cuda``, ValueError for a rule that cannot be compiled.
    """
    own = f"{name}_cuda"
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        _fatbins(rules, work)
        (work / f"{own}.h").write_text(named(header.header(rules), name))
        (work / f"{name}.h").write_bytes((include / f"{name}.h").read_bytes())
        (work / "launcher.h").write_text(named(template(HERE / "launcher.h"), name))
        (work / "launcher.c").write_text(named((HERE / "launcher.c").read_text(), name))
        (work / "library.c").write_text(named(header.source(rules, digest("cuda")), name))
        tools.compile(*FLAGS, "launcher.c", "library.c", cwd=work)
        aot.link(["launcher.o", "library.o"], own, lib, work, tools, f"-L{lib.resolve()}",
                 f"-l{name}", "-ldl", "-lpthread", "-Wl,-rpath,$ORIGIN", file=soname(own))
        aot.replace(work / f"{own}.h", include / f"{own}.h")


def _fatbins(rules: Sequence[Rule], work: Path) -> None:
    jobs = [(rule, dtype, work / f"{rule.name}_{dtype}.fatbin") for rule in rules for dtype in TYPES]
    with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
        list(pool.map(_fatbin, *zip(*jobs, strict=True)))


def _fatbin(rule: Rule, dtype: str, file: Path) -> None:
    file.write_bytes(fatbin(rule, FLOAT[dtype]))


def build(out: Path, version: str) -> None:
    """Write ``out``/lib and ``out``/include: both C libraries, their headers and what finds them.

    Raises aot.build.Unavailable where they cannot be built, ImportError without the extra ``cuda``.
    """
    from numoptim.rules import RULES
    start, tools = time.perf_counter(), Toolchain()
    aot.library(RULES, out / "lib", out / "include", "numoptim", version, tools, soname("numoptim"))
    aot.packages(out, version)
    library(RULES, out / "lib", out / "include", "numoptim", tools)
    aot.fill(HERE / "numoptim_cuda.pc.in", out / "lib/pkgconfig/numoptim_cuda.pc", version)
    print(f"numoptim: built {out}/lib with GPU kernels in {time.perf_counter() - start:.0f} s", file=sys.stderr)
