"""Object files of built-in rules, kept from build to build: after a change of one the others are not compiled anew.

They are in build/objects of a checkout, or where the environment variable NUMOPTIM_OBJECTS says; "": nowhere.
"""
import contextlib
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import llvmlite
import numba
import numpy as np

from numoptim.rule import Rule

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
    store, module = place(), sys.modules.get(rule.update.__module__)
    if store is None or not rule.update.__module__.startswith("numoptim.rules.") or module is None:
        store = None
    else:
        store /= f"{machine}-{rule.name}-{_digest(rule, Path(str(module.__file__)))}"
    with tempfile.TemporaryDirectory(dir=out) as made:
        folder = Path(made)
        if store is not None and store.is_dir():
            folder = store
        else:
            make(folder)
            if store is not None:
                with contextlib.suppress(OSError):          # where nothing can be written, nothing is kept
                    _keep(folder, store)
        return [Path(shutil.copy(file, out)) for file in sorted(folder.iterdir())]


def _digest(rule: Rule, module: Path) -> str:
    files = [*(PACKAGE / f"{name}.py" for name in MATHEMATICS), module]
    for folder in ("kernels", "aot"):
        files += sorted((PACKAGE / folder).glob("*.py"))
    whole = hashlib.sha256(repr((numba.__version__, llvmlite.__version__, np.__version__, platform.python_version(),
                                 rule.name)).encode())
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


def _keep(folder: Path, store: Path) -> None:
    """Put a copy of a folder in its place at once, and away with what it replaces."""
    store.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".new-", dir=store.parent))
    shutil.copytree(folder, beside, dirs_exist_ok=True)
    try:
        beside.rename(store)
    except OSError:                                 # another build was first
        shutil.rmtree(beside)
    for old in store.parent.glob(f"{store.name.rpartition('-')[0]}-*"):
        if old != store:
            shutil.rmtree(old, ignore_errors=True)
