"""`numoptim build`: a library of a user's own rules, and what it refuses."""
import re
import sys

import cffi
import numpy as np
import pytest
from library import LIB, NULL
from test_abi import STRICT, run, tool

from numoptim import Parameters, Trainer, cli, optimizer
from numoptim.aot import header

RULE = '''
"""Lion, and its accumulated sum."""
import math

from numoptim import Rule
from numoptim.rule import power, sign
from numoptim.rules.adam import RULE as NOT_MINE


def prepare(t, h):
    return 1.0 - power(h.beta2, t),


def update(w, g, m, n, h):
    direction = h.beta1 * m + (1.0 - h.beta1) * g
    return w - h.learning_rate * sign(direction) / math.sqrt(1.0 + h.c), h.beta2 * m + (1.0 - h.beta2) * g, n + g * g


LION = Rule(name="lion", update=update, slots=("m", "size"), prepare=prepare, derived=("c",),
            hyper={"learning_rate": (1e-4, "[0, inf)"), "beta1": (0.9, "[0, 1)"), "beta2": (0.99, "[0, 1)")})


def plain(w, g, h):
    return w - h.rate * g


PLAIN = Rule(name="plain", update=plain, hyper={"rate": (0.5, "(0, 1]")})
'''


def build(tmp_path, text, name="my_rule"):
    (tmp_path / f"{name}.py").write_text(text)
    return cli.main(["build", str(tmp_path / f"{name}.py"), "-o", str(tmp_path / "dist")])


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """The module with the rules, cffi and the library made from them."""
    folder = tmp_path_factory.mktemp("mine")
    assert build(folder, RULE) == 0
    module = sys.modules["my_rule"]
    ffi = cffi.FFI()
    ffi.cdef(header.named(header.declarations([module.LION, module.PLAIN]), "my_rule"))
    return module, ffi, ffi.dlopen(str(folder / "dist" / "libmy_rule.so")), folder / "dist"


@pytest.mark.parametrize("scalar, dtype", [(np.float32, "f32"), (np.float64, "f64")])
def test_it_has_the_bits_of_a_trainer(mine, scalar, dtype):
    module, ffi, lib, _ = mine
    rng = np.random.default_rng(0)
    params = Parameters({"w": rng.standard_normal(333).astype(scalar)})
    trainer = Trainer(params, optimizer.register(module.LION)(learning_rate=0.01, wd=0.1))
    w, m, n = params["w"].copy(), np.zeros(333, scalar), np.zeros(333, scalar)
    h = ffi.new("my_rule_lion *", [0.01, 0.9, 0.99, 0.1, 1.0, np.inf])
    for t in range(1, 31):
        g = rng.standard_normal(333).astype(scalar)
        trainer.step(1, {"w": g})
        buffers = [ffi.cast("void *", x.ctypes.data) for x in (w, g, m, n)]
        assert getattr(lib, f"my_rule_lion_{dtype}")(333, *buffers, h, t) == 0
        assert w.tobytes() == params["w"].tobytes()


def test_only_rules_of_the_file_and_beside_numoptim(mine):
    _, ffi, lib, _ = mine
    names = [ffi.string(lib.my_rule_rule_at(k).name) for k in range(lib.my_rule_rule_count())]
    assert names == [b"lion", b"plain"]
    assert lib.my_rule_lion_f32(-1, *[ffi.NULL] * 5, 1) == -2
    assert ffi.string(lib.my_rule_strerror(-2)) == b"size, offset or count negative, or 2**60 or more"
    assert LIB.numoptim_rule_at(2) != NULL                     # both libraries in one process
    best = lib.my_rule_isa()
    assert lib.my_rule_set_isa(0) == 0 and LIB.numoptim_isa() == best
    lib.my_rule_set_isa(best)


@tool("gcc")
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
    (("return w - h.rate * g", "if g > 9.0:\n        raise ValueError(g)\n    return w - g"), "'plain' needs .*PyErr_"),
    (("return w - h.rate * g", "print(g)\n    return w - g"), "'plain' needs .*Py"),
    (("return w - h.rate * g", "return w - math.exp(g)"), r"'plain' needs expf?, which"),
    (("return w - h.rate * g", "return w - g ** h.rate"), r"'plain' needs powf?, which"),
    (("return w - h.rate * g", "return w - str(g)"), "'plain' cannot be compiled: "),
    (('name="plain"', 'name="double"'), "'double' cannot be a name in C"),
    (('"rate": (0.5', '"int": (0.5'), "'int' cannot be a name in C"),
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
    assert "defines no numoptim.Rule" in capsys.readouterr().err
    assert build(tmp_path, RULE, "my-rule") == 2
    assert "letters, digits and _" in capsys.readouterr().err
    assert cli.main(["build", str(tmp_path / "missing.py")]) == 1
    assert "expected a Python file" in capsys.readouterr().err


def test_without_a_compiler(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CC", str(tmp_path / "no-such-cc"))
    assert build(tmp_path, RULE) == 1
    assert "no C compiler" in capsys.readouterr().err


def test_config_prints_flags_that_compile(tmp_path, capsys):
    assert cli.main(["config", "--cflags", "--libs"]) == 0
    flags = capsys.readouterr().out.split()
    (tmp_path / "main.c").write_text("""#include "numoptim.h"
int main(void) { return numoptim_version() != NUMOPTIM_VERSION; }
""")
    run("gcc", tmp_path / "main.c", *flags, "-o", tmp_path / "main")
    run(tmp_path / "main")
    assert cli.main(["config"]) == 2
