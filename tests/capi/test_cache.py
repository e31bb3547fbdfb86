"""Object files of built-in rules are compiled once, and anew when what they depend on has changed."""
import dataclasses
import os
import sys
import threading
import types

import pytest
from reference import BY_NAME

from numoptim import Rule
from numoptim.aot import PACKAGE, cache
from numoptim.rule import Slot


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


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, to be changed, that the cache takes for its own."""
    copy = tmp_path / "package" / "numoptim"
    for name in ("rule/scalar.py", "kernels/loops.py", "aot/ir.py"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((PACKAGE / name).read_bytes())
    monkeypatch.setattr(cache, "PACKAGE", copy)
    return copy


@pytest.mark.parametrize("changed", ["rule/scalar.py", "kernels/loops.py", "aot/ir.py"])
def test_a_change_is_seen(build, tmp_path, package, changed):
    for times in (1, 3):
        assert build(BY_NAME["adam"]) == build(BY_NAME["adam"]) == ([f"a.o {times}", f"b.o {times}"], times)
        build(BY_NAME["lamb"])
        (package / changed).write_text((package / changed).read_text() + "# another\n")
    assert sorted(os.listdir(tmp_path / "objects")) == ["machine-adam.zip", "machine-lamb.zip"]


HELPER = """
def half(x):
    return 0.5 * x
"""
RULE = """
from numoptim.rule import Rule
from numoptim.rules.{helper} import half


def update(w, g, h):
    return w - half(g)


RULE = Rule("{name}", update)
"""


def module(tmp_path, name, text):
    file = tmp_path / f"{name}.py"
    file.write_text(text)
    made = types.ModuleType(f"numoptim.rules.{name}")
    sys.modules[made.__name__] = made
    exec(compile(text, str(file), "exec"), made.__dict__)
    return made


def test_a_change_of_a_module_that_a_rule_calls_is_seen(build, tmp_path):
    names = "a_helper_of_this_test", "a_rule_of_this_test"
    try:
        module(tmp_path, names[0], HELPER)
        rule = module(tmp_path, names[1], RULE.format(helper=names[0], name=names[1])).RULE
        assert [build(rule)[1] for _ in range(2)] == [1, 1]
        (tmp_path / f"{names[0]}.py").write_text(HELPER.replace("0.5", "0.25"))
        assert [build(rule)[1] for _ in range(2)] == [2, 2]
    finally:
        for name in names:
            sys.modules.pop(f"numoptim.rules.{name}", None)


@pytest.mark.parametrize("damage", [lambda whole: b"", lambda whole: whole[:-1], lambda whole: whole[:20],
                                    lambda whole: whole[:100] + bytes([whole[100] ^ 1]) + whole[101:]])
def test_what_was_damaged_is_compiled_anew(build, tmp_path, damage):
    build(BY_NAME["adam"])
    file = tmp_path / "objects" / "machine-adam.zip"
    file.write_bytes(damage(file.read_bytes()))
    assert [build(BY_NAME["adam"])[1] for _ in range(2)] == [2, 2]


def test_builds_of_different_sources_at_once(build, tmp_path, monkeypatch):
    sources, wrong = threading.local(), []
    monkeypatch.setattr(cache, "_digest", lambda rule: sources.state)

    def builds(worker):
        out = tmp_path / f"{worker}"
        out.mkdir()
        for k in range(100):
            sources.state = text = b"%d" % (k // 10 % 3 + worker) * 9999
            file, = cache.kept(BY_NAME["adam"], "machine", out, lambda folder, s=text: (folder / "a.o").write_bytes(s))
            if file.read_bytes() != text:
                wrong.append(worker)

    threads = [threading.Thread(target=builds, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and os.listdir(tmp_path / "objects") == ["machine-adam.zip"]


def test_slots_that_start_elsewhere_are_another_rule(build):
    slots = [("v",), (Slot("v", start=0.5),), (Slot("v", low=0, start=0.5),), (Slot("v", start=0.75),)]
    rules = [dataclasses.replace(BY_NAME["sgd_momentum"], slots=each) for each in slots]
    assert [build(rule)[1] for rule in (*rules, rules[-1])] == [1, 2, 3, 4, 4]


def update(w, g, h):
    return w - g


def test_rules_of_others_are_not_kept(build):
    own = Rule("own", update)
    assert [build(own)[1] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("place", ["", "/proc/nowhere"])
def test_nowhere_to_keep_them(build, monkeypatch, place):
    monkeypatch.setenv("NUMOPTIM_OBJECTS", place)
    assert [build(BY_NAME["adam"])[1] for _ in range(2)] == [1, 2]
