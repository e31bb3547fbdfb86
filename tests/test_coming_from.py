"""Every row of the README's "Coming from": the call here goes where the call there went.

The required run compares with trajectories recorded from those libraries (data/peers.npz, written by
data/record_peers.py); where a variable of peer_calls.ENVIRONMENT names a Python with a library, with that one too.
"""
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from peer_calls import ENVIRONMENT, ask

from numoptim import optimizer

README = (Path(__file__).parents[1] / "README.md").read_text()
SECTION = README.split("\n## Coming from\n")[1].split("\n## ")[0]
DATA = Path(__file__).parent / "data" / "peers.npz"
STEPS, SIZE = 50, 8
ROUNDING = 1e-11
RECORD = "record the libraries anew: tests/data/record_peers.py"


def problem():
    """Weights and gradients: every element keeps its order of magnitude, from 0.001 to 1."""
    rng = np.random.default_rng(12)
    size = np.logspace(-3, np.log10(0.5), SIZE) * rng.uniform(1, 2, (STEPS, SIZE))
    return rng.uniform(-1, 1, SIZE), size * np.where(rng.random((STEPS, SIZE)) < 0.7, 1, -1)


def rows():
    """(library, call there, call here, off by) of each row, as printed."""
    library = ""
    for line in SECTION.splitlines():
        if header := re.fullmatch(r"\| (\S+) ([\d.]+) \| numoptim \| off by \|", line):
            library = header[1]
        elif row := re.fullmatch(r"\| `(.+)` \| `(.+)` \| (\S+) \|", line):
            yield library, row[1], row[2], float(row[3])


ROWS = list(rows())


@functools.cache
def recorded_paths():
    recorded = np.load(DATA)
    return dict(zip(json.loads(str(recorded["calls"])), recorded["paths"], strict=True))


def names():
    """What a call here may use: the optimizers, and what the section's Python defines."""
    found = {}
    exec(re.search(r"```python\n(.*?)```", SECTION, re.S)[1], found)
    return {**found, **{name: getattr(optimizer, name) for name in dir(optimizer)}}


def off_by(here, path):
    """The largest difference of a weight, as a part of the way that it went."""
    (w, gradients), worst = problem(), 0.0
    optimize, way = eval(here, names()), abs(path - w).max(axis=0)
    state = optimize.create_state(0, w)
    for g, expected in zip(gradients, path, strict=True):
        optimize.update(0, w, g, state)
        worst = max(worst, (abs(w - expected) / way).max())
    return worst


def check(row, path):
    _, there, here, stated = row
    worst = off_by(here, np.array(path))
    assert worst <= stated, f"{there}: off by {worst:.1e}"
    assert stated == ROUNDING or worst > stated / 100, f"{there}: off by only {worst:.1e}"


def test_the_readme_has_rows_for_every_library():
    assert {library for library, *_ in ROWS} == set(ENVIRONMENT)
    assert len(ROWS) == SECTION.count("\n| `") and len({row[:2] for row in ROWS}) == len(ROWS)


def test_the_recording_is_of_these_rows():
    assert set(recorded_paths()) == {f"{library}: {there}" for library, there, _, _ in ROWS}, RECORD


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_row(row):
    paths, key = recorded_paths(), f"{row[0]}: {row[1]}"
    assert key in paths, RECORD
    check(row, paths[key])


@pytest.mark.parametrize("library", ENVIRONMENT)
def test_rows_beside_the_library(library):
    w, g = problem()
    paths = ask(library, w=w.tolist(), g=g.tolist(), calls=[there for name, there, _, _ in ROWS if name == library])
    if paths is None:
        pytest.skip(f"{ENVIRONMENT[library]} names no Python with {library}")
    for row in ROWS:
        if row[0] == library:
            check(row, paths[row[1]])


# --- MXNet's names and defaults

CLASSES = ["SGD", "NAG", "AdaGrad", "RMSProp", "AdaDelta", "Adam", "Adamax", "Nadam", "Signum", "LBSGD", "LARS", "LAMB",
           "DCASGD", "Ftrl", "FTML", "SGLD"]
OF_ITS_NETWORKS = {"sym", "param_dict"}          # what gives MXNet's optimizers names and multipliers
LAZY = {"lazy_update"}                           # of sparse gradients


def signatures():
    return ask("MXNet", signatures=CLASSES) or json.loads(str(np.load(DATA)["signatures"]))


def differences(cls):
    """{keyword: default here} where MXNet's class has another default or no such keyword."""
    made, theirs = getattr(optimizer, cls)(), signatures()[cls]
    theirs["learning_rate"] = theirs["learning_rate"] or 0.01         # its Optimizer makes this of None
    own = {key for rule in made.rules for key in rule.fields} - {"offset"} | set(made.options)
    return {key: getattr(made, key) for key in own if getattr(made, key) != theirs.get(key, "none")}


def test_names_and_defaults_are_mxnets_but_for_what_the_readme_says():
    paragraph = README.split("Names and defaults are those of MXNet 1.9.1, ")[1].split("\n\n")[0]
    stated = {cls: {} for cls in CLASSES}
    for cls, keywords in re.findall(r"`(\w+)\((.+?)\)`", paragraph):
        stated[cls] = eval(f"dict({keywords})")
    assert {cls: differences(cls) for cls in CLASSES} == stated


@pytest.mark.parametrize("cls", CLASSES)
def test_mxnets_keywords_are_known(cls):
    unknown = {key for key in signatures()[cls] if not hasattr(getattr(optimizer, cls)(), key)}
    assert unknown - OF_ITS_NETWORKS - LAZY == ({"eps", "momentum_correction"} if cls == "LARS" else set())

