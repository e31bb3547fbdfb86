"""Ahead of time: from rules to libnumoptim.so, libnumoptim.a and numoptim.h, without Python in them.

    python -m numoptim.aot OUT [--target aarch64]

What is here costs nothing to import, for whoever loads a library: where it is, and the ``digest`` to compare.
"""
from pathlib import Path

from numoptim import __version__

PACKAGE = Path(__file__).parents[1]
MATHEMATICS = "rule", "kernels", "aot"            # folders on which what is made of any rule depends (SOURCES, too)


def soname(name: str) -> str:
    """File name of a library of this package, and what programs linked to it look for: it ends in MAJOR.MINOR.

    Within these, the header promises, programs go on to work. The name without them is for compilers alone.
    """
    return f"lib{name}.so.{'.'.join(__version__.split('.')[:2])}"


LIBRARY = PACKAGE / "lib" / soname("numoptim")


def digest(*more: str) -> str:
    """Of all in this package that the C library and Python's extension are made from, and of ``more`` folders."""
    import hashlib
    files = [PACKAGE / "cuda" / name for name in ("launcher.c", "launcher.h")]
    for folder in (*MATHEMATICS, "rules", *more):
        files += sorted(path for path in (PACKAGE / folder).iterdir() if path.suffix in (".py", ".c", ".h", ".in"))
    whole = hashlib.sha256(__version__.encode())
    for file in files:
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]
