"""Write peers.npz beside this file: what the libraries of peer_calls.ENVIRONMENT do, all its variables being set.

    NUMOPTIM_BENCH_TORCH=... NUMOPTIM_BENCH_JAX=... ... python tests/data/record_peers.py

calls, paths   the README's "Coming from": calls there, and weights after each step
rates          MXNet's schedules by position: call -> rates (JSON)
signatures     MXNet's classes: arguments in order and their defaults (JSON)
"""
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import test_coming_from as rows  # noqa: E402
import test_lr_scheduler as schedules  # noqa: E402
from peer_calls import ENVIRONMENT, ask  # noqa: E402

w, g = rows.problem()
paths = {}
for library in ENVIRONMENT:
    calls = [there for name, there, _, _ in rows.ROWS if name == library]
    answer = ask(library, w=w.tolist(), g=g.tolist(), calls=calls)
    if answer is None:
        sys.exit(f"{ENVIRONMENT[library]} is not set")
    paths |= {f"{library}: {call}": path for call, path in answer.items()}
np.savez_compressed(
    HERE / "peers.npz", calls=json.dumps(list(paths)), paths=np.array(list(paths.values())),
    rates=json.dumps(ask("MXNet", rates=schedules.BY_POSITION, count=schedules.COUNT)),
    signatures=json.dumps(ask("MXNet", signatures=[*rows.CLASSES, *schedules.CLASSES])))
