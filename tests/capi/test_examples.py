"""The examples, built as their readers would build them, run with good and with bad input."""
import contextlib
import io
import os
import re
import shutil
import subprocess

import pytest
from library import PATH, STATIC
from test_abi import ROOT, STRICT
from tools import needs, run

from numoptim import cli
from numoptim.demo.choices import CHOICES, DIGITS
from numoptim.optimizer import create

SOURCES = ROOT / "capi" / "examples"
PREFIX = PATH.parents[1]
# What the demo trains with, but LBSGD, whose rules take turns.
EXPORTED = [create(choice.name, **choice.keywords(DIGITS)).rule.name for choice in CHOICES if choice.name != "LBSGD"]
SANITIZE = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
GO = """package main

import "fmt"

func main() {
	w := []float32{1, 2}
	fmt.Println(Step(w, []float32{1, -1}, 0.5, 1), w)
	fmt.Println(Step(nil, nil, 0.5, 1))
	fmt.Println(Step([]float32{}, []float32{}, 0.5, 1))
	fmt.Println(Step(w, w, -1, 1))
}
"""
FORTRAN = """module library
  use iso_c_binding
  implicit none
{}
end module

program main
  use library
  integer(c_int32_t) :: status
  real(c_float) :: w(2) = [1., 2.]
  status = numoptim_sgd_f32(2_c_int64_t, w, [1., -1.], numoptim_sgd(learning_rate=0.5d0), 1_c_int64_t)
  print '(i0, 2(1x, f0.1))', status, w
end program
"""
pytestmark = [needs("make", "pkg-config", "gcc", "g++"),
              pytest.mark.skipif(not SOURCES.exists(), reason="not run from the repository")]


def make(out, *targets, **variables):
    environment = {**os.environ, "PKG_CONFIG_PATH": str(PATH.parent / "pkgconfig")}
    run("make", "-s", "-C", SOURCES, f"OUT={out}", *(f"{key}={value}" for key, value in variables.items()), *targets,
        env=environment)
    return out


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    return make(tmp_path_factory.mktemp("the examples"), "minimal", "digits", "openmp", "vector")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The folder that the demo wrote, and {rule: (accuracy, checksum)} as it printed them."""
    folder = tmp_path_factory.mktemp("exported")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert cli.main(["demo", "--export", "--out", str(folder)]) == 0
    lines = re.findall(r"^(\w+) +([01]\.\d{4})  ([0-9a-f]{16})$", out.getvalue(), re.MULTILINE)
    return folder, {rule: (float(score), checksum) for rule, score, checksum in lines}


def refused(*command):
    done = subprocess.run([str(x) for x in command], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr


def test_minimal(programs):
    # Adam's first steps move each weight by the learning rate against the gradient's sign.
    assert run(programs / "minimal") == "0.7000 2.3000 3.0000\n"
    assert run(programs / "minimal", "0.2") == "0.4000 2.6000 3.0000\n"
    for rate in ("-1", "nan", "inf"):
        assert refused(programs / "minimal", rate) == "minimal: hyper-parameter NaN or out of range\n"


def pages_code(page, language):
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return code


@pytest.mark.parametrize("page", ["README.md", "capi/README.md"])
def test_c_of_the_pages(page, tmp_path):
    (tmp_path / "main.c").write_text(pages_code(page, "c"))
    run("gcc", "-std=c99", *STRICT, tmp_path / "main.c", f"-I{PREFIX / 'include'}", STATIC, "-o", tmp_path / "main")
    assert run(tmp_path / "main") == "success\n"


@needs("go")
def test_go_of_the_page(tmp_path):
    (tmp_path / "go.mod").write_text("module main\ngo 1.19\n")
    (tmp_path / "step.go").write_text("package main\n\n" + pages_code("capi/README.md", "go"))
    (tmp_path / "main.go").write_text(GO)
    (tmp_path / "library").symlink_to(PREFIX)                # Go 1.19 splits --libs at any space, which PREFIX may have
    environment = {**os.environ, "PKG_CONFIG_PATH": str(tmp_path / "library/lib/pkgconfig"), "GOFLAGS": "-mod=mod",
                   "GOTOOLCHAIN": "local", "GOCACHE": str(tmp_path / "cache"), "GOPATH": str(tmp_path / "path")}
    run("go", "build", "-o", "main", ".", cwd=tmp_path, env=environment)
    assert run(tmp_path / "main").splitlines() == ["<nil> [0.5 2.5]", "<nil>", "<nil>",
                                                   "hyper-parameter NaN or out of range"]


@needs("gfortran")
def test_fortran_of_the_page(tmp_path):
    (tmp_path / "main.f90").write_text(FORTRAN.format(pages_code("capi/README.md", "fortran")))
    run("gfortran", "-std=f2008", "-Wall", "-Werror", "main.f90", STATIC, "-o", "main", cwd=tmp_path)
    assert run(tmp_path / "main") == "0 .5 2.5\n"


def test_cpp(programs):
    assert run(programs / "vector") == "1 -2 0.5 \n"
    assert refused(programs / "vector", "-1") == "vector: hyper-parameter NaN or out of range\n"


@pytest.mark.parametrize("size", [1, 299, 65_536, 1_000_003])
def test_openmp(programs, size):
    lines = run(programs / "openmp", size).splitlines()
    assert lines == [f"{rule}: {size} elements on 4 threads: the bits of one" for rule in ("adam", "lamb")]


def test_openmp_refuses_sizes(programs):
    for size in ("0", "-5", "x", "99999999999"):
        assert "expected a number of elements" in refused(programs / "openmp", size)


@needs("rustc")
def test_rust(tmp_path):
    host = make(tmp_path, "host") / "host"
    assert run(host) == "0.7000 2.3000 3.0000\n"
    assert "hyper-parameter NaN or out of range" in refused(host, "-1")
    assert "expected a learning rate" in refused(host, "x")


# --- digits

def test_every_rule_is_exported(exported):
    _, results = exported
    assert sorted(results) == sorted(EXPORTED)


@pytest.mark.parametrize("rule", EXPORTED)
def test_digits(programs, exported, rule):
    folder, results = exported
    accuracy, checksum = re.fullmatch(rf"{rule}: accuracy (\S+), checksum (\w+)\n",
                                      run(programs / "digits", folder, rule)).groups()
    assert abs(float(accuracy) - results[rule][0]) <= 0.005
    assert checksum == results[rule][1]


def test_digits_refuses_bad_input(programs, exported, tmp_path):
    folder, _ = exported
    digits = programs / "digits"
    assert refused(digits, folder) == "digits: usage: digits DIR RULE\n"
    assert refused(digits, folder, "adm") == "digits: adm: no rule of this name\n"
    assert "cannot be read" in refused(digits, tmp_path, "adam")
    for name, damages in damaged(folder).items():
        for damage in damages:
            shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
            (tmp_path / name).write_bytes(damage)
            assert re.fullmatch(rf"digits: \S*{name}: .*\n", refused(digits, tmp_path, "adam")), len(damage)


def damaged(folder):
    """{file: contents that are wrong in one way}."""
    good = {name: (folder / name).read_bytes() for name in ("digits.bin", "adam.bin")}
    result = {}
    for name, content in good.items():
        cuts = [content[:n] for n in (0, 5, 8, 30, 100, len(content) // 2, len(content) - 1)]
        huge = [content[:at] + b"\xff" * 7 + sign + content[at + 8:]
                for at in range(8, 40, 8) for sign in (b"\x7f", b"\xff")]
        result[name] = [*cuts, *huge, content + b"x", good["adam.bin" if name == "digits.bin" else "digits.bin"]]
    labels = 8 + 6 * 8 + 4 * 64 * (1347 + 450)
    result["digits.bin"].append(good["digits.bin"][:labels] + b"\x0a" + good["digits.bin"][labels + 1:])
    result["adam.bin"].append((folder / "sgd.bin").read_bytes())
    return result


def test_export_again_is_the_same(exported, tmp_path, capsys):
    folder, results = exported
    assert cli.main(["demo", "--export", "--out", str(tmp_path)]) == 0
    assert results["adam"][1] in capsys.readouterr().out
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / file.name).read_bytes(), file.name


# --- memory

def commands(programs, folder):
    yield programs / "minimal", "0.1"
    yield programs / "minimal", "-1"
    yield programs / "vector", "0.1"
    yield programs / "vector", "-1"
    for rule in ("adam", "lamb", "sgld", "ftrl"):
        yield programs / "digits", folder, rule
    yield programs / "openmp", "20011"


def short(folder, tmp_path):
    """The export with fewer steps to train, so that slow checkers finish: the rest is as it was."""
    content = (folder / "digits.bin").read_bytes()
    train, test, inputs, _, steps, batch = (int.from_bytes(content[8 * k:8 * k + 8], "little") for k in range(1, 7))
    rows = 56 + 4 * inputs * (train + test) + 8 * (train + test)
    shutil.copytree(folder, tmp_path / "short")
    parts = content[:40], (20).to_bytes(8, "little"), content[48:rows + 8 * 20 * batch]
    (tmp_path / "short/digits.bin").write_bytes(b"".join([*parts, content[rows + 8 * steps * batch:]]))
    return tmp_path / "short"


@pytest.mark.long
@needs("valgrind")
def test_valgrind(programs, exported, tmp_path):
    checker = ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full"]
    for command in commands(programs, short(exported[0], tmp_path)):
        if command[0].name == "openmp":
            continue                                     # its runtime keeps threads, which valgrind counts as leaks
        done = subprocess.run([*checker, *map(str, command)], capture_output=True, text=True)
        assert done.returncode == (1 if "-1" in command else 0), (command, done.stderr)


@pytest.mark.long
def test_sanitizers(exported, tmp_path):
    programs = make(tmp_path / "sanitized", "minimal", "digits", "openmp", "vector",
                    CFLAGS=SANITIZE, CXXFLAGS=SANITIZE)
    for command in commands(programs, short(exported[0], tmp_path)):
        done = subprocess.run([str(x) for x in command], capture_output=True, text=True)
        assert done.returncode == (1 if "-1" in command else 0) and "ERROR" not in done.stderr, (command, done.stderr)
