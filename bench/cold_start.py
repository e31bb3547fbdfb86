"""From the start of a process to the end of its first step, against what importing other libraries takes.

    python bench/cold_start.py [--quick] [--json]

Whole processes, in turns: wall-clock time of ``python -c``, interpreter included. ``ns`` is the case, ``against``
"import numpy", ``ratio`` = import numpy / case. Before anything is timed each runs once, so that files are in
memory and bytecode is written. A custom rule is compiled in the process, built-in ones come compiled. torch and jax
are looked for as in peers.py.
"""
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import Row, absent, compared, run

STEP = """
import numpy as np, numoptim
params = numoptim.Parameters({"w": np.ones(100, np.float32)})
"""
CUSTOM = """
from numoptim import Rule, optimizer
import textwrap, types, sys
module = types.ModuleType("mine"); sys.modules["mine"] = module
exec("def update(w, g, h):\\n    return w - h.learning_rate * g\\n", vars(module))
optimizer.register(Rule(name="mine", update=module.update, hyper={"learning_rate": (0.1, "[0, inf)")}))
"""
CASES = {                                      # environment variable of another Python, program
    "import numpy": ("", "import numpy"),
    "import numoptim": ("", "import numoptim"),
    "first step, built-in rule": ("", STEP + 'numoptim.Trainer(params, "adam").step(1)'),
    "first step, custom rule": ("", STEP + CUSTOM + 'numoptim.Trainer(params, "mine").step(1)'),
    "import numba": ("", "import numba"),
    "import torch": ("NUMOPTIM_BENCH_TORCH", "import torch"),
    "import jax": ("NUMOPTIM_BENCH_JAX", "import jax"),
}
PATH = str(Path(__file__).parents[1])


def seconds(variable: str, program: str) -> float:
    """ImportError, with its last line of output, for a process that fails."""
    start = time.perf_counter()
    done = subprocess.run([os.environ.get(variable, sys.executable), "-c", program], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": PATH, "PYTHONDONTWRITEBYTECODE": ""})     # as installed
    spent = time.perf_counter() - start
    if done.returncode:
        raise ImportError(done.stderr.strip().splitlines()[-1])
    return spent


def rows(quick: bool) -> Iterator[Row]:
    usable = []
    for case in CASES:
        try:
            seconds(*CASES[case])
            usable.append(case)
        except (ImportError, OSError) as error:
            yield {"case": case, **absent(case.removeprefix("import "), error)}
    rounds = 3 if quick else 15
    spent = {case: np.empty(rounds) for case in usable}
    for k in range(rounds):
        for case in usable[k % len(usable):] + usable[:k % len(usable)]:
            spent[case][k] = seconds(*CASES[case])
    for case in usable[1:]:
        yield from compared({case: spent[case], "import numpy": spent["import numpy"]}, own=case, case=case)


if __name__ == "__main__":
    run(rows, __doc__)
