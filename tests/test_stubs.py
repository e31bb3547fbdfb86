"""What editors and type checkers know of the optimizers, whose classes are made when the package is imported.

SCRIPT is a user's: mypy and pyright must refuse the lines marked "# refused", and no other.
"""
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jedi
import pytest
from setuptools import Distribution

from numoptim import optimizer
from numoptim.optimizer import stubs

ROOT = Path(__file__).parents[1]
SCRIPT = '''\
import numpy as np

import numoptim
from numoptim import optimizer
from numoptim.lr_scheduler import CosineScheduler
from numoptim.optimizer import LAMB, SGD, State

adam = optimizer.Adam(beta1=0.8, lr_scheduler=CosineScheduler(max_update=9), lr_mult={"w": 0.5, 1: 0})
beta: float = adam.beta1
adam.beta2 = 0.99
lamb = LAMB(upper_bound=3.0, bias_correction=False, clip_gradient=None)
bound: float | None = lamb.upper_bound
count: int = optimizer.LBSGD(batch_scale=2).batch_scale
made: optimizer.Optimizer = optimizer.create("sgd", momentum=0.9)
cls: type[optimizer.Optimizer] = optimizer.find("sgd")
state: State = SGD(momentum=0.9, wd=1e-4).create_state(0, np.zeros(3))
trainer = numoptim.Trainer(numoptim.Parameters({"w": np.zeros(3)}), adam)
trainer.step()
trainer.step(grads={"w": np.zeros(3), "layers": [{"w": np.zeros(2)}, {"w": [1.0]}]})
trainer.params["w"] = trainer.params.grad["w"]
trainer.params.grad = {"w": np.zeros(3)}
optimizer.Adam(beta1=np.float32(0.9), epsilon=np.float64(1e-8), learning_rate=np.array(0.1), wd=1,
               lr_mult={"w": np.float32(0.5)}, begin_num_update=np.int64(3))
optimizer.LBSGD(batch_scale=np.int64(2), clip_gradient=np.float32(3))
adam.wd, adam.clip_gradient, adam.lr_scheduler = 0.1, None, CosineScheduler(9)
updater = optimizer.get_updater(adam)
updater(0, np.zeros(3), np.zeros(3))

def update(w: float, g: float, h: SGD) -> tuple[float]:
    return (w - g,)

Plain = optimizer.register(numoptim.Rule(name="plain", update=update, slots=(), hyper={}))
plain: optimizer.RuleOptimizer = Plain(learning_rate=1)

@optimizer.register
class Mine(optimizer.Adam):
    def __init__(self, damping: float, beta1: float = 0.5) -> None:
        super().__init__(beta1=beta1)
        self.damping = damping

damping: float = Mine(0.5).damping
mine = Mine(0.5)
mine.damping = 0.25

class Bag(numoptim.Parameters):
    note: str = ""

Bag({"w": np.zeros(3)}).note = "mine"

optimizer.Adam(betta1=0.8)  # refused
optimizer.Adam(beta1="0.8")  # refused
optimizer.Adam(0.1)  # refused
optimizer.SGD(beta1=0.8)  # refused
optimizer.Admm()  # refused
adam.betta1  # refused
adam.beta1 = "0.8"  # refused
Mine()  # refused
optimizer.register(3)  # refused
adam.lr = 0.1  # refused
adam.betta1 = 1  # refused
adam.learning_rate = 0.1  # refused
mine.dampling = 0.1  # refused
trainer.thread = 3  # refused
trainer.threads = 3  # refused
trainer.slots["m"] = np.zeros(3)  # refused
trainer.params.w = 1  # refused
updater.optimzer = adam  # refused
updater.optimizer = adam  # refused
state.m = np.zeros(3)  # refused
optimizer.Adam(seed=1.5)  # refused
optimizer.SGLD(seed=1.5)  # refused
'''
REFUSED = {number for number, line in enumerate(SCRIPT.splitlines(), 1) if line.endswith("# refused")}


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def output(*command, at):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MYPYPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", *command], cwd=at, env=environment, capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_the_committed_file_is_the_generators():
    assert stubs.PATH.read_text() == stubs.text(), "the rules have changed: make stubs"


def test_the_file_names_what_the_package_does():
    tree = ast.parse(stubs.PATH.read_text())
    listed, = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    assert sorted(listed) == sorted(optimizer.__all__)


def test_mypy(script):
    text = output("mypy", "--strict", "--config-file=", script.name, at=script.parent)
    assert {int(number) for number in re.findall(r"^script\.py:(\d+): error", text, re.MULTILINE)} == REFUSED, text


def test_pyright(script):
    settings = {"typeCheckingMode": "standard", "extraPaths": [str(ROOT)], "include": [script.name]}
    (script.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    found = json.loads(output("basedpyright", "--outputjson", "--pythonpath", sys.executable, at=script.parent))
    errors = [d for d in found["generalDiagnostics"] if d["severity"] == "error"]
    assert {d["range"]["start"]["line"] + 1 for d in errors} == REFUSED, errors


def completions(code):
    return {found.name for found in jedi.Script(code, project=jedi.Project(ROOT)).complete()}


def test_jedi_completes_keywords_attributes_and_classes():
    start = "from numoptim import optimizer\n"
    assert {"beta1=", "beta2="} <= completions(start + "optimizer.Adam(be") and "clip_gradient=" in completions(
        start + "optimizer.Adam(")
    assert {"batch_scale", "warmup_epochs", "momentum", "set_learning_rate"} <= completions(
        start + "x = optimizer.LBSGD()\nx.")
    built_in = {name for name in dir(optimizer) if name[0].isupper()
                and getattr(optimizer, name).__module__.startswith("numoptim.")}
    assert {*built_in, "create", "find", "register"} <= completions(start + "optimizer.")


def test_jedi_knows_defaults_and_docstrings():
    call = jedi.Script("from numoptim import optimizer\noptimizer.RMSProp(", project=jedi.Project(ROOT))
    signature, = call.get_signatures()
    assert "gamma2: SupportsFloat=0.9" in [p.to_string() for p in signature.params]
    name, = call.infer(2, 12, prefer_stubs=True)
    assert name.docstring(raw=True) == optimizer.RMSProp.__doc__.splitlines()[0]


def test_the_package_ships_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"packages": ["numoptim", "numoptim.optimizer"]})
    distribution.parse_config_files(["pyproject.toml"])
    distribution.include_package_data = False       # only what is named
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    shipped = {str(Path(folder, file)) for _, folder, _, files in build.data_files for file in files}
    assert {"numoptim/py.typed", "numoptim/optimizer/__init__.pyi"} <= shipped


def test_star_import_has_every_class():
    names = {}
    exec("from numoptim.optimizer import *", names)
    assert {"Adam", "SGD", "LAMB", "create"} <= set(names)
