"""What GPU kernels are made of: their PTX, what the assembler makes of it, and what is refused."""
import re
import subprocess
import sys

import numpy as np
import pytest
from reference import BY_NAME, FLOAT, MOVING, each_dtype, each_moving_rule, each_rule

from numoptim import Rule, cuda
from numoptim.aot import PACKAGE
from numoptim.cuda.compile import blocks
from numoptim.cuda.loops import THREADS
from numoptim.cuda.parameters import suffixes
from numoptim.rule import clip
from numoptim.rules import RULES

EXACT = re.compile(r"""(add|sub|mul|div|sqrt|rcp)\.rn\.f(32|64) | (abs|neg|copysign)\.f(32|64)
    | (setp\.\w+|selp)\.f(32|64) | cvt\.rn\.f(32|64)\.[su](32|64) | cvt\.rn\.f32\.f64 | cvt\.f64\.f32
    | cvt\.rzi\.s64\.f(32|64) | (mov|ld|st)\.\S+""", re.VERBOSE)
WIDE = {"f32": "v4.b32", "f64": "v2.b64"}


def kernels(rule, dtype):
    """Lines of each kernel's instructions by its suffix."""
    text = cuda.ptx(rule, FLOAT[dtype])
    found = re.findall(rf"^\.visible \.entry {rule.name}_{dtype}(\w*)\(.*?^{{(.*?)^}}", text, re.M | re.S)
    return {suffix: [line.strip() for line in body.split("\n") if line.strip()] for suffix, body in found}


def loop_with(lines, mark):
    """The innermost loop around the first line that matches: from a label to the last jump back to it."""
    at = next(k for k, line in enumerate(lines) if re.match(mark, line))
    for first in range(at, -1, -1):
        label = re.fullmatch(r"(\$L\w+):", lines[first])
        back = [k for k in range(at, len(lines)) if label and lines[k].endswith(f"\t{label[1]};")]
        if back:
            return lines[first:back[-1] + 1]
    raise AssertionError(f"no loop around {mark}")


@each_dtype
@each_rule
def test_every_kernel_is_there(rule, dtype):
    assert set(kernels(rule, dtype)) == set(suffixes(rule))
    text = cuda.ptx(rule, FLOAT[dtype])
    assert text.count(f".maxntid {THREADS}") == text.count(".visible .entry")
    assert re.search(r"^\.version 7\.0$", text, re.M) and re.search(r"^\.target sm_80$", text, re.M)


@each_dtype
@each_rule
def test_arithmetic_is_exact(rule, dtype):
    """IEEE operations rounded to nearest, nothing fused, approximate or flushed; no calls, no local memory."""
    for lines in kernels(rule, dtype).values():
        floats = [line for line in lines if re.search(r"\.f(16|32|64)\b", line)]
        assert floats or rule not in MOVING
        for line in floats:
            name = re.sub(r"^@!?%p\d+ ", "", line).split()[0]
            assert EXACT.fullmatch(name), line
        text = "\n".join(lines)
        assert not re.search(r"\b(call|fma|trap|vprintf|atom|red)\b", text)
        assert ".local" not in text and "%SP" not in text


@each_dtype
@each_moving_rule
def test_buffers_are_read_and_written_128_bits_at_a_time(rule, dtype):
    wide = WIDE[dtype]
    for suffix in {"", "_init"} & set(suffixes(rule)):
        loop = "\n".join(loop_with(kernels(rule, dtype)[suffix], rf"st\.global\.{wide}"))
        slots = len(rule.slots_over("element"))
        only_read = suffix == "" or rule.name not in ("yogi", "rprop")         # the gradient, or the weights for _init
        unused = 0 if suffix == "" else 1 + slots + (not only_read)
        assert len(re.findall(rf"ld\.global(\.nc)?\.{wide}", loop)) == 2 + slots - unused
        assert len(re.findall(rf"ld\.global\.nc\.{wide}", loop)) == only_read
        assert len(re.findall(rf"st\.global\.{wide}", loop)) == slots + (suffix == "")
        assert len(re.findall(r"(ld|st)\.global", loop)) == 3 + 2 * slots - unused - (suffix != "")


@each_moving_rule
def test_float32_is_updated_in_float32(rule):
    """After the constants are prepared: no float64 but what turns a ratio of norms into a float32."""
    for suffix, lines in kernels(rule, "f32").items():
        if suffix in ("", "_init"):
            after = lines[max(k for k, line in enumerate(lines) if line.startswith("bar.sync")):]
            double = [line for line in after if ".f64" in line]
            assert all(line.startswith("cvt.rn.f32.f64") for line in double) and len(double) <= len(rule.results)
            assert any(".f32" in line for line in after)
            assert suffix == "_init" or any(".f64" in line for line in lines)


def test_builds_are_repeatable():
    """In processes of their own: what Numba has compiled for the processor changes how some integers look."""
    first, second = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for
                     code in ("from numoptim.cuda import ptx; print(ptx('lars'), ptx('adam'))",
                              "from numoptim.cuda import ptx; ptx('adam'); print(ptx('lars'), ptx('adam'))"))
    assert first == second and first.count(".visible .entry") == 4


# --- the assembler

@pytest.mark.parametrize("sm", cuda.ARCHITECTURES)
@each_dtype
@each_rule
def test_no_spills_and_few_registers(rule, dtype, sm):
    pytest.importorskip("cuda.bindings.nvjitlink")
    from numoptim.cuda.assemble import assembled
    limit = 65536 // (THREADS * blocks(rule, dtype)) // 8 * 8
    assert limit in (80, 128)
    made = assembled(cuda.ptx(rule, FLOAT[dtype]), sm)
    assert made.code[:4] == b"\x7fELF"
    assert set(made.usage) == {f"{rule.name}_{dtype}{suffix}" for suffix in suffixes(rule)}
    for used in made.usage.values():
        assert used.spills == 0 and 0 < used.registers <= limit and used.shared <= 24 * 1024


def test_the_assembler_says_what_it_refuses():
    pytest.importorskip("cuda.bindings.nvjitlink")
    with pytest.raises(ValueError, match=r"sm_90: .*Unknown modifier '\.xx'"):
        cuda.cubin(cuda.ptx("sgd").replace("mul.rn.f32", "mul.xx.f32"), 90)


@each_dtype
def test_a_fatbin_holds_every_architecture_and_the_ptx(dtype):
    pytest.importorskip("cuda.bindings.nvfatbin")
    whole = cuda.fatbin("adam", FLOAT[dtype])
    assert whole[:4] == bytes.fromhex("50ed55ba")
    assert b".version 7.0\n" in whole and f".visible .entry adam_{dtype}(".encode() in whole
    for sm in cuda.ARCHITECTURES:
        code = cuda.cubin(cuda.ptx("adam", FLOAT[dtype]), sm)
        assert code[-1000:].strip(b"\0") in whole


# --- what is refused

def rule_of(update, **keywords):
    return Rule(name="own", update=update, hyper={"learning_rate": (0.1, "[0, inf)")}, **keywords)


def indexing(w, g, h):
    return w - (0.5, 1.0)[int(g)]


@each_dtype
def test_what_a_gpu_cannot_do_is_refused_with_its_reason(dtype):
    with pytest.raises(ValueError, match=r"rule 'own' needs Python_exceptions, which GPU kernels do not have"):
        cuda.ptx(rule_of(indexing), FLOAT[dtype])


def test_other_types_and_unknown_rules_are_refused():
    with pytest.raises(TypeError, match="float16"):
        cuda.ptx("adam", np.float16)
    with pytest.raises(ValueError, match="did you mean 'adam'"):
        cuda.ptx("adem")


def bounded(w, g, h):
    return w - h.learning_rate * clip(g, -1.0, 1.0)


def test_a_rule_of_ones_own():
    assert ".visible .entry own_f32(" in cuda.ptx(rule_of(bounded))


# --- the figures in the README

@pytest.mark.parametrize("name", ["adam", "lars", "sgld"])
def test_the_table_in_the_readme_is_what_is_counted(name):
    pytest.importorskip("cuda.bindings.nvjitlink")
    from numoptim.cuda.figures import table
    written = (PACKAGE / "cuda" / "README.md").read_text().splitlines()
    head, rule, *counted = table([BY_NAME[name]]).splitlines()
    assert len(counted) >= 2 and {head, rule, *counted} <= set(written)


def test_every_kernel_is_in_the_table():
    written = (PACKAGE / "cuda" / "README.md").read_text()
    for known in RULES:
        for dtype in FLOAT:
            assert all(f"| {known.name}_{dtype}{suffix} |" in written for suffix in suffixes(known))


@pytest.mark.parametrize("sm, error, message", [
    (70, ValueError, r"sm=70 is out of range: expected a finite number in \[80, inf\)"), (0, ValueError, "sm=0"),
    (999, ValueError, "sm=999: LLVM knows no such GPU"), ("90", TypeError, "sm='90': expected an integer"),
    (8.0, TypeError, "sm=8.0: expected an integer"),
])
def test_other_gpus_are_refused(sm, error, message):
    with pytest.raises(error, match=message):
        cuda.ptx("sgd", np.float32, sm)


@pytest.mark.parametrize("sm", [86, np.int64(90), *cuda.ARCHITECTURES])
def test_later_gpus(sm):
    assert re.search(rf"^\.target sm_{sm}$", cuda.ptx("sgd", np.float32, sm), re.M)
