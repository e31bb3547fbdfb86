"""What programs compiled with the last release's header were promised: all of it is in this header, unchanged."""
import functools
import re
from pathlib import Path

import pytest
from library import LATER, STATIC
from pycparser import c_ast, c_generator, c_parser
from tools import compiler, needs, run

from numoptim.aot import PACKAGE
from numoptim.rules import RULES

RELEASED = Path(__file__).parents[1] / "data" / "numoptim-0.1.0.h"
PROGRAM = Path(__file__).with_name("released.c")
PRESENT = PACKAGE / "include" / "numoptim.h"
TYPES = "typedef int int32_t; typedef long long int64_t;\n"
FIXED = {"numoptim_version", "numoptim_strerror", "numoptim_plan", "numoptim_entry", "numoptim_rule"}
BARE = re.compile(r"/\*.*?\*/|#ifdef __cplusplus.*?#endif", re.DOTALL)


def bare(header):
    """Its lines as C has them: without comments, and without what is for C++ alone."""
    return BARE.sub(" ", header.read_text()).replace("\\\n", " ").splitlines()


@functools.cache
def macros(header):
    """{name: tokens}; INFINITY and HUGE_VAL are one double, and the version is another in each release."""
    found = {}
    for line in bare(header):
        match = re.fullmatch(r"\s*#\s*define\s+(\w+)\b(.*)", line)
        if match and not match[1].startswith("NUMOPTIM_VERSION"):
            found[match[1]] = re.findall(r"[\w.]+(?:[eE][-+]?\d+)?|\S", match[2].replace("INFINITY", "HUGE_VAL"))
    return found


@functools.cache
def declarations(header):
    """{name: its declaration, written anew}: functions, structs with their fields in order, other types."""
    lines = [line for line in bare(header) if not line.lstrip().startswith("#")]
    tree = c_parser.CParser().parse(TYPES + "\n".join(lines))
    write = c_generator.CGenerator().visit
    return {node.name: write(node) for node in tree.ext
            if isinstance(node, (c_ast.Decl, c_ast.Typedef)) and node.name.startswith("numoptim")}


@pytest.mark.parametrize("part", [macros, declarations])
def test_all_of_the_last_release_is_there_unchanged(part):
    before, now = part(RELEASED), part(PRESENT)
    assert {name: as_known(name, now.get(name), before[name]) for name in before} == before


def as_known(name, now, before):
    """A declaration without what has been added: descriptors, which only the library makes, may grow at their end."""
    fields, end = before.rsplit("}", 1) if name == "numoptim_rule" else (None, None)
    return before if fields and now and now.startswith(fields) and now.endswith(end) else now


def test_it_reads_what_the_headers_have():
    for header in (RELEASED, PRESENT):
        known, constants = declarations(header), macros(header)
        assert set(known) >= FIXED and len(known) >= 120
        assert set(constants) >= {"NUMOPTIM_OK", "NUMOPTIM_TABLE", "NUMOPTIM_BLOCK", "NUMOPTIM_F64"}
        assert known["numoptim_sgd"].count("double") == 4 and "int64_t offset;" in known["numoptim_sgld"]
        assert constants["NUMOPTIM_SGD_DEFAULT"] == ["{", "0.01", ",", "0.0", ",", "1.0", ",", "HUGE_VAL", "}"]
    assert macros(PRESENT)["NUMOPTIM_FROZEN"] == ["(", "-", "1", ")"] and "NUMOPTIM_FROZEN" not in macros(RELEASED)


@pytest.mark.parametrize("old, new", [
    ("double beta1;\n    double beta2;", "double beta2;\n    double beta1;"),
    ("int64_t first;", "int32_t first;"),
    ("NUMOPTIM_TABLE  (-5)", "NUMOPTIM_TABLE  (-7)"), ("int64_t size, float *w", "int64_t size, double *w"),
    ("SGD_DEFAULT { 0.01,", "SGD_DEFAULT { 0.1,"), ("int32_t numoptim_isa(void);", ""),
    ("numoptim_entry *init[2];", "numoptim_entry *init[3];"),
])
def test_a_change_would_be_seen(old, new, tmp_path):
    text, changed = PRESENT.read_text(), tmp_path / "numoptim.h"
    assert old in text
    changed.write_text(text.replace(old, new, 1))
    assert any({name: part(changed).get(name) for name in part(RELEASED)} != part(RELEASED)
               for part in (macros, declarations))


@needs("gcc")
def test_a_program_of_the_last_release_takes_every_rule_or_is_told_that_it_cannot(tmp_path):
    (tmp_path / "numoptim.h").write_bytes(RELEASED.read_bytes())
    run("gcc", "-std=c99", PROGRAM, f"-I{tmp_path}", STATIC, "-o", tmp_path / "released")
    lines = [line.split() for line in run(tmp_path / "released").splitlines()]
    assert lines == [[rule.name, *(("-1", "0") if rule.name in LATER else ("0", "1"))] for rule in RULES]


@pytest.mark.parametrize("command", [compiler("clang", "-std=c99", "-xc"), compiler("clang++", "-std=c++11", "-xc++"),
                                     compiler("gcc", "-std=c99", "-xc")])
def test_defaults_promote_no_float(command, tmp_path):
    lines = [f"numoptim_{rule.name} h{k} = NUMOPTIM_{rule.name.upper()}_DEFAULT;" for k, rule in enumerate(RULES)]
    source = tmp_path / "defaults.c"
    source.write_text("\n".join(['#include "numoptim.h"', *lines, ""]))
    flags = ["-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wdouble-promotion", "-Werror", "-fsyntax-only"]
    run(*command, *flags, f"-I{PRESENT.parent}", source)
