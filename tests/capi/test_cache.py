"""Object files of built-in rules are compiled once, and anew when what they depend on has changed."""
import os

import pytest
from reference import BY_NAME

from numoptim import Rule
from numoptim.aot import MATHEMATICS, PACKAGE, cache


@pytest.fixture
def build(tmp_path, monkeypatch):
    """``build(rule)``: what the files say, and how many rules were compiled for them."""
    monkeypatch.setenv("NUMOPTIM_OBJECTS", str(tmp_path / "objects"))
    compiled = []

    def make(folder):
        compiled.append(folder)
        for name in ("b.o", "a.o"):
            (folder / name).write_text(f"{name} {len(compiled)}")

    def build(rule):
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        files = cache.kept(rule, "machine", out, make)
        assert [file.name for file in files] == ["a.o", "b.o"] and {file.parent for file in files} == {out}
        assert sorted(os.listdir(out)) == ["a.o", "b.o"]
        return [file.read_text() for file in files], len(compiled)

    return build


def test_a_rule_is_compiled_once(build, tmp_path):
    assert build(BY_NAME["adam"]) == build(BY_NAME["adam"]) == (["a.o 1", "b.o 1"], 1)
    assert build(BY_NAME["sgd"])[1] == 2 and build(BY_NAME["sgd_momentum"])[1] == 3       # two rules of one file
    assert build(BY_NAME["adam"])[1] == 3 and len(list((tmp_path / "objects").iterdir())) == 3


def test_a_change_is_seen_and_what_it_replaces_goes(build, tmp_path, monkeypatch):
    build(BY_NAME["adam"])
    build(BY_NAME["lamb"])
    changed = tmp_path / "package"
    (changed / "kernels").mkdir(parents=True)
    for name in (*(f"{name}.py" for name in MATHEMATICS), "kernels/loops.py"):
        (changed / name).write_bytes((PACKAGE / name).read_bytes() + b"# another\n" * (name == "kernels/loops.py"))
    monkeypatch.setattr(cache, "PACKAGE", changed)
    assert build(BY_NAME["adam"]) == (["a.o 3", "b.o 3"], 3)
    kept = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "objects").iterdir())
    assert kept == ["machine-adam", "machine-lamb"]


def update(w, g, h):
    return w - g


def test_rules_of_others_are_not_kept(build):
    own = Rule("own", update)
    assert [build(own)[1] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("place", ["", "/proc/nowhere"])
def test_nowhere_to_keep_them(build, monkeypatch, place):
    monkeypatch.setenv("NUMOPTIM_OBJECTS", place)
    assert [build(BY_NAME["adam"])[1] for _ in range(2)] == [1, 2]
