"""The header and what the library files hold: names, layouts, symbols, and two builds that are one."""
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from library import FFI, LATER, LEVELS, LIB, NULL, PATH, STATIC, descriptor, each_level
from reference import BY_NAME, each_rule
from tools import compiler, needs, run

import numoptim
from numoptim.aot import PACKAGE, digest, header
from numoptim.kernels import STATUS
from numoptim.rules import RULES

ROOT = Path(numoptim.__file__).parents[1]
HEADER = PACKAGE / "include" / "numoptim.h"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-Wconversion"]
DECLARED = set(re.findall(r"^(?:int32_t|int64_t|const char \*|const numoptim_rule \*) ?(numoptim_\w+)\(",
                          HEADER.read_text(), re.MULTILINE))


# --- the header

def test_header_in_the_repository_is_that_of_the_rules():
    text = header.header(RULES, numoptim.__version__)
    assert HEADER.read_text() == text, "the installed header is stale: install numoptim anew"
    committed = ROOT / "capi" / "numoptim.h"
    if not committed.exists():
        pytest.skip("not run from the repository")
    assert committed.read_text() == text, "capi/numoptim.h is stale: `make capi` writes it"


@pytest.mark.parametrize("language", [compiler("gcc", "-std=c99", "-xc"), compiler("g++", "-std=c++11", "-xc++")])
def test_header_compiles_without_a_warning(language, tmp_path):
    lines = [f"numoptim_{rule.name} h{k} = NUMOPTIM_{rule.name.upper()}_DEFAULT;" for k, rule in enumerate(RULES)]
    checks = " && ".join(f"h{k}.rescale_grad > 0.0" for k in range(len(RULES)))
    source = tmp_path / "all.c"
    source.write_text("\n".join(['#include "numoptim.h"', '#include "numoptim.h"', *lines, "int main(void);",
                                 f"int main(void) {{ return ({checks}) ? NUMOPTIM_OK : NUMOPTIM_HYPER; }}\n"]))
    run(*language, *STRICT, source, f"-I{HEADER.parent}", "-o", tmp_path / "all")
    run(tmp_path / "all")


@each_rule
def test_header_documents_every_hyper_parameter_and_slot(rule):
    page = HEADER.read_text().split(f"\n * {rule.name}: ")[1].split("*/")[0]
    for key, (default, interval) in rule.fields.items():
        own = re.escape(f"{key:16} {interval:13} default {header.number(default)}")
        assert re.search(rf"^ \*     {own}$|and .*\b{key}\b.*\(above\)", page, re.MULTILINE), key
    for slot in rule.slots:
        assert re.search(rf"^ \*     {slot}\b", page, re.MULTILINE), slot
    for line in rule.section("Update").splitlines():
        assert line in page


# --- values that functions return

def test_versions_and_statuses():
    numbers = [int(x) for x in numoptim.__version__.split(".")]
    assert LIB.numoptim_version() == np.dot(numbers, [10000, 100, 1])
    assert f"#define NUMOPTIM_VERSION {LIB.numoptim_version()}\n" in HEADER.read_text()
    assert FFI.string(LIB.numoptim_sources()).decode() == digest(), "stale: install numoptim anew"
    texts = {status: FFI.string(LIB.numoptim_strerror(status)).decode() for status in range(-10, 3)}
    assert texts == {status: STATUS.get(status, "success" if status == 0 else "unknown status") for status in texts}
    for status, name in header.STATUS_NAMES.items():
        assert re.search(rf"#define NUMOPTIM_{name} +\({status}\)", HEADER.read_text())


AVERAGING = {"lr_max": 2, "total": 2}
OVER = {"novograd": {"v": 1}, "gradient_norm": {"norm": 2}, "prodigy": {"d": 2, "q": 2}, "sgd_schedule_free": AVERAGING,
        "adamw_schedule_free": AVERAGING}                           # slots over segments: 1, over all: 2


@each_rule
def test_descriptors(rule):
    known = descriptor(rule)
    text = [FFI.string(known.name), *(FFI.string(known.slots[k]) for k in range(known.slot_count))]
    assert [x.decode() for x in text] == [rule.name, *rule.slots]
    released = rule.name not in LATER
    assert (known.layerwise, known.noisy) == (rule.layerwise and released, rule.noisy)
    sums = {"lars": 2, "lbsgd_lars": 2, "lamb": 2, "lans": 4, "novograd": 2, "prodigy": 2,
            "gradient_norm": 1}
    assert known.sums == sums.get(rule.name, 0)
    assert [(known.over[k], known.starts[k]) for k in range(known.slot_count)] == [
        (OVER.get(rule.name, {}).get(slot, 0), 0.0) for slot in rule.slots]
    fields = {}
    for k in range(known.field_count):
        field = known.fields[k]
        interval = FFI.string(field.interval).decode()
        fields[FFI.string(field.name).decode()] = (field.default_value, interval)
        low, high = (float(x) for x in interval.removesuffix(" or 0")[1:-1].split(","))
        assert (field.low, field.high) == (low, high)
        assert field.integer == isinstance(rule.fields[FFI.string(field.name).decode()][0], int)
    assert fields == rule.fields and list(fields) == list(rule.fields)
    passes = [known.passes[k] for k in range(1 + len(rule.reductions) + (rule.name in OVER))]
    for j in (0, 1):
        assert all(entry[j] != NULL for entry in passes) and (known.init[j] != NULL) == (rule.init is not None)
        assert (known.norms[j] == passes[0][j]) if known.layerwise else known.norms[j] == NULL
        assert (known.range[j] == passes[-1][j]) == released
        assert all(known.passes[k][j] == NULL for k in range(len(passes), 6))


def test_descriptors_end():
    assert LIB.numoptim_rule_count() == len(RULES)
    for index in (-1, len(RULES), 2**62, -2**63):
        assert LIB.numoptim_rule_at(index) == NULL


@each_rule
def test_defaults_of_the_header(rule):
    values = re.search(rf"#define NUMOPTIM_{rule.name.upper()}_DEFAULT {{ (.*) }}", HEADER.read_text())[1].split(", ")
    expected = [default for default, _ in rule.fields.values()]
    assert [float(x.replace("HUGE_VAL", "inf")) for x in values] == expected
    assert [x.isdigit() for x in values] == [isinstance(x, int) for x in expected]


# --- instruction sets

def isa(**environment):
    script = ("import cffi; f = cffi.FFI(); f.cdef('int32_t numoptim_isa(void);'); "
              f"print(f.dlopen({str(PATH)!r}).numoptim_isa())")
    return int(run(sys.executable, "-c", script, env={**os.environ, **environment}))


def test_instruction_set_from_the_environment():
    best = isa(NUMOPTIM_ISA="")
    assert best in LEVELS
    assert isa(NUMOPTIM_ISA="0") == 0
    assert isa(NUMOPTIM_ISA="1") == min(best, 1)
    for wish in ("7", "-1", "00", "x86-64-v3"):
        assert isa(NUMOPTIM_ISA=wish) == best


@each_level
def test_other_instruction_sets_are_refused(level):
    for wanted in (-1, len(LEVELS), 2**31 - 1, -2**31):
        assert LIB.numoptim_set_isa(wanted) == -6
        assert LIB.numoptim_isa() == level


# --- the files

@needs("nm")
def test_symbols():
    exported = {line.split()[-1] for line in run("nm", "-D", "--defined-only", PATH).splitlines()}
    static = run("nm", "-g", "--defined-only", STATIC).splitlines()
    assert exported == DECLARED
    assert {line.split()[-1] for line in static if len(line.split()) == 3} == DECLARED
    assert {f"numoptim_{rule.name}_{dtype}{suffix}" for rule in RULES for dtype in ("f32", "f64")
                        for suffix in header.entries(rule)} <= DECLARED
    for command in (("nm", "-D", "-u", PATH), ("nm", "-u", STATIC)):
        needed = {line.split()[1].partition("@")[0] for line in run(*command).splitlines() if " U " in line}
        assert needed <= {"memset", "getenv", "_GLOBAL_OFFSET_TABLE_"}


@needs("readelf")
def test_shape_of_the_library():
    assert PATH.stat().st_size < 20_000 * len(RULES)
    assert re.search(r"GNU_STACK.* RW +0x", run("readelf", "-lW", PATH))
    assert "TEXTREL" not in run("readelf", "-d", PATH)
    assert re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", PATH)) in ([], ["libc.so.6"])


@pytest.mark.long
def test_two_builds_are_equal_byte_by_byte(tmp_path):
    run(sys.executable, "-m", "numoptim.aot", tmp_path, cwd="/", env={**os.environ, "NUMOPTIM_OBJECTS": ""})
    for file in (f"lib/{PATH.name}", "lib/libnumoptim.so", "lib/libnumoptim.a", "include/numoptim.h"):
        assert (tmp_path / file).read_bytes() == (PACKAGE / file).read_bytes(), file


# --- a hyper-parameter struct is what the library checks

def around(field, integer):
    """(value, whether it is accepted) for the ends of a field's interval, and what lies just beyond."""
    text, _, zero = FFI.string(field.interval).decode().partition(" or ")
    cases = [] if integer else [(np.nan, False)]
    cases += [(0.0, True), (np.nextafter(0.0, 1), False)] if zero else []         # which a float rounds to 0
    for end, closed, outwards in ((field.low, text[0] == "[" or zero == "0", -1), (field.high, text[-1] == "]", 1)):
        if np.isfinite(end):
            cases.append((int(end) + 1024 * outwards if integer else np.nextafter(end, outwards * np.inf), False))
        if np.isfinite(end) or not integer:
            cases.append((int(end) if integer else end, closed))
    return cases


@each_rule
def test_every_bound_of_every_hyper_parameter(rule):
    f = getattr(LIB, f"numoptim_{rule.name}_f32")
    for k, (key, (default, _)) in enumerate(rule.fields.items()):
        for value, accepted in around(descriptor(rule).fields[k], isinstance(default, int)):
            h = FFI.new(f"numoptim_{rule.name} *", [default for default, _ in rule.fields.values()])
            setattr(h, key, value)
            status = f(0, *[NULL] * (2 + len(rule.slots) + rule.layerwise), h, 1)
            assert status == (0 if accepted else -4), (key, value)


def test_the_rules_are_those_of_the_package():
    assert list(BY_NAME) == [FFI.string(LIB.numoptim_rule_at(k).name).decode() for k in range(len(RULES))]


# --- the extension's threads

@needs("gcc")
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_helpers_do_every_job_once(sanitizer, tmp_path):
    program = tmp_path / "callers"
    run("gcc", "-D_GNU_SOURCE", "-O1", "-g", "-pthread", "-Wall", "-Wextra", "-Werror", f"-fsanitize={sanitizer}",
        "-fno-sanitize-recover=all", f"-I{PACKAGE / 'aot'}", Path(__file__).with_name("callers.c"), "-o", program)
    assert run(program) == "every job once\n"
