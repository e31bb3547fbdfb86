"""Write peers.npz beside this file: what the libraries of peer_calls.ENVIRONMENT do whose variables are set.

What there is of the others stays.

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

recorded, before = np.load(HERE / "peers.npz"), rows.recorded_paths()
w, g = rows.problem()
paths = {}
for library in ENVIRONMENT:
    calls = [there for name, there, _, _ in rows.ROWS if name == library]
    answer = ask(library, w=w.tolist(), g=g.tolist(), calls=calls)
    missing = [call for call in calls if answer is None and f"{library}: {call}" not in before]
    if missing:
        sys.exit(f"{ENVIRONMENT[library]} is not set, and {missing} is new")
    paths |= {f"{library}: {call}": answer[call] if answer else before[f"{library}: {call}"] for call in calls}
rates = ask("MXNet", rates=schedules.BY_POSITION, count=schedules.COUNT) or json.loads(str(recorded["rates"]))
signatures = ask("MXNet", signatures=[*rows.CLASSES, *schedules.CLASSES]) or json.loads(str(recorded["signatures"]))
np.savez_compressed(HERE / "peers.npz", calls=json.dumps(list(paths)), paths=np.array(list(paths.values())),
                    rates=json.dumps(rates), signatures=json.dumps(signatures))
