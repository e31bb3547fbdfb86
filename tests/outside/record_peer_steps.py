"""Run the cases of peer_steps.py in torch or optax and write data/torch-2.13.0.npz or data/optax-0.2.8.npz.

In an environment of its own: ``pip install torch==2.13.0`` or ``pip install "jax[cpu]" optax==0.2.8``, then
``python tests/outside/record_peer_steps.py torch``, or ``optax``. In double precision: ``w`` and ``g``, the ``calls``,
and for each its weights after every step.
"""
import importlib
import sys
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from peer_calls import trajectory  # noqa: E402
from peer_steps import CASES, VERSIONS, problem  # noqa: E402


def main(library: str) -> None:
    version = importlib.import_module(library).__version__.partition("+")[0]
    assert version == VERSIONS[library], version
    to = TESTS / "data" / f"{library}-{version}.npz"
    w, g = problem()
    calls = list(dict.fromkeys(case.peer for case in CASES[library]))
    paths = np.array([trajectory(library, call, w.tolist(), g.tolist()) for call in calls])
    np.savez_compressed(to, w=w, g=g, calls=np.array(calls), paths=paths)
    print(to, to.stat().st_size)


if __name__ == "__main__":
    main(*sys.argv[1:])
