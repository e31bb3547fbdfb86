"""What versions promise about files: states that earlier versions saved resume bit for bit.

Earlier within this MAJOR (before 1.0: this MINOR). The files are kept from each release, written by
data/record_states.py.
"""
from pathlib import Path

import numpy as np
import pytest

import numoptim
from numoptim.lr_scheduler import FactorScheduler

DATA = Path(__file__).parent / "data"
CASES = {
    "adam": {"lr_scheduler": FactorScheduler(2, 0.5, 0, 0.25), "wd": 0.125, "wd_mult": {"b": 0}},
    "lbsgd": {"momentum": 0.5, "batch_scale": 3, "warmup_strategy": "lars", "lr_mult": {"w*": 0.5}},
    "sgld": {"learning_rate": 0.25, "seed": 5, "clip_gradient": 0.5},
    "rmsprop": {"centered": True, "learning_rate": 0.125, "gamma2": 0.5},
}


def trainer(case):
    return numoptim.Trainer(numoptim.Parameters({"w": np.linspace(-1, 1, 12).reshape(3, 4), "b": np.ones(5)}), case,
                            CASES[case])


def walk(made, steps):
    for k in steps:
        made.params.grad.flat[:] = np.arange(17) % (k + 2) - 1
        made.step(2)


def parts(version):
    major, minor, _ = version.split(".")
    return (major, minor) if major == "0" else major


FILES = [path for path in sorted(DATA.glob("states-*.npz"))
         if parts(path.stem.split("-")[1]) == parts(numoptim.__version__)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_earlier_states_resume(path, tmp_path):
    recorded, made = np.load(path), trainer(path.stem.split("-")[2])
    (tmp_path / "states").write_bytes(recorded["states"].tobytes())
    made.load_states(tmp_path / "states")
    made.params.flat[:] = recorded["before"]
    walk(made, range(5, 8))
    np.testing.assert_array_equal(made.params.flat, recorded["after"])


def test_this_version_has_its_files():
    cases = {path.stem.split("-")[2] for path in DATA.glob(f"states-{numoptim.__version__}-*.npz")}
    assert cases == set(CASES), "at a release run tests/data/record_states.py"
