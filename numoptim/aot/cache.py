"""Object files of built-in rules, kept from build to build: after a change of one the others are not compiled anew.

They are in build/objects of a checkout, or where the environment variable NUMOPTIM_OBJECTS says; "": nowhere.
"""
import contextlib
import hashlib
import io
import os
import platform
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import llvmlite
import numba
import numpy as np

from numoptim.rule import Rule
from numoptim.rule.retype import reached

from . import MATHEMATICS, PACKAGE


def place() -> Path | None:
    """The folder that they are kept in, or None."""
    beside = PACKAGE.parent / "build" / "objects" if (PACKAGE.parent / "pyproject.toml").exists() else ""
    wanted = os.environ.get("NUMOPTIM_OBJECTS", str(beside))
    return Path(wanted).absolute() if wanted else None


def kept(rule: Rule, machine: str, out: Path, make: Callable[[Path], None]) -> list[Path]:
    """What ``make(folder)`` writes for a rule and a machine: compiled now, or an earlier time from the same sources.

    Returns the paths of the files in ``out``, in a fixed order.
    """
    store = place() if rule.update.__module__.startswith("numoptim.rules.") else None
    file, sources = store and store / f"{machine}-{rule.name}.zip", _digest(rule)
    archive = file and _read(file, sources)
    if not archive:
        with tempfile.TemporaryDirectory(dir=out) as made:
            make(Path(made))
            archive = _zipped(Path(made))
        if file:
            with contextlib.suppress(OSError):              # where nothing can be written, nothing is kept
                _write(file, hashlib.sha256(sources + archive).digest() + archive)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return [Path(files.extract(name, out)) for name in files.namelist()]


def _digest(rule: Rule) -> bytes:
    """Of all that a rule's object files are made from."""
    functions = [rule.update, rule.prepare, rule.init]
    reductions = []
    for each in rule.reductions:
        functions += [each.terms, each.finish]
        reductions += [each.results, each.values, each.squares, each.over]
    files = {Path(function.__code__.co_filename) for function in reached(functions)}
    files.update(file for folder in MATHEMATICS for file in (PACKAGE / folder).glob("*.py"))
    whole = hashlib.sha256(repr((
        numba.__version__, llvmlite.__version__, np.__version__, platform.python_version(), rule.name, rule.slots,
        rule.fields, rule.derived, rule.gradient, rule.noisy, rule.needs_rate, reductions)).encode())
    for file in sorted(files):
        whole.update(file.read_bytes())
    return whole.digest()


def _zipped(folder: Path) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return whole.getvalue()


def _read(file: Path, sources: bytes) -> bytes | None:
    """The archive in a file, unless it is of other sources, or not what was written."""
    try:
        whole = file.read_bytes()
    except OSError:
        return None
    return whole[32:] if hashlib.sha256(sources + whole[32:]).digest() == whole[:32] else None


def _write(file: Path, whole: bytes) -> None:
    """In the place of what is there, at once: another build reads either."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=".new-", delete=False) as new:
        try:
            new.write(whole)
            new.close()
            os.replace(new.name, file)
        except BaseException:
            os.unlink(new.name)
            raise
