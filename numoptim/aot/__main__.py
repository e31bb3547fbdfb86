"""``python -m numoptim.aot OUT``: build the C library."""
import argparse
import sys
from pathlib import Path

from numoptim import __version__

from .build import build

parser = argparse.ArgumentParser("python -m numoptim.aot", description=__doc__)
parser.add_argument("out", type=Path, help="folder for lib/ and include/")
parser.add_argument("--target", default="", metavar="MACHINE", help="x86_64 or aarch64 (default: this machine)")
options = parser.parse_args()
sys.exit(0 if build(options.out, __version__, machine=options.target) else 1)
