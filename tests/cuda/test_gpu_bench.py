"""bench/gpu.py runs from end to end, on the fake driver: what it says of time means nothing there."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench" / "gpu.py"
RULES = "adam", "lamb", "sgld", "dcasgd"
# In a process like the bench's, so that the text is the same: the fake driver knows kernels by it.
GENERATE = """
import sys
from pathlib import Path
from numoptim.cuda import ptx
for rule in sys.argv[2:]:
    for dtype in ("float32", "float64"):
        Path(sys.argv[1], f"{rule}_{dtype}").write_text(ptx(rule, dtype))
"""
pytestmark = pytest.mark.skipif(not BENCH.exists(), reason="not run from the repository")


def bench(*options, env=None):
    return subprocess.run([sys.executable, BENCH, *options], capture_output=True, text=True, env=env, timeout=500)


def test_without_a_driver():
    done = bench()
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("gpu: no CUDA driver here") and "Traceback" not in done.stderr


def test_all_of_it(driver, tmp_path):
    subprocess.run([sys.executable, "-c", GENERATE, tmp_path, *RULES], check=True)
    for rule in RULES:
        for dtype in ("float32", "float64"):
            driver.register((tmp_path / f"{rule}_{dtype}").read_text())
    file = tmp_path / "results.json"
    done = bench("--quick", "--sizes", "1000", "--rules", ",".join(RULES), "--json", file, env=driver.environment())
    assert done.returncode == 0, done.stderr
    assert "the processor's bits in 8 of 8 rules and types\n" in done.stdout
    assert driver.problems() == [] and driver.leaks() == {}
    results = json.loads(file.read_text())
    assert results["checked"] == 8 and "fake" in results["machine"]["gpu"].lower()
    assert results["machine"]["capability"] >= 8 and results["machine"]["numoptim"]
    kernels = [row for row in results["rows"] if row["against"] == "copy"]
    assert [(row["case"], row["dtype"]) for row in kernels] == [
        (rule, dtype) for rule in sorted(RULES, key=["adam", "lamb", "dcasgd", "sgld"].index)
        for dtype in ("float32", "float64")]
    assert all(row["ns"] > 0 and row["bytes"] > 0 and row["gb_s"] > 0 for row in kernels)
    others = {row["case"]: row for row in results["rows"] if row not in kernels}
    assert set(others) == {"adam step", "adam 1000 x 100", "adam host"}
    assert others["adam host"]["against"] == "advance and replay" and others["adam host"]["ratio"] > 0
    assert "absent" in others["adam step"]                  # torch has no CUDA here, or is not installed


def test_other_bits_stop_it(driver, tmp_path):
    """The driver runs other instructions than those it is given."""
    subprocess.run([sys.executable, "-c", GENERATE, tmp_path, "sgd"], check=True)
    text, made = (tmp_path / "sgd_float32").read_text(), []
    for each in (text, text.replace("sub.rn.f32", "add.rn.f32")):
        before = set(driver.modules.iterdir())
        driver.register(each)
        made += set(driver.modules.iterdir()) - before
    right, wrong = made
    wrong.replace(right)
    done = bench("--quick", "--sizes", "1000", "--rules", "sgd", env=driver.environment())
    assert done.returncode == 1 and "gpu: sgd in float32:" in done.stderr and "other bits" in done.stderr
