"""``python -m numoptim.cuda OUT``: a fatbin for each rule and element type; ``--figures``: a table about them."""
import argparse
from pathlib import Path

from numoptim.rules import RULES

from . import fatbin

parser = argparse.ArgumentParser("python -m numoptim.cuda", description=__doc__)
parser.add_argument("out", type=Path, nargs="?", help="folder for <rule>_<f32|f64>.fatbin")
parser.add_argument("--figures", action="store_true", help="print what is counted in the machine code, as Markdown")
options = parser.parse_args()
if options.out is None and not options.figures:
    parser.error("say where to, or --figures")
if options.out is not None:
    options.out.mkdir(parents=True, exist_ok=True)
    for rule in RULES:
        for name, dtype in (("f32", "float32"), ("f64", "float64")):
            (options.out / f"{rule.name}_{name}.fatbin").write_bytes(fatbin(rule, dtype))
if options.figures:
    from .figures import table
    print(table(RULES), end="")
