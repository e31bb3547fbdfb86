"""Wheels and sdists: complete, with nothing in them that an earlier build left, and at work without a C compiler."""
import os
import re
import shutil
import sys
import sysconfig
import tarfile
import zipfile

import pytest
from library import PATH
from test_abi import ROOT
from tools import needs, run, runs

import numoptim
from numoptim.aot import PACKAGE
from numoptim.aot import build as aot_build

MAKE = "import sys; from setuptools import build_meta; print(getattr(build_meta, 'build_' + sys.argv[1])(sys.argv[2]))"
TRAIN = """
import sys, numpy as np, numoptim
from numoptim import native
params = numoptim.Parameters({"w": np.ones(5)})
numoptim.Trainer(params, "sgd", {"learning_rate": 1.0}).step(1, {"w": np.ones(5)})
assert not params.flat.any(), params.flat
assert numoptim.__file__.startswith(sys.argv[1]), numoptim.__file__
print(native.library.source())
"""
MAIN = '#include "numoptim.h"\nint main(void) { return numoptim_version() != NUMOPTIM_VERSION; }\n'
MADE = {"numoptim/_native.abi3.so", "numoptim/include/numoptim.h", f"numoptim/lib/{PATH.name}",
        *(f"numoptim/lib/{file}" for file in ("libnumoptim.a", "libnumoptim.so", "pkgconfig/numoptim.pc",
                                              "cmake/numoptim/numoptim-config.cmake",
                                              "cmake/numoptim/numoptim-config-version.cmake"))}
IGNORED = shutil.ignore_patterns(".git", ".venv", "build", "dist", "*.egg-info", "PKG-INFO", "setup.cfg", "__pycache__",
                                 ".*_cache", ".hypothesis", "_native.*", "lib", "include")
STALE = ("numoptim/_native.abi3.so", "numoptim/_native.c", "numoptim/include/old.h", "numoptim/lib/libold.so",
         f"numoptim/lib/{PATH.name}")
BUILT = f"numoptim-{numoptim.__version__}"
pytestmark = [needs("cc"), pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not run from the repository")]


@pytest.fixture
def checkout(tmp_path):
    """A copy of the repository, in a folder with a space."""
    return shutil.copytree(ROOT, tmp_path / "my checkout", ignore=IGNORED)


@pytest.fixture
def littered(checkout):
    """A checkout with what other builds left: in the package, and in setuptools' own folders."""
    for file in (*STALE, *(f"build/lib/{file}" for file in STALE), "build/lib/numoptim/old.py",
                 "numoptim/__pycache__/old.cpython-311.pyc", "tests/__pycache__/old.cpython-311.pyc"):
        (checkout / file).parent.mkdir(parents=True, exist_ok=True)
        (checkout / file).write_text("stale")
    (checkout / "numoptim.egg-info").mkdir()
    (checkout / "numoptim.egg-info/SOURCES.txt").write_text("\n".join(STALE))
    return checkout


def files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}


def tracked():
    """Files of the repository, where it is one of git's."""
    if not (ROOT / ".git").exists() or not runs("git"):
        return set()
    return {file for file in run("git", "ls-files", "-z", cwd=ROOT).split("\0") if file and (ROOT / file).exists()}


def build(kind, source, out, **environment):
    """Build an sdist, a wheel or an editable wheel of a folder; its path. The numoptim in use is the folder's own."""
    printed = run(sys.executable, "-c", MAKE, kind, out, cwd=source,
                  env={**os.environ, "PYTHONPATH": str(source), **environment})
    return out / printed.splitlines()[-1]


def content(wheel):
    """Files in a wheel, without what describes it."""
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if not name.startswith(f"{BUILT}.dist-info/")}


def unpacked(site, *command):
    """Run Python on the unpacked wheel; -S keeps an editable install of numoptim out."""
    paths = os.pathsep.join([str(site), sysconfig.get_path("purelib")])
    return run(sys.executable, "-S", *command, cwd=site, env={**os.environ, "PYTHONPATH": paths})


def test_the_sdist_is_the_repository(littered, tmp_path):
    clean = shutil.copytree(ROOT, tmp_path / "clean", ignore=IGNORED)
    with tarfile.open(build("sdist", littered, tmp_path)) as file:
        found = {name.removeprefix(f"{BUILT}/") for name in file.getnames() if not file.getmember(name).isdir()}
    made = {name for name in found if name.startswith("numoptim.egg-info/")} | {"PKG-INFO", "setup.cfg"}
    assert tracked() <= found
    assert found - made <= files(clean)                              # nothing that was built, nothing stale
    for file in ("Makefile", ".ci/run", "bench/run.py", "capi/examples/Makefile", "capi/numoptim.h",
                 "tests/conftest.py", "tests/capi/library.py", "tests/cuda/conftest.py", "numoptim/aot/runtime.c"):
        assert file in found, file


def test_a_wheel_without_a_compiler(littered, tmp_path):
    """It is the package's own files, all of them, and trains."""
    wheel = build("wheel", littered, tmp_path, CC="false")
    assert wheel.name.endswith("-py3-none-any.whl")
    clean = shutil.copytree(ROOT / "numoptim", tmp_path / "clean" / "numoptim", ignore=IGNORED)
    assert content(wheel) == files(clean.parent)
    with zipfile.ZipFile(wheel) as file:
        file.extractall(tmp_path / "site")
    assert unpacked(tmp_path / "site", "-c", TRAIN, tmp_path / "site") == "compiled in process by Numba\n"
    assert (littered / "numoptim/lib/libold.so").exists()            # an editable install's, which is another's affair


@pytest.mark.parametrize("fails", [False, True], ids=["no compiler", "a build that fails"])
def test_an_editable_install_that_builds_nothing_leaves_nothing(littered, tmp_path, fails):
    if fails:
        (littered / "numoptim/rules/__init__.py").write_text("raise RuntimeError('these rules are broken')")
        with pytest.raises(AssertionError, match="these rules are broken"):
            build("editable", littered, tmp_path)
    else:
        build("editable", littered, tmp_path, CC="false")
    assert not files(littered) & {*STALE}


def test_without_pythons_headers_nothing_is_built(tmp_path, monkeypatch, capsys):
    """A library without an extension would go into a wheel for every machine."""
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    assert not aot_build.build(tmp_path / "out", numoptim.__version__, python=True)
    assert "no " + str(tmp_path / "include/Python.h") in capsys.readouterr().err and not (tmp_path / "out").exists()


@needs("readelf")
def test_no_newer_glibc_is_needed_than_wheels_say():
    for file in (PATH, PACKAGE / "_native.abi3.so"):
        needed = {tuple(map(int, version.split("."))) for version in
                  re.findall(r"Name: GLIBC_([\d.]+)", run("readelf", "-VW", file))}
        assert needed and max(needed) <= (2, 17), (file, needed)


@pytest.mark.long
def test_a_wheel_of_the_sdist(checkout, tmp_path):
    """The same files as one of the checkout, and what is built; C programs find the library in it."""
    with tarfile.open(build("sdist", checkout, tmp_path)) as file:
        file.extractall(tmp_path, filter="data")
    site = tmp_path / "my site"
    wheel = build("wheel", tmp_path / BUILT, tmp_path)
    assert "-cp311-abi3-linux_" in wheel.name
    assert content(wheel) == content(build("wheel", checkout, tmp_path, CC="false")) | MADE
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    assert unpacked(site, "-c", TRAIN, site).startswith("compiled ahead of time")
    flags = unpacked(site, "-m", "numoptim", "config", "--cflags", "--libs")
    (tmp_path / "main.c").write_text(MAIN)
    run("sh", "-euc", f"eval cc main.c {flags.strip()!r} -o main && ./main", cwd=tmp_path)


@pytest.mark.long
@needs("make")
@pytest.mark.skipif(not os.access(f"{sys.prefix}/bin/auditwheel", os.X_OK), reason="not installed: numoptim[release]")
def test_make_wheel(checkout):
    """Builds and repairs a wheel and tries it without a compiler, as its recipe checks, with the tools here."""
    (checkout / ".venv").symlink_to(sys.prefix)
    printed = run("make", "-o", ".venv/release.stamp", "wheel", cwd=checkout)
    assert re.search("^kernels +compiled ahead of time", printed, re.MULTILINE)
    (wheel,) = (checkout / "dist").iterdir()
    assert "-cp311-abi3-manylinux" in wheel.name and "manylinux_2_17_" in wheel.name
    assert content(wheel) > MADE
