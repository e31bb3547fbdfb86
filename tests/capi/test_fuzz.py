"""Random calls of every C function: a status and nothing written, or the right result; never a crash.

In a process of its own, so that a crash is a failing test that names its seed.
"""
import os
import subprocess
import sys
from pathlib import Path

import pytest

CALLS = 100_000


def fuzz(seed, calls):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(__file__).parents[k]) for k in (0, 1))}
    done = subprocess.run([sys.executable, "-c", f"import fuzzing; fuzzing.run({seed}, {calls})"],
                          capture_output=True, text=True, env=environment, timeout=1800)
    assert done.returncode == 0, f"seed {seed}: exit status {done.returncode}\n{done.stderr[-4000:]}"
    counts = dict(line.split() for line in done.stdout.splitlines())
    assert sum(map(int, counts.values())) == calls
    assert {"0", "-1", "-2", "-3", "-4", "-5"} <= set(counts) and int(counts["0"]) > calls / 10, counts


def test_fuzz_a_little():
    fuzz(0, 5000)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_fuzz(seed):
    fuzz(seed, CALLS // 2)
