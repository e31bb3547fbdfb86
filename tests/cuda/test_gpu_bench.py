"""bench/gpu.py runs from end to end, on the fake driver: what it says of time means nothing there."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "gpu.py"
RULES = "dcasgd", "adam", "lamb", "sgld"
TYPES = "float32", "float64"
# In a process with the bench's imports, which LLVM's order of instructions depends on: the fake driver knows kernels by
# their text.
GENERATE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv.pop(1))
import gpu
from numoptim.cuda import ptx
for rule in sys.argv[2:]:
    for dtype in ("float32", "float64"):
        Path(sys.argv[1], f"{rule}_{dtype}").write_text(ptx(rule, dtype))
"""
pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="not run from the repository")


def texts(folder, *rules):
    """PTX of rules by (rule, dtype)."""
    subprocess.run([sys.executable, "-c", GENERATE, BENCH.parent, folder, *rules], check=True)
    return {(rule, dtype): (folder / f"{rule}_{dtype}").read_text() for rule in rules for dtype in TYPES}


def bench(*options, env=None):
    return subprocess.run([sys.executable, BENCH, *options], capture_output=True, text=True, env=env, timeout=500)


def test_without_a_driver():
    done = bench()
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("gpu: no CUDA driver here") and "Traceback" not in done.stderr


def test_all_of_it(driver, tmp_path):
    for text in texts(tmp_path, *RULES).values():
        driver.register(text)
    file = tmp_path / "results.json"
    done = bench("--quick", "--sizes", "1000", "--rules", ",".join(RULES), "--json", file, env=driver.environment())
    assert done.returncode == 0, done.stderr
    assert "the processor's bits in 8 of 8 rules and types\n" in done.stdout
    assert driver.problems() == [] and driver.leaks() == {}
    results = json.loads(file.read_text())
    assert results["checked"] == 8 and "fake" in results["machine"]["gpu"].lower()
    assert results["machine"]["capability"] >= 8 and results["machine"]["numoptim"]
    kernels = [row for row in results["rows"] if row["against"] == "copy"]
    assert [(row["case"], row["dtype"]) for row in kernels] == [(rule, dtype) for rule in RULES for dtype in TYPES]
    assert all(row["ns"] > 0 and row["bytes"] > 0 and row["gb_s"] > 0 for row in kernels)
    others = {row["case"]: row for row in results["rows"] if row not in kernels}
    assert set(others) == {"adam step", "adam 1000 x 100", "adam host"}
    assert others["adam host"]["against"] == "advance and replay" and others["adam host"]["ratio"] > 0
    assert "absent" in others["adam step"]                  # torch has no CUDA here, or is not installed


def test_other_bits_stop_it(driver, tmp_path):
    """The driver runs other instructions than those it is given."""
    text, made = texts(tmp_path, "sgd")["sgd", "float32"], []
    for each in (text, text.replace("sub.rn.f32", "add.rn.f32")):
        before = set(driver.modules.iterdir())
        driver.register(each)
        made += set(driver.modules.iterdir()) - before
    right, wrong = made
    wrong.replace(right)
    done = bench("--quick", "--sizes", "1000", "--rules", "sgd", env=driver.environment())
    assert done.returncode == 1 and "gpu: sgd in float32:" in done.stderr and "other bits" in done.stderr
