"""The command ``numoptim``: demo, rules, info, config, build, bench."""
import argparse
import importlib.util
import math
import os
import platform
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from . import __version__
from .aot import LIBRARY, PACKAGE
from .face.names import nearest
from .native import processors
from .native.library import source
from .native.plan import SERIAL_BELOW
from .optimizer import Optimizer, RuleOptimizer
from .optimizer.rule_optimizer import from_rule
from .rule import SCOPES, Rule
from .rule.hyperparameters import COMMON, Hyper, checked
from .rules import GROUPS, RULES

WIDTH = 80
DEMO_NEEDS = ("matplotlib", "rich", "sklearn")
CPUINFO = Path("/proc/cpuinfo")
X86_64_LEVELS = {                              # beyond the previous level, in Linux' words
    "v2": {"cx16", "popcnt", "sse4_2", "ssse3"},
    "v3": {"abm", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "v4": {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"},
}
TAKEN = {                                      # C's headers, the C library's parts, and this library
    "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646", "limits", "locale", "math", "setjmp",
    "signal", "stdalign", "stdarg", "stdatomic", "stdbit", "stdbool", "stdckdint", "stddef", "stdint", "stdio",
    "stdlib", "stdnoreturn", "string", "tgmath", "threads", "time", "uchar", "wchar", "wctype",
    "c", "dl", "gcc", "gcc_s", "m", "pthread", "rt", "util", "numoptim", "numoptim_cuda",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line. Returns the exit status: 0, 1 for a failure, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:                    # the reader has gone; nothing may be left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("numoptim", description="Gradient-descent optimizers as compiled kernels.")
    parser.add_argument("--version", action="version", version=f"numoptim {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("demo", help="train two models on real images with every optimizer")
    command.add_argument("--out", type=Path, default=Path(), metavar="DIR",
                         help="for its pictures (default: the current directory)")
    command.add_argument("--seed", type=_seed, default=0, metavar="N",
                         help="of first weights, mini-batches and noise (default: 0)")
    instead = command.add_mutually_exclusive_group()
    instead.add_argument("--animate", action="store_true",
                         help="instead, draw a race of all optimizers down three surfaces, race.gif")
    instead.add_argument("--tune", action="store_true",
                         help="instead, search the learning rates of the demo anew: tuned.json, three minutes")
    instead.add_argument("--export", action="store_true",
                         help="instead, write the data and gradients that C programs train on and replay")
    command.set_defaults(command=demo)
    command = commands.add_parser("rules", help="print equations, slots and hyper-parameters of every optimizer")
    command.add_argument("name", nargs="?", help="of one rule or optimizer")
    command.set_defaults(command=rules)
    command = commands.add_parser("info", help="print versions and what the kernels run on")
    command.set_defaults(command=info)
    command = commands.add_parser("config", help="print what a C compiler needs to use the library")
    command.add_argument("--cflags", action="store_true", help="where the header is")
    command.add_argument("--libs", action="store_true", help="where the library is, also while programs run")
    command.set_defaults(command=config)
    command = commands.add_parser("build", help="make a C library of your own rules")
    command.add_argument("file", type=Path, help="Python file that defines one or more Rules; it is run: trust it")
    command.add_argument("-o", "--out", type=Path, default=Path(), metavar="DIR",
                         help="for lib<file>.so, lib<file>.a and <file>.h (default: the current directory)")
    command.set_defaults(command=build)
    command = commands.add_parser("bench", help="measure everything, and write a report to bench/results")
    command.add_argument("--quick", action="store_true", help="fewer sizes and rounds: two minutes")
    command.set_defaults(command=bench)
    return parser


def _seed(text: str) -> int:
    try:
        return int(checked("seed", int(text), 0, "[0, inf)"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _fail(message: str, status: int) -> int:
    print(f"numoptim: {message}", file=sys.stderr)
    return status


# --- demo

def demo(options: argparse.Namespace) -> int:
    if any(importlib.util.find_spec(name) is None for name in DEMO_NEEDS):
        return _fail("the demo needs matplotlib, rich and scikit-learn: pip install 'numoptim[demo]'", 1)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return _fail(f"--out: {error}", 1)
    if not os.access(options.out, os.W_OK):
        return _fail(f"--out: cannot write to {options.out.absolute()}", 1)
    from .demo import animate, export, run, tune
    if options.animate:
        animate(options.out)
    elif options.tune:
        tune(options.out)
    else:
        (export if options.export else run)(options.out, options.seed)
    return 0


# --- rules

def rules(options: argparse.Namespace) -> int:
    wanted = [rule for rule in RULES if options.name is None or options.name.lower() in _names(rule)]
    if not wanted:
        known = dict.fromkeys(name for rule in RULES for name in (_class(rule).__name__, rule.name))
        return _fail(f"unknown optimizer or rule {options.name!r}{nearest(options.name, known)}", 2)
    for group, its_rules in GROUPS.items():
        shown = [rule for rule in its_rules if rule in wanted]
        if shown:
            print(f"{group.upper()}\n")
        for rule in shown:
            print("\n".join(_described(rule)), end="\n\n")
    print("Every rule has, besides its own:")
    print("\n".join(_labelled("hyper", _hyper_lines(COMMON))))
    return 0


def _class(rule: Rule) -> type[RuleOptimizer]:
    """The first optimizer that a built-in rule is for; one that is no optimizer's has a class of its own."""
    known = (cls for cls in Optimizer.opt_registry.values() if issubclass(cls, RuleOptimizer) and rule in cls.rules)
    return next(known, None) or from_rule(rule)


def _names(rule: Rule) -> tuple[str, str]:
    return rule.name, _class(rule).__name__.lower()


def _described(rule: Rule) -> Iterable[str]:
    yield f"{rule.name} {'-' * (WIDTH - 1 - len(rule.name))}"
    yield from textwrap.wrap(rule.doc.partition("\n")[0], WIDTH)
    yield from _labelled("update", rule.section("Update").splitlines())
    yield from _labelled("note", _wrapped(rule.remark("Update")))
    fewer = {"element": "", "segment": " (one for each parameter)", "all": " (one for all)"}
    slots = [f"{slot}{fewer[slot.over]}" for slot in rule.slots_over(*SCOPES)]
    yield from _labelled("slots", [", ".join(slots) or "none"])
    yield from _labelled("hyper", _hyper_lines({k: v for k, v in rule.fields.items() if COMMON.get(k) != v}))
    options = [(key, repr(default), accepted) for key, (default, _, accepted) in _class(rule).options.items()]
    yield from _labelled("option", _columns(options))
    yield from _labelled("source", _wrapped(rule.section("Source")))


def _labelled(label: str, lines: Iterable[str]) -> Iterable[str]:
    """Lines behind a label of six letters, continued where they are too long."""
    for line in lines:
        yield from textwrap.wrap(line, WIDTH, initial_indent=f"{label:7}", subsequent_indent=" " * 11,
                                 break_long_words=False, break_on_hyphens=False)
        label = ""


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), WIDTH - 7, break_long_words=False, break_on_hyphens=False)


def _hyper_lines(hyper: Hyper) -> list[str]:
    return _columns([(key, "none" if math.isinf(default) else f"{default}", interval)
                     for key, (default, interval) in hyper.items()])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


# --- info

def info(options: argparse.Namespace) -> int:
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    rows = [("numoptim", __version__), ("Python", python)]
    rows += [(name, _version(name)) for name in ("numba", "llvmlite", "numpy", "cffi")]
    rows += [("CPU", _cpu()), ("processors", f"{processors.usable()} usable"), ("kernels", source()),
             ("C library", str(LIBRARY) if LIBRARY.exists() else "none: no C compiler when numoptim was installed"),
             ("threads", f"one below {SERIAL_BELOW:,} elements")]
    print("\n".join(_columns(rows)))
    return 0


def _version(package: str) -> str:
    """Of an installed package, without importing it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    """The processor's name, and the x86-64 level it reaches; both as Linux says, elsewhere as Python does."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    known = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    name = known.get("model name") or platform.processor() or "unknown"
    level, features = platform.machine(), set(known.get("flags", "").split())
    if level == "x86_64" and features:
        level = "x86-64"
        for higher, needed in X86_64_LEVELS.items():
            if not needed <= features:
                break
            level = f"x86-64-{higher}"
    return f"{name}, {level}"


# --- the C library

def config(options: argparse.Namespace) -> int:
    if not LIBRARY.exists():
        return _fail("there is no C library: no C compiler was found when numoptim was installed", 1)
    lib = LIBRARY.parent
    flags = [f"-I{PACKAGE / 'include'}"] * options.cflags
    flags += [f"-L{lib}", "-lnumoptim", f"-Wl,-rpath,{lib}"] * options.libs
    if not flags:
        return _fail("config prints what is asked for: --cflags, --libs or both", 2)
    print(shlex.join(flags))
    return 0


def build(options: argparse.Namespace) -> int:
    from .aot.build import Toolchain, Unavailable, library
    name = options.file.stem
    if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
        return _fail(f"{options.file}: its name begins those of C functions and can only have letters, digits and _", 2)
    if name in TAKEN:
        return _fail(f"{options.file}: {name}.h and lib{name}.so would hide others of these names: rename the file", 2)
    try:
        module = _run(options.file, f"_numoptim_build_{name}")
        own = _rules_of(module)
        names = [rule.name for rule in own]
        if not own:
            return _fail(f"{options.file} names or registers no numoptim.Rule of its own", 1)
        if len(set(names)) < len(names):
            return _fail(f"{options.file}: several of its rules have one name: {', '.join(names)}", 1)
        library(own, options.out, options.out, name, __version__, Toolchain())
    except (Unavailable, ValueError, OSError) as error:
        return _fail(f"{options.file}: {error}", 1)
    print(f"wrote {options.out / f'lib{name}.so'}, {options.out / f'lib{name}.a'} and {options.out / f'{name}.h'}")
    return 0


def _rules_of(module: ModuleType) -> list[Rule]:
    """Those that a module defines: that it names, and those of optimizers which it names or has registered."""
    found: list[Rule] = []
    for x in (*vars(module).values(), *RuleOptimizer.opt_registry.values()):
        rules = x.rules if isinstance(x, type) and issubclass(x, RuleOptimizer) else [x]
        found += [rule for rule in rules if isinstance(rule, Rule)
                  and getattr(rule.update, "__globals__", None) is vars(module)]
    return list(dict.fromkeys(found))


def _run(file: Path, name: str) -> ModuleType:
    """A Python file, run as a module of this name, which no import may have. ValueError for whatever it raises."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.exists():
        raise ValueError("expected a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return module


# --- bench

def bench(options: argparse.Namespace) -> int:
    script = PACKAGE.parent / "bench/run.py"
    if not script.exists():
        return _fail(f"there is no {script}: benches come with the repository, not with the installed package", 1)
    if any(importlib.util.find_spec(name) is None for name in ("matplotlib", "rich")):
        return _fail("benches need matplotlib and rich: pip install 'numoptim[bench]'", 1)
    return subprocess.call([sys.executable, str(script), *["--quick"] * options.quick])
