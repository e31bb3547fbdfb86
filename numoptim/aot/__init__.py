"""Ahead of time: from rules to libnumoptim.so, libnumoptim.a and numoptim.h, without Python in them.

    python -m numoptim.aot OUT [--target aarch64]

``digest`` is here so that importing it costs nothing: whoever loads a library compares it.
"""
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def digest(*more: str) -> str:
    """Of all in this package that the C library and Python's extension are made from, and of ``more`` folders."""
    files = [PACKAGE / f"{name}.py" for name in ("gradient", "hyperparameters", "random", "rule")]
    files += [PACKAGE / "cuda" / name for name in ("launcher.c", "launcher.h")]
    for folder in ("aot", "kernels", "rules", *more):
        files += sorted(path for path in (PACKAGE / folder).iterdir() if path.suffix in (".py", ".c", ".h", ".in"))
    whole = hashlib.sha256()
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]
