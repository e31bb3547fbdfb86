"""Another processor computes the same bits: dump.c prints the same lines, emulated, and on every instruction set."""
import os
import sys
from pathlib import Path

import pytest
from library import LEVELS, LIB, PATH, STATIC
from test_abi import STRICT
from tools import needs, run

DUMP = Path(__file__).with_name("dump.c")
COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What this machine prints, by instruction set."""
    program = tmp_path_factory.mktemp("native") / "dump"
    run("gcc", "-std=c99", *STRICT, DUMP, f"-I{PATH.parents[1] / 'include'}", STATIC, "-o", program)
    return {level: run(program, env={**os.environ, "NUMOPTIM_ISA": str(level)}) for level in LEVELS}


@needs("gcc")
def test_instruction_sets_agree(lines):
    assert len(lines[0].splitlines()) == 2 * LIB.numoptim_rule_count()
    assert len(set(lines[0].splitlines())) == len(lines[0].splitlines())
    assert set(lines.values()) == {lines[0]}


@pytest.mark.long
@needs("gcc", COMPILER, EMULATOR)
def test_aarch64_has_the_same_bits(lines, tmp_path):
    run(sys.executable, "-m", "numoptim.aot", tmp_path, "--target", "aarch64")
    run(COMPILER, "-std=c99", *STRICT, DUMP, f"-I{tmp_path / 'include'}", tmp_path / "lib/libnumoptim.a", "-o",
        tmp_path / "dump", "-static")
    assert run(EMULATOR, tmp_path / "dump") == lines[0]
