"""Write states-<version>-<case>.npz beside this file, for test_compatibility.py: run it once, at a release.

Each holds a file of save_states after five steps, and the weights then and after three steps more.
"""
import sys
import tempfile
from pathlib import Path

import numpy as np

import numoptim

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from test_compatibility import CASES, trainer, walk  # noqa: E402

for case in CASES:
    made = trainer(case)
    walk(made, range(5))
    with tempfile.TemporaryDirectory() as folder:
        made.save_states(Path(folder) / "states")
        states = np.frombuffer((Path(folder) / "states").read_bytes(), np.uint8)
    before = made.params.flat.copy()
    walk(made, range(5, 8))
    np.savez_compressed(HERE / f"states-{numoptim.__version__}-{case}.npz", states=states, before=before,
                        after=made.params.flat)
