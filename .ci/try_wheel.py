"""What `make wheel` runs in an environment with its wheel and, in PATH, nothing but Python: a step, and its bits."""
import shutil
import sys

import numpy as np

import numoptim
from numoptim import cli
from numoptim.native.library import source

compilers = [name for name in ("cc", "gcc", "clang") if shutil.which(name)]
assert not compilers, f"there are compilers here: {compilers}"
assert numoptim.__file__.startswith(sys.prefix), numoptim.__file__
params = numoptim.Parameters({"w": np.arange(5.0)})
numoptim.Trainer(params, "sgd", {"learning_rate": 0.5}).step(1, {"w": np.ones(5)})
assert params.flat.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5], params.flat
assert source().startswith("compiled ahead of time"), source()
assert "numba" not in sys.modules
sys.exit(cli.main(["info"]))
