"""The command line, apart from a whole demo (test_demo.py)."""
import importlib.metadata
import os
import platform
import re
import subprocess
import sys

import numpy as np
import pytest
from llvmlite import binding
from rich.console import Console

import numoptim
from numoptim import native
from numoptim.aot import LIBRARY
from numoptim.cli import X86_64_LEVELS, main
from numoptim.demo.choices import CHOICES, DIGITS
from numoptim.demo.tables import table
from numoptim.demo.training import Result
from numoptim.native import processors
from numoptim.native.library import source
from numoptim.rule.hyperparameters import COMMON
from numoptim.rules import RULES

FEWER = {"element": "", "segment": " (one for each parameter)", "all": " (one for all)"}
RUN = "import sys; from numoptim.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def cli(capsys):
    """Runs a command line: status, standard output, standard error."""
    def call(*arguments):
        status = main(arguments)
        return status, *capsys.readouterr()
    return call


def blocks(text):
    """{rule name: its lines} of what ``numoptim rules`` prints; what all rules have in common under ""."""
    parts = re.split(r"^(\w+) -+$", text, flags=re.MULTILINE)
    *found, last = zip(parts[1::2], parts[2::2], strict=True)
    own, common = last[1].split("Every rule has, besides its own:")
    return {**dict(found), last[0]: own, "": common}


def squeezed(text):
    return "".join(text.split())


# --- rules

def test_rules_lists_every_rule(cli):
    status, out, _ = cli("rules")
    listed = blocks(out)
    assert status == 0 and list(listed) == [*(rule.name for rule in RULES), ""]
    assert max(map(len, out.splitlines())) <= 80
    for rule in RULES:
        text = listed[rule.name]
        assert squeezed(rule.section("Update")) in squeezed(text) and rule.section("Update")
        assert squeezed(rule.section("Source")) in squeezed(text) and rule.section("Source")
        slots = [f"{slot}{FEWER[getattr(slot, 'over', 'element')]}" for slot in rule.slots]
        assert re.search(r"^slots  (.*)$", text, re.MULTILINE)[1] == (", ".join(slots) or "none")
        for key, (default, interval) in rule.fields.items():
            shown = "none" if abs(default) == float("inf") else str(default)
            line = rf"^(hyper )? +{key} +{re.escape(shown)} +{re.escape(interval)}$"
            block = listed["" if COMMON.get(key) == (default, interval) else rule.name]
            assert re.search(line, block, re.MULTILINE), (rule.name, key)


@pytest.mark.parametrize(("name", "wanted"), [
    ("ADAMAX", ["adamax"]), ("Adam", ["adam", "adam_amsgrad"]), ("Sgd", ["sgd", "sgd_momentum", "sgd_rate_outside"]),
    ("SGD_momentum", ["sgd_momentum"]),
    ("lbsgd", ["accumulate", "lbsgd_lars"]), ("accumulate", ["accumulate"]), ("Signum", ["signum", "signsgd"])])
def test_rules_of_one_name(cli, name, wanted):
    status, out, _ = cli("rules", name)
    assert status == 0 and sorted(blocks(out)) == sorted([*wanted, ""])


def test_rules_shows_options_and_remarks(cli):
    assert re.search(r"^option warm_start +False +True or False$", cli("rules", "ftrl")[1], re.MULTILINE)
    assert "batch_scale        1         an integer of 1 to 2**31 - 1" in cli("rules", "lbsgd")[1]
    assert "the stored weight is the look-ahead point" in cli("rules", "nag")[1]


@pytest.mark.parametrize(("name", "hint"), [("adm", "did you mean 'adam'?"), ("RMSPropp", "did you mean 'rmsprop'?"),
                                            ("sgd_moment", "did you mean 'sgd_momentum'?")])
def test_unknown_rule_names_the_nearest(cli, name, hint):
    status, out, err = cli("rules", name)
    assert (status, out) == (2, "") and name in err and hint in err.lower() and err.count("\n") == 1


# --- info, version

def test_info(cli):
    status, out, _ = cli("info")
    shown = dict(re.split("  +", line, maxsplit=1) for line in out.splitlines())
    assert status == 0
    for package in ("numba", "llvmlite", "numpy", "cffi"):
        assert shown[package] == importlib.metadata.version(package)
    assert shown["numoptim"] == numoptim.__version__ == importlib.metadata.version("numoptim")
    assert shown["Python"].startswith(platform.python_version())
    assert shown["processors"] == f"{processors.usable()} usable" and shown["kernels"] == source()
    assert f"{native.plan.SERIAL_BELOW:,}" in shown["threads"]
    assert shown["C library"] == str(LIBRARY) or not LIBRARY.exists()


V2, V3 = "cx16 popcnt sse4_2 ssse3", "abm avx2 bmi1 bmi2 f16c fma movbe"


@pytest.mark.parametrize(("features", "level"), [
    ("", "x86-64"), (V2, "x86-64-v2"), (f"{V2} {V3}", "x86-64-v3"), (V3, "x86-64"),
    (f"{V2} {V3} avx512f", "x86-64-v3"), (f"{V2} {V3} avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4")])
def test_info_names_the_processor_and_its_level(cli, monkeypatch, tmp_path, features, level):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("numoptim.cli.CPUINFO", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nmodel name\t: Some CPU: 3 GHz\nflags\t\t: fpu {features}\n\n")
    assert re.search(rf"^CPU +Some CPU: 3 GHz, {level}$", cli("info")[1], re.MULTILINE)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="LLVM names other processors' features differently")
def test_info_agrees_with_llvm_about_this_processor(cli):
    """Which takes Numba's compiler to ask, and info does without."""
    present = {name for name, there in binding.get_host_cpu_features().items() if there}
    names = {"abm": "lzcnt", "bmi1": "bmi", "sse4_2": "sse4.2"}
    reached = "x86-64"
    for level, needed in X86_64_LEVELS.items():
        if not {names.get(name, name) for name in needed} <= present:
            break
        reached = f"x86-64-{level}"
    assert re.search(rf"^CPU .*, {reached}$", cli("info")[1], re.MULTILINE)


def test_info_where_linux_says_nothing_of_processors(cli, monkeypatch, tmp_path):
    monkeypatch.setattr("numoptim.cli.CPUINFO", tmp_path / "missing")
    status, out, _ = cli("info")
    assert status == 0 and re.search(rf"^CPU .*, {platform.machine()}$", out, re.MULTILINE)


@pytest.mark.parametrize("missing", [("numba", "llvmlite"), ("numba", "llvmlite", "numoptim._native")])
def test_info_without_numba(missing):
    """Neither importable nor installed, also where there was no C compiler either."""
    code = f"""
import sys, importlib.metadata
real = importlib.metadata.version
def version(name):
    if name in {missing!r}:
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = version
sys.modules.update(dict.fromkeys({missing!r}))
{RUN.replace("sys.argv[1:]", "['info']")}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    shown = dict(line.split(None, 1) for line in done.stdout.splitlines())
    assert shown["numba"] == shown["llvmlite"] == "not installed" and shown["numpy"] == np.__version__
    if "numoptim._native" in missing:
        assert shown["kernels"].startswith("none: neither a C compiler when numoptim was installed nor Numba now (")


@pytest.mark.parametrize("command", ["info", "rules"])
def test_base_install_is_enough(command):
    code = f"import sys; from numoptim.cli import main; main([{command!r}]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = done.stdout.splitlines()[-1].split()
    assert "numoptim.cli" in imported and not {"numba", "llvmlite", "rich", "matplotlib", "sklearn"} & set(imported)


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0 and capsys.readouterr().out == f"numoptim {numoptim.__version__}\n"


# --- failures

@pytest.mark.parametrize("line", ["", "trian", "demo --seed -1", "demo --seed x", f"demo --seed {2**63}"])
def test_wrong_usage(capsys, line):
    with pytest.raises(SystemExit) as stop:
        main(line.split())
    assert stop.value.code == 2 and "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["rules", "info"])
def test_a_broken_pipe_is_no_traceback(command):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-c", RUN, command], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("missing", ["matplotlib", "rich", "sklearn"])
def test_demo_without_its_extra(cli, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    status, out, err = cli("demo")
    assert (status, out) == (1, "") and "pip install 'numoptim[demo]'" in err and err.count("\n") == 1


def test_demo_where_nothing_can_be_written(cli, tmp_path):
    (tmp_path / "file").touch()
    for out_of_reach in (tmp_path / "file", tmp_path / "file" / "below"):
        status, out, err = cli("demo", "--out", str(out_of_reach))
        assert (status, out) == (1, "") and str(out_of_reach) in err and err.count("\n") == 1


# --- the demo's table

@pytest.mark.parametrize("width", [40, 80, 200])
def test_table_shows_whole_names(width, capsys):
    results = [Result(choice, choice.keywords(DIGITS), np.zeros(1), 0.5, 0.5, 0.9, 123.4, 12.0, 1)
               for choice in CHOICES]
    Console(width=width).print(table("Title", results))
    lines = capsys.readouterr().out.splitlines()
    first = [line.split("  ")[0].strip() for line in lines]
    for choice in CHOICES:
        assert choice.title in first
        if width >= 80:
            words = [f"{key}={value}" for key, value in choice.keywords(DIGITS).items()]
            assert all(any(word in line for line in lines) for word in words), choice.title
