"""Wheels: with a C compiler they hold the library and what finds it; without one they work all the same."""
import os
import shutil
import sys
import sysconfig
import zipfile

import pytest
from test_abi import ROOT, run

MAKE = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
TRAIN = """
import sys, numpy as np, numoptim
from numoptim import native
params = numoptim.Parameters({"w": np.ones(5)})
numoptim.Trainer(params, "sgd", {"learning_rate": 1.0}).step(1, {"w": np.ones(5)})
assert not params.flat.any(), params.flat
assert numoptim.__file__.startswith(sys.argv[1]), numoptim.__file__
print(native.source())
"""
MAIN = '#include "numoptim.h"\nint main(void) { return numoptim_version() != NUMOPTIM_VERSION; }\n'
pytestmark = [pytest.mark.long,
              pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not run from the repository")]


def wheel(tmp_path, **environment):
    """Build a wheel from a copy of the sources and unpack it; its file name and the folder."""
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROOT / "numoptim", source / "numoptim",
                    ignore=shutil.ignore_patterns("__pycache__", "_native.*", "lib", "include"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # Not this interpreter's editable numoptim: the copy builds itself.
    out = run(sys.executable, "-c", MAKE, tmp_path, cwd=source,
              env={**os.environ, "PYTHONPATH": str(source), **environment})
    name = out.splitlines()[-1]
    with zipfile.ZipFile(tmp_path / name) as file:
        file.extractall(site)
    return name, site


def unpacked(site, *command):
    """Run Python on the unpacked wheel; -S keeps an editable install of numoptim out."""
    paths = os.pathsep.join([str(site), sysconfig.get_path("purelib")])
    return run(sys.executable, "-S", *command, cwd=site, env={**os.environ, "PYTHONPATH": paths})


def test_with_a_compiler(tmp_path):
    name, site = wheel(tmp_path)
    assert "-cp311-abi3-linux_" in name
    package = site / "numoptim"
    assert unpacked(site, "-c", TRAIN, site).startswith("compiled ahead of time")
    flags = unpacked(site, "-m", "numoptim", "config", "--cflags", "--libs").split()
    assert f"-I{package / 'include'}" in flags
    (tmp_path / "main.c").write_text(MAIN)
    run("cc", tmp_path / "main.c", *flags, "-o", tmp_path / "main")
    run(tmp_path / "main")
    for file in ("libnumoptim.a", "pkgconfig/numoptim.pc", "cmake/numoptim/numoptim-config.cmake"):
        assert (package / "lib" / file).exists(), file


def test_without_a_compiler(tmp_path):
    name, site = wheel(tmp_path, CC="no-such-compiler")
    assert name.endswith("-py3-none-any.whl")
    assert not (site / "numoptim/lib").exists() and not list(site.glob("numoptim/_native*"))
    assert unpacked(site, "-c", TRAIN, site) == "compiled in process by Numba\n"
