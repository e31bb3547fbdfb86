"""``python -m numoptim.cuda OUT``: build the C library of GPU kernels; ``--figures``: a table about them."""
import argparse
import sys
from pathlib import Path

from numoptim import __version__
from numoptim.aot import PACKAGE
from numoptim.aot.build import Unavailable
from numoptim.rules import RULES

from .figures import table
from .library import build

parser = argparse.ArgumentParser("python -m numoptim.cuda", description=__doc__)
parser.add_argument("out", type=Path, nargs="?", help="folder for lib/ and include/")
parser.add_argument("--package", dest="out", action="store_const", const=PACKAGE,
                    help="the folder of the package itself, where Python looks for it")
parser.add_argument("--figures", action="store_true", help="print what is counted in the machine code, as Markdown")
options = parser.parse_args()
if options.out is None and not options.figures:
    parser.error("say where to: OUT or --package; or --figures")
if options.out is not None:
    try:
        build(options.out, __version__)
    except (Unavailable, ImportError) as reason:
        sys.exit(f"numoptim: {reason}")
if options.figures:
    print(table(RULES), end="")
