"""A rule costs a file and a line: a copy of the package with one more trains with it, before it is built and after."""
import shutil
import subprocess
import sys

import numpy as np
import pytest

from numoptim import aot, native

TIGER = '''
"""Tiger: steps along the sign of the running mean of gradients, with decoupled decay.

Source
    Su, "Tiger: a tight-fisted optimizer", 2023.  https://github.com/bojone/tiger

Update
    m = beta*m + (1 - beta)*g
    w = w - learning_rate*(sign(m) + wd*w)

Symbols
    w  (size,) f32|f64  weights, in/out
    g  (size,) like w   gradient after rescale and clip, read only
    m  (size,) like w   running mean of g, 0 before t = 1

Differs from
    Nothing known.
"""
from numoptim.rule import Rule, sign


def prepare(t, h):
    return (1 - h.beta,)


def update(w, g, m, h):
    m = h.beta * m + h.beta_c * g
    return w - h.learning_rate * (sign(m) + h.wd * w), m


RULE = Rule(
    name="tiger",
    title="Tiger",
    update=update,
    slots=("m",),
    hyper={
        "learning_rate": (1e-3, "[0, inf)"),
        "beta": (0.965, "[0, 1)"),
    },
    prepare=prepare,
    derived=("beta_c",),
    gradient="clipped",
)
'''.lstrip()
TRAIN = """
import numpy as np
from numoptim import Parameters, Trainer, native, optimizer

params = Parameters({"w": np.linspace(-1, 1, 1001)})
trainer = Trainer(params, optimizer.Tiger(learning_rate=0.25, beta=0.5, wd=0.125))
for k in range(3):
    trainer.step(1, grads={"w": np.cos(np.arange(1001) + k)})
other = Parameters({"w": np.ones(9)})
Trainer(other, "adam").step(1, grads={"w": np.ones(9)})
print(params.flat.tobytes().hex(), other.flat.tobytes().hex(), native.library.source(), sep="\\n")
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package, with its libraries, and a rule more."""
    package = tmp_path / "numoptim"
    shutil.copytree(aot.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "rules/tiger.py").write_text(TIGER)
    table = package / "rules/__init__.py"
    table.write_text(table.read_text().replace('"sign": (\n', '"sign": (\n        "tiger",\n'))
    return package


def run(package, script, *flags):
    environment = {"PYTHONPATH": str(package.parent), "PATH": "/usr/bin:/bin", "NUMBA_CACHE_DIR": str(package.parent)}
    done = subprocess.run([sys.executable, "-P", *flags, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done


def expected():
    w, m = np.linspace(-1, 1, 1001), np.zeros(1001)
    for k in range(3):
        m = 0.5 * m + 0.5 * np.cos(np.arange(1001) + k)
        w = w - 0.25 * (np.sign(m) + 0.125 * w)
    return w


@pytest.mark.skipif(not native.library.extension().rules, reason="numoptim was installed without a C compiler")
def test_it_trains_before_it_is_built_and_after(package):
    """As after a git pull that brings a rule: the extension has other descriptors than the sources ask for."""
    before = run(package, TRAIN)
    assert "was built from other sources" in before.stderr
    tiger, adam, source = before.stdout.splitlines()
    np.testing.assert_allclose(np.frombuffer(bytes.fromhex(tiger)), expected(), rtol=1e-15, atol=1e-15)
    assert source == "compiled in process by Numba"

    table = package / "rules/__init__.py"           # a few rules are quick to build
    few = 'MODULES = {"sign": ("tiger",), "others": ("sgd", "adam")}'
    text = table.read_text()
    start = text.index("MODULES = {")
    table.write_text(text[:start] + few + text[text.index("}", start) + 1:])
    run(package, f"from pathlib import Path; import numoptim; from numoptim.aot.build import build; "
                 f"assert build(Path({str(package)!r}), numoptim.__version__, python=True)")
    after = run(package, TRAIN, "-W", "error")
    assert after.stdout.splitlines()[:2] == [tiger, adam]
    assert after.stdout.splitlines()[2].startswith("compiled ahead of time")
    assert "NUMOPTIM_TIGER_DEFAULT" in (package / "include/numoptim.h").read_text()
