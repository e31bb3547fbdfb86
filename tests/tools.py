"""Programs that tests call, and what is said where one is missing."""
import functools
import subprocess

import pytest

from numoptim.aot import build

VERSION = {"go": "version"}                    # of the others --version


def run(*command, **options):
    """What a command prints; a failure of the test where it fails."""
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def runs(name, *arguments):
    """Whether a program is there and works: rustup's rustc, for one, is in PATH without a toolchain behind it."""
    return build.runs(name, *(arguments or (VERSION.get(name, "--version"),)))


def needs(*names):
    """A mark that skips a test, or all of a module as its ``pytestmark``, where one of these programs does not run."""
    missing = [name for name in names if not runs(name)]
    return pytest.mark.skipif(bool(missing), reason=f"does not run here: {', '.join(missing)}")


def compiler(name, *flags):
    """A parameter of a test: a compiler's command, where it runs."""
    return pytest.param([name, *flags], marks=needs(name), id=name)
