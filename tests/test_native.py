"""Where kernels come from: the package's library, or this process, and what is said about it."""
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from reference import BY_NAME

from numoptim import Parameters, Trainer, aot, native
from numoptim.kernels.abi import sums_phases
from numoptim.native.library import extension, source

TRAIN = """
import sys, numpy as np
from numoptim import Parameters, Trainer, lr_scheduler
for name, dtype in (("adam", "f4"), ("lamb", "f8"), ("sgld", "f4"), ("ftrl", "f8"), ("lbsgd", "f4"), ("dcasgd", "f8")):
    params = Parameters({"w": np.ones((300, 7), dtype), "b": np.zeros(7, dtype)})
    trainer = Trainer(params, name, {"lr_scheduler": lr_scheduler.CosineScheduler(10), "wd_mult": {"b": 0}})
    for _ in range(3):
        params.grad.flat[:] = params.flat
        trainer.step(4)
    trainer.save_states(sys.argv[1])
    trainer.load_states(sys.argv[1])
    assert np.isfinite(params.flat).all()
heavy = {"numba", "llvmlite", "cffi", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.fixture
def fresh():
    """Looks for the library anew, before the test and after it."""
    def forget():
        native.library.extension.cache_clear()
        native.library.entry.cache_clear()

    forget()
    yield
    forget()


def weights(rule="lamb"):
    params = Parameters({"w": np.linspace(-1, 1, 1000, dtype=np.float32), "b": np.ones(3, np.float32)})
    trainer = Trainer(params, rule, clip_norm=3.0)
    for t in range(5):
        grads = {name: w.copy() for name, w in params.items() if name == "w" or t % 2}
        assert trainer.step(2, grads, missing="skip").applied
    return params.flat.tobytes()


needs_library = pytest.mark.skipif(not extension().rules, reason="numoptim was installed without a C compiler")


@needs_library
def test_training_with_built_in_rules_imports_no_compiler(tmp_path):
    done = subprocess.run([sys.executable, "-W", "error", "-c", TRAIN, str(tmp_path / "states")], capture_output=True,
                          text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr


@needs_library
def test_every_built_in_rule_comes_from_the_library():
    assert source().startswith("compiled ahead of time")
    known = extension().rules
    assert set(known) == set(BY_NAME.values())
    for rule, phases in known.items():
        assert all(phases["range"]) and all(phases["init"]) == (rule.init is not None)
        assert {phase for phase in phases if phase.startswith("norms")} == set(sums_phases(rule))
        assert all(all(phases[phase]) for phase in sums_phases(rule))


@needs_library
def test_a_library_from_other_sources_is_named_and_not_used(fresh, monkeypatch):
    ahead = weights()
    native.library.extension.cache_clear()
    native.library.entry.cache_clear()
    monkeypatch.setattr(native.library, "digest", lambda: "0" * 16)
    with pytest.warns(RuntimeWarning, match=r"_native\S* was built from other sources \(digest \w{16}\) .* anew"):
        assert weights() == ahead
    assert source() == "compiled in process by Numba"
    found = extension()                 # its structs may be others, too
    assert all(hasattr(function, "py_func") for function in (found.call, found.check, found.step, found.steps))
    assert found.launcher is None


@needs_library
def test_the_extension_s_functions_take_integers():
    for function, wanted in ((extension().step, 2), (extension().check, 3)):
        for arguments in ((), (1,) * (wanted + 1), (1.0,) * wanted, (None,) * wanted):
            with pytest.raises(TypeError):
                function(*arguments)


def test_without_an_extension(fresh, monkeypatch):
    ahead = weights()
    native.library.extension.cache_clear()
    native.library.entry.cache_clear()
    monkeypatch.setitem(sys.modules, "numoptim._native", None)
    monkeypatch.delattr("numoptim._native", raising=False)
    assert source() == "compiled in process by Numba"
    assert weights() == ahead


def test_the_digest_is_that_of_every_source(tmp_path, monkeypatch):
    """A change to any file that kernels are made of changes it; other files do not."""

    copy = tmp_path / "numoptim"
    shutil.copytree(aot.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so", "lib", "include"))
    monkeypatch.setattr(aot, "PACKAGE", copy)
    before = aot.digest()
    assert before == aot.digest() != ""
    for name in ("rules/adam.py", "rule/__init__.py", "rule/scalar.py", "kernels/gradient.py", "kernels/random.py",
                 "kernels/loops.py", "aot/runtime.c", "cuda/launcher.c"):
        text = (copy / name).read_text()
        (copy / name).write_text(text + "\n")
        assert aot.digest() != before, name
        (copy / name).write_text(text)
    (copy / "trainer.py").write_text("")
    assert aot.digest() == before
