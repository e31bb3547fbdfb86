"""A tool counts as there only if it runs: behind names in PATH may be proxies of nothing, as rustup's are at first."""
import os
import re
import subprocess
import sys

import pytest
from test_abi import ROOT
from tools import needs, run

TOOLS = ("aarch64-linux-gnu-gcc", "cargo", "cc", "clang", "clang++", "cmake", "g++", "gcc", "gfortran", "go", "make",
         "nm", "pkg-config", "qemu-aarch64", "readelf", "rustc", "valgrind")
FILES = ("test_aarch64", "test_abi", "test_build", "test_examples", "test_install", "test_release", "test_wheel")
pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not run from the repository")


@pytest.fixture
def without(tmp_path):
    """An environment in which these tools are in PATH and fail."""
    def make(*tools):
        for tool in tools:
            (tmp_path / tool).write_text(f"#!/bin/sh\necho error: {tool} has no default toolchain >&2\nexit 1\n")
            (tmp_path / tool).chmod(0o755)
        return {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}

    return make


def outcome(environment, *arguments):
    """{skipped test's reason: how many} of a run of pytest, in which none may fail."""
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "-m", "not long", *arguments]
    printed = run(*command, cwd=ROOT, env=environment)
    return {reason: int(count) for count, reason in re.findall(r"^SKIPPED \[(\d+)\] \S+ (.*)$", printed, re.MULTILINE)}


def test_rustup_without_a_toolchain(without):
    found = outcome(without("rustc", "cargo", "go"), "tests/capi/test_examples.py", "-k", "rust or go_of")
    assert found.keys() <= {"does not run here: rustc", "does not run here: go",
                            "does not run here: make, pkg-config, gcc, g++"}
    assert sum(found.values()) == 2


def test_no_tool_at_all(without):
    found = outcome(without(*TOOLS), *(f"tests/capi/{file}.py" for file in FILES))
    missing = {tool for reason in found for tool in reason.removeprefix("does not run here: ").split(", ")}
    assert {"cc", "gcc", "nm", "readelf", "make"} <= missing
    assert all(reason.startswith("does not run here: ") for reason in found), found


def test_no_other_way_to_look_for_tools():
    for file in (ROOT / "tests").rglob("*.py"):
        assert file.name in ("test_tools.py",) or "shutil.which" not in file.read_text(), file


@needs("make", "pkg-config", "cc", "c++")
def test_the_examples_leave_rust_out(without, tmp_path):
    environment = {**without("rustc"), "PKG_CONFIG_PATH": str(ROOT / "numoptim/lib/pkgconfig")}
    done = subprocess.run(["make", "-C", ROOT / "capi/examples", f"OUT={tmp_path / 'my examples'}"], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0 and "no rustc: the Rust example is left out" in done.stdout, done.stderr
    assert {"digits", "minimal", "openmp", "vector"} <= {file.name for file in (tmp_path / "my examples").iterdir()}
    assert not (tmp_path / "my examples/host").exists()
