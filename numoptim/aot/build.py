"""Compile and link: the library, its header and package files, and the extension that Python calls it by."""
import contextlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from numoptim.rule import Rule

from . import digest, header, soname

HERE = Path(__file__).parent
CUDA = HERE.parent / "cuda"
ALLOWED = {"memset", "_GLOBAL_OFFSET_TABLE_", header.ISA}       # what kernels may need of the world
SOURCES = "crew.c", "steps.c", "python.c"            # of the extension, in order
EXTENSION = """
int32_t call(intptr_t entry, intptr_t plan, int64_t t);
int32_t expose(void);
int32_t steps(intptr_t records, intptr_t numbers, int64_t count);
"""


class Unavailable(RuntimeError):
    """This machine has no compiler, or is of a kind that libraries are not built for."""


def runs(*command: str) -> bool:
    """Whether a program is there and works: a name in PATH may be a proxy of nothing."""
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


class Toolchain:
    """A C compiler for Linux on ``machine``, and its binutils."""

    def __init__(self, machine: str = "") -> None:
        from . import levels
        self.machine = machine or platform.machine()
        if sys.platform != "linux" or self.machine not in levels.LEVELS:
            raise Unavailable(f"no ahead-of-time build for {sys.platform} on {self.machine}")
        native = self.machine == platform.machine()
        self.cc = shlex.split(os.environ.get("CC", "cc")) if native else [f"{self.machine}-linux-gnu-gcc"]
        if not self.cc or not runs(*self.cc, "--version"):
            raise Unavailable(f"no C compiler {' '.join(self.cc)!r}")
        self.levels = len(levels.LEVELS[self.machine])

    def compile(self, *arguments: str, cwd: Path) -> None:
        self._run(*self.cc, *arguments, cwd=cwd)

    def binutil(self, name: str, *arguments: str, cwd: Path) -> str:
        found = subprocess.run([*self.cc, f"-print-prog-name={name}"], capture_output=True, text=True, check=True)
        return self._run(found.stdout.strip(), *arguments, cwd=cwd)

    def _run(self, *command: str, cwd: Path) -> str:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout


def library(rules: Sequence[Rule], lib: Path, include: Path, name: str, version: str, tools: Toolchain,
            file: str = "") -> None:
    """Write ``lib``/lib<name>.so and .a and ``include``/<name>.h; their functions are called ``<name>_...``.

    file: see ``link``. Raises ValueError for a rule that cannot be compiled, or not without a runtime.
    """
    text = header.named(header.header(rules, version), name)
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        files = [file.name for file in _objects(rules, work, tools)]
        (work / f"{name}.h").write_text(text)
        source = header.dispatcher(rules, tools.levels, "numoptim", digest())
        (work / "dispatch.c").write_text(header.named(source, name))
        tools.compile("-O2", "-fPIC", "-fno-asynchronous-unwind-tables", "-c", "dispatch.c", cwd=work)
        link([*files, "dispatch.o"], name, lib, work, tools, "-nostartfiles", file=file)
        replace(work / f"{name}.h", include / f"{name}.h")


def link(objects: Sequence[str], name: str, lib: Path, work: Path, tools: Toolchain, *options: str,
         file: str = "") -> None:
    """Write ``lib``/lib<name>.so and .a of object files in ``work``; they export what begins with <name>_.

    file: another name for the .so, that programs look for: lib<name>.so is then a line of text that sends linkers
    there, as a link would, which wheels cannot hold.
    """
    shared = f"lib{name}.so"
    file = file or shared
    (work / "exports").write_text(f"{{ global: {name}_*; local: *; }};\n")
    # Nothing below depends on names of files or on time, so that two builds are equal byte by byte.
    tools.compile("-shared", "-s", "-o", "shared", *objects, f"-Wl,-soname,{file}",
                  "-Wl,--version-script=exports", "-Wl,-Bsymbolic", "-Wl,--no-undefined", "-Wl,-z,noexecstack",
                  "-Wl,-z,noseparate-code", "-Wl,--build-id=none", *options, cwd=work)
    tools.binutil("ld", "-r", "-o", f"{name}.o", *objects, cwd=work)
    tools.binutil("objcopy", "--wildcard", f"--keep-global-symbol={name}_*", "--strip-unneeded", f"{name}.o", cwd=work)
    tools.binutil("ar", "rcsD", "static", f"{name}.o", cwd=work)
    replace(work / "shared", lib / file)
    if file != shared:
        (work / "script").write_text(f"INPUT({file})\n")
        replace(work / "script", lib / shared)
    replace(work / "static", lib / f"lib{name}.a")


def _objects(rules: Sequence[Rule], work: Path, tools: Toolchain) -> list[Path]:
    """Object files of all kernels, in a fixed order."""
    from . import ir
    one, check = partial(ir.objects, machine=tools.machine, folder=work), ir.check_object(tools.machine, work)
    if len(rules) == 1:
        groups = [one(rules[0])]
    else:
        with ProcessPoolExecutor(mp_context=get_context("fork")) as pool:
            groups = list(pool.map(one, rules))
    for rule, files in zip(rules, groups, strict=True):
        listed = tools.binutil("nm", "-gP", *(file.name for file in files), cwd=work).splitlines()
        symbols = [line.split()[:2] for line in listed if not line.endswith(":")]
        undefined = {name for name, kind in symbols if kind == "U"} - {name for name, kind in symbols if kind != "U"}
        if undefined - ALLOWED:
            raise ValueError(f"rule {rule.name!r} needs {', '.join(sorted(undefined - ALLOWED))}, which a library "
                             "without Python does not have: rules may raise nothing and call math.sqrt, math.copysign "
                             "and the functions of numoptim.rule")
    return [check, *(file for files in groups for file in files)]


def replace(made: Path, wanted: Path) -> None:
    """Put a file in place at once: whoever has the old one loaded keeps it."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    beside = wanted.with_name(f".{wanted.name}.{os.getpid()}")
    shutil.copyfile(made, beside)
    if ".so" in wanted.suffixes:
        beside.chmod(0o755)
    beside.replace(wanted)


def packages(out: Path, version: str) -> None:
    """Write what pkg-config and CMake find the library by."""
    for template, folder in (("numoptim.pc", "pkgconfig"), ("numoptim-config.cmake", "cmake/numoptim"),
                             ("numoptim-config-version.cmake", "cmake/numoptim")):
        fill(HERE / f"{template}.in", out / "lib" / folder / template, version)


def fill(template: Path, target: Path, version: str) -> None:
    """Write a template's text with the version in it."""
    text, (major, minor, _) = template.read_text(), version.split(".")
    for mark, value in (("@VERSION@", version), ("@MAJOR@", major), ("@MINOR@", minor)):
        text = text.replace(mark, value)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def python_headers() -> Path:
    """Their folder. Raises Unavailable where they are missing."""
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        raise Unavailable(f"no {include / 'Python.h'}")
    return include


def extension(out: Path, tools: Toolchain) -> None:
    """Write ``out``/_native.abi3.so: the static library, how Python calls it (SOURCES), and cuda/launcher.c."""
    import cffi
    builder = cffi.FFI()
    builder.cdef(header.common() + header.launcher() + EXTENSION)
    builder.set_source("numoptim._native", '#include "numoptim.h"\n#include "launcher.h"\n' +
                       "".join((HERE / name).read_text() for name in SOURCES))
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        with contextlib.redirect_stdout(None):
            builder.emit_c_code(str(work / "_native.c"))
        (work / "launcher.h").write_text(header.template(CUDA / "launcher.h"))
        shutil.copyfile(CUDA / "launcher.c", work / "launcher.c")
        static, headers = (out / "lib/libnumoptim.a").resolve(), (out / "include").resolve()
        tools.compile("-O2", "-fPIC", "-fvisibility=hidden", "-pthread", "-shared", "-s", "-DPy_LIMITED_API=0x030b0000",
                      "-Werror=implicit-function-declaration", "-include", str(HERE / "glibc.h"), "_native.c",
                      "launcher.c", str(static), f"-I{python_headers()}", f"-I{headers}", "-I.", "-o", "made",
                      "-Wl,--exclude-libs,ALL", "-Wl,-Bsymbolic", "-Wl,--build-id=none", "-ldl", cwd=work)
        replace(work / "made", out / "_native.abi3.so")


def build(out: Path, version: str, python: bool = False, machine: str = "") -> bool:
    """Write everything to ``out``; ``python``: the extension too. Returns whether this machine could.

    Where it cannot, nothing is written, and standard error says why.
    """
    from numoptim.rules import RULES
    start = time.perf_counter()
    try:
        tools = Toolchain(machine)
        if python:
            python_headers()                       # all or nothing: a wheel without an extension is for every machine
        library(RULES, out / "lib", out / "include", "numoptim", version, tools, soname("numoptim"))
        packages(out, version)
        if python:
            extension(out, tools)
    except Unavailable as reason:
        print(f"numoptim: {reason}; Python will compile kernels in process", file=sys.stderr)
        return False
    print(f"numoptim: built {out}/lib in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return True
