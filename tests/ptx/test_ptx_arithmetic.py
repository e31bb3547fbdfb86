"""Every arithmetic instruction that ptx.py knows, over special and ordinary values, to the bit."""
import itertools

import numpy as np
import pytest

import ptx
from ptx.cases import CASES, DTYPES, POOLS

MOST = 20_000                                                   # operand tuples of one case


def loaded(i, kind):
    """PTX that loads operand i, and its register."""
    if isinstance(kind, int):
        return "", str(kind)
    width = 4 if kind == "pred" else int(kind[1:]) // 8
    register = {1: f"%h{i}", 2: f"%h{i}", 4: f"%r{i}", 8: f"%d{i}"}[width]
    text = (f"ld.param.u64 %a, [p{i}]; mul.wide.u32 %o, %i, {width}; add.s64 %a, %a, %o; "
            f"ld.global.b{8 * width} {register}, [%a]; ")
    return (text + f"setp.ne.u32 %p{i}, {register}, 0;", f"%p{i}") if kind == "pred" else (text, register)


def kernel(number, opcode, kinds):
    """A kernel that applies the instruction to element i of its operands' arrays, the result's array first."""
    loads, registers = zip(*(loaded(i, kind) for i, kind in enumerate(kinds)), strict=True)
    width = 4 if kinds[0] == "pred" else int(kinds[0][1:]) // 8
    result = "%r0" if kinds[0] == "pred" else registers[0]
    parameters = ", ".join(f".param .u64 p{i}" for i in range(len(kinds)))
    return f"""
.visible .entry case{number}({parameters})
{{
    .reg .b64 %a, %o;  .reg .b32 %i, %n, %c, %r<5>;  .reg .b16 %h<5>;  .reg .b64 %d<5>;  .reg .pred %p<5>;
    mov.u32 %i, %tid.x; mov.u32 %n, %ntid.x; mov.u32 %c, %ctaid.x; mad.lo.u32 %i, %c, %n, %i;
    {" ".join(loads)}
    {opcode} {", ".join(registers)};
    {"selp.u32 %r0, 1, 0, %p0;" if kinds[0] == "pred" else ""}
    ld.param.u64 %a, [p0]; mul.wide.u32 %o, %i, {width}; add.s64 %a, %a, %o;
    st.global.b{8 * width} [%a], {result};
    ret;
}}"""


@pytest.fixture(scope="module")
def module():
    return ptx.load(".version 7.0\n.target sm_80\n.address_size 64\n"
                    + "".join(kernel(i, opcode, kinds) for i, (opcode, kinds, _) in enumerate(CASES)))


def tuples(kinds, value):
    """Operands, all against all or a selection, with what is expected; those without a defined result left out."""
    pools = [[kind] if isinstance(kind, int) else POOLS[kind] for kind in kinds[1:]]
    every = list(itertools.product(*pools))
    found = every[::max(1, -(-len(every) // MOST)) | 1]
    with np.errstate(all="ignore"):
        results = [value(*operands) for operands in found]
    kept = [i for i, result in enumerate(results) if result is not None]
    return [found[i] for i in kept], [results[i] for i in kept]


def same(got, expected):
    if got.dtype.kind != "f":
        return got == expected
    image = f"u{got.itemsize}"
    return (got.view(image) == expected.view(image)) | (np.isnan(got) & np.isnan(expected))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)])
def test_instruction(module, number):
    opcode, kinds, value = CASES[number]
    operands, results = tuples(kinds, value)
    expected = np.array(results, DTYPES[kinds[0]])
    arrays = [np.array(column, DTYPES["u32" if isinstance(kind, int) else kind])
              for kind, column in zip(kinds[1:], zip(*operands, strict=True), strict=True)]
    got = np.full(len(expected), 77, expected.dtype)
    module.launch(f"case{number}", len(expected), 1, got, *arrays, memory=[got, *arrays])
    wrong = ~same(got, expected)
    assert not wrong.any(), [(opcode, operands[i], got[i], expected[i]) for i in np.flatnonzero(wrong)[:5]]


@pytest.mark.parametrize("opcode", ["min.f32", "max.NaN.f32", "min.NaN.f64", "max.f64"])
def test_the_nan_of_min_and_max_is_the_canonical_one(module, opcode):
    number = [case[0] for case in CASES].index(opcode)
    kind = DTYPES[opcode[-3:]]
    got, nan = np.zeros(1, kind), np.array([-np.nan], kind)
    module.launch(f"case{number}", 1, 1, got, nan, nan)
    assert got.view(f"u{kind.itemsize}")[0] == (1 << 8 * kind.itemsize - 1) - 1
