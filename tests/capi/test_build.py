"""`numoptim build`: a library of a user's own rules, and what it refuses."""
import os
import re
import sys
from pathlib import Path

import cffi
import numpy as np
import pytest
from library import LIB, NULL
from test_abi import STRICT
from tools import needs, run

from numoptim import Parameters, Trainer, cli, optimizer
from numoptim.aot import header
from numoptim.aot.build import Toolchain

pytestmark = needs("cc")
RULE = '''
"""Cheetah, and its accumulated sum."""
import math

from numoptim import Rule
from numoptim.rule import power, sign
from numoptim.rules.adam import RULE as NOT_MINE


def prepare(t, h):
    return 1.0 - power(h.beta2, t),


def update(w, g, m, n, h):
    direction = h.beta1 * m + (1.0 - h.beta1) * g
    return w - h.learning_rate * sign(direction) / math.sqrt(1.0 + h.c), h.beta2 * m + (1.0 - h.beta2) * g, n + g * g


CHEETAH = Rule(name="cheetah", update=update, slots=("m", "size"), prepare=prepare, derived=("c",),
            hyper={"learning_rate": (1e-4, "[0, inf)"), "beta1": (0.9, "[0, 1)"), "beta2": (0.99, "[0, 1)")})


def plain(w, g, h):
    return w - h.rate * g


PLAIN = Rule(name="plain", update=plain, hyper={"rate": (0.5, "(0, 1]")})
'''


def build(tmp_path, text, name="my_rule"):
    (tmp_path / f"{name}.py").write_text(text)
    return cli.main(["build", str(tmp_path / f"{name}.py"), "-o", str(tmp_path / "dist")])


def test_the_rule_of_the_readme(tmp_path, monkeypatch):
    monkeypatch.delitem(optimizer.base._registry, "addsign", raising=False)
    readme = Path(__file__).parents[2] / "README.md"
    block = next(b for b in re.findall(r"```python\n(.*?)```", readme.read_text(), re.S) if "register(Rule(" in b)
    assert build(tmp_path, block.partition("addsign = ")[0]) == 0
    assert "numoptim_addsign_f32(" in (tmp_path / "dist/my_rule.h").read_text().replace("my_rule_", "numoptim_")


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The module with the rules, cffi and the library made from them."""
    folder = tmp_path_factory.mktemp("mine")
    assert build(folder, RULE) == 0
    module = sys.modules["_numoptim_build_my_rule"]
    ffi = cffi.FFI()
    ffi.cdef(header.named(header.declarations([module.CHEETAH, module.PLAIN]), "my_rule"))
    return module, ffi, ffi.dlopen(str(folder / "dist" / "libmy_rule.so")), folder / "dist"


@pytest.mark.parametrize("scalar, dtype", [(np.float32, "f32"), (np.float64, "f64")])
def test_it_has_the_bits_of_a_trainer(mine, scalar, dtype):
    module, ffi, lib, _ = mine
    rng = np.random.default_rng(0)
    params = Parameters({"w": rng.standard_normal(333).astype(scalar)})
    trainer = Trainer(params, optimizer.register(module.CHEETAH)(learning_rate=0.01, wd=0.1))
    w, m, n = params["w"].copy(), np.zeros(333, scalar), np.zeros(333, scalar)
    h = ffi.new("my_rule_cheetah *", [0.01, 0.9, 0.99, 0.1, 1.0, np.inf])
    for t in range(1, 31):
        g = rng.standard_normal(333).astype(scalar)
        trainer.step(1, {"w": g})
        buffers = [ffi.cast("void *", x.ctypes.data) for x in (w, g, m, n)]
        assert getattr(lib, f"my_rule_cheetah_{dtype}")(333, *buffers, h, t) == 0
        assert w.tobytes() == params["w"].tobytes()


def test_only_rules_of_the_file_and_beside_numoptim(mine):
    _, ffi, lib, _ = mine
    names = [ffi.string(lib.my_rule_rule_at(k).name) for k in range(lib.my_rule_rule_count())]
    assert names == [b"cheetah", b"plain"]
    assert lib.my_rule_cheetah_f32(-1, *[ffi.NULL] * 5, 1) == -2
    assert ffi.string(lib.my_rule_strerror(-2)) == b"size, offset or count negative, or 2**60 or more"
    assert LIB.numoptim_rule_at(2) != NULL                     # both libraries in one process
    best = lib.my_rule_isa()
    assert lib.my_rule_set_isa(0) == 0 and LIB.numoptim_isa() == best
    lib.my_rule_set_isa(best)


@needs("gcc")
def test_its_header_and_static_library(mine, tmp_path):
    *_, dist = mine
    (tmp_path / "main.c").write_text('''
#include <stdio.h>
#include "my_rule.h"
int main(void)
{
    float w[2] = { 1, 2 };
    const float g[2] = { 1, -1 };
    my_rule_plain h = MY_RULE_PLAIN_DEFAULT;
    int32_t status = my_rule_plain_f32(2, w, g, &h, 1);
    printf("%s %g %g\\n", my_rule_strerror(status), (double)w[0], (double)w[1]);
    return status == MY_RULE_OK ? 0 : 1;
}
''')
    run("gcc", "-std=c99", *STRICT, tmp_path / "main.c", f"-I{dist}", dist / "libmy_rule.a", "-o", tmp_path / "main")
    assert run(tmp_path / "main") == "success 0.5 2.5\n"
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", dist / "libmy_rule.so").splitlines()}
    assert all(name.startswith("my_rule_") for name in exported)


@pytest.mark.parametrize("change, message", [
    (("return w - h.rate * g", "return w - (0.5, 1.0)[int(g)]"), "'plain' needs Python_exceptions, which"),
    (("return w - h.rate * g", "return w - math.exp(g)"), r"refused.py:24 \(return w - math.exp\(g\)\): math.exp"),
    (('name="plain"', 'name="double"'), "'double' cannot be a name in C"),
    (('"rate": (0.5', '"int": (0.5'), "no hyper-parameter 'rate'"),
    (('hyper={"rate"', 'hyper={"int": (0.5, "[0, 1]"), "rate"'), "'int' cannot be a name in C"),
    (('"(0, 1]"', '"(1, 2]"'), "ValueError: rule 'plain': the default rate=0.5"),
    (("import math", "import nowhere"), "ModuleNotFoundError: No module named 'nowhere'"),
    (("def update", "def def"), "SyntaxError"),
])
def test_refusals(tmp_path, capsys, change, message):
    assert change[0] in RULE
    assert build(tmp_path, RULE.replace(*change), "refused") == 1
    out, error = capsys.readouterr()
    assert out == "" and not list(tmp_path.glob("dist/*refused*"))
    assert re.search(message, error), error


def test_files_that_are_none(tmp_path, capsys):
    assert build(tmp_path, "x = 1\n", "empty") == 1
    assert "names or registers no numoptim.Rule" in capsys.readouterr().err
    twice = RULE + RULE[RULE.index("PLAIN ="):].replace("PLAIN", "OTHER").replace("0.5", "0.25")
    assert build(tmp_path, twice, "twice") == 1
    assert "several of its rules have one name: cheetah, plain, plain" in capsys.readouterr().err
    assert build(tmp_path, RULE, "my-rule") == 2
    assert "letters, digits and _" in capsys.readouterr().err
    assert cli.main(["build", str(tmp_path / "missing.py")]) == 1
    assert "expected a Python file" in capsys.readouterr().err


NAMESAKE = """
import sys
import numpy as np, numba, os
from numoptim import Rule

assert np.float32(1) and numba.njit and os.getpid()

def plain(w, g, h):
    return w - h.rate * g

PLAIN = Rule(name="plain", update=plain, hyper={"rate": (0.5, "(0, 1]")})
"""


def test_a_file_may_have_the_name_of_a_module(tmp_path):
    """It hides none, neither one that is imported already nor one that is imported while the library is made."""
    folder = tmp_path / "my rules"
    folder.mkdir()
    (folder / "numba.py").write_text(NAMESAKE)
    script = "import sys; from numoptim.cli import main; sys.exit(main(sys.argv[1:]))"
    run(sys.executable, "-P", "-c", script, "build", "numba.py", "-o", "my dist", cwd=folder)
    ffi = cffi.FFI()
    ffi.cdef("int64_t numba_rule_count(void);")
    assert ffi.dlopen(str(folder / "my dist/libnumba.so")).numba_rule_count() == 1


@pytest.mark.parametrize("name", ["numpy", "numba", "cffi", "os"])
def test_it_replaces_no_module(tmp_path, name):
    before = sys.modules[name]
    (tmp_path / f"{name}.py").write_text(NAMESAKE + "raise RuntimeError('after all')")
    assert cli.main(["build", str(tmp_path / f"{name}.py")]) == 1
    assert sys.modules[name] is before


@pytest.mark.parametrize("name", ["numoptim", "numoptim_cuda", "math", "stdio", "m", "pthread"])
def test_a_library_hides_no_other(tmp_path, capsys, name):
    before = sys.modules.get(name)
    assert build(tmp_path, RULE, name) == 2
    assert f"{name}.h and lib{name}.so would hide others of these names: rename the file" in capsys.readouterr().err
    assert not (tmp_path / "dist").exists() and sys.modules.get(name) is before


@needs("readelf")
def test_its_name_has_no_version(mine):
    *_, dist = mine
    assert sorted(file.name for file in dist.iterdir()) == ["libmy_rule.a", "libmy_rule.so", "my_rule.h"]
    assert re.search(r"SONAME.*\[libmy_rule\.so\]", run("readelf", "-d", dist / "libmy_rule.so"))


@pytest.mark.parametrize("cc", ["no-such-cc", "", "false"])
def test_a_compiler_that_does_not_run_is_none(tmp_path, capsys, monkeypatch, cc):
    monkeypatch.setenv("CC", cc)
    assert build(tmp_path, RULE) == 1
    assert f"no C compiler {cc!r}" in capsys.readouterr().err


def test_a_compiler_in_a_folder_with_a_space(tmp_path, monkeypatch):
    compiler = tmp_path / "my tools" / "my cc"
    compiler.parent.mkdir()
    compiler.write_text('#!/bin/sh\necho "$@" >>"${0%/*}/calls"\nexec cc "$@"\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", f"'{compiler}' -DONE='a b'")
    Toolchain().compile("-E", "-xc", os.devnull, cwd=tmp_path)
    assert (compiler.parent / "calls").read_text().splitlines()[-1] == f"-DONE=a b -E -xc {os.devnull}"
