"""The emulator's memory, control flow, barriers and warps, and what it refuses or reports."""
import numpy as np
import pytest

import ptx
from ptx import opcodes as table
from ptx.cases import CASES
from ptx.programs import ALL, HEAD, LANES, program, result
from ptx.syntax import Instruction, parse

HELPER = """
.func (.param .b32 out) twice(.param .b32 in, .param .align 8 .b8 pair[16]);
.visible .func (.param .b32 out) twice(.param .b32 in, .param .align 8 .b8 pair[16])
{ .reg .b32 %r<4>; ld.param.b32 %r1, [in]; ld.param.b32 %r2, [pair+8]; mad.lo.s32 %r3, %r1, 2, %r2;
st.param.b32 [out], %r3; ret.uni; }
"""
CALL = """{ .reg .b32 %r5; ld.global.b32 %r5, [%d1];
    .param .b32 p0; .param .align 8 .b8 p1[16]; .param .b32 r0;
    st.param.b32 [p0], %r5; st.param.b32 [p1+8], 5;
    call.uni (r0), twice, (p0, p1);
    ld.param.b32 %r6, [r0]; }  st.global.b32 [%d2], %r6;"""
TABLE = (".const .align 4 .f32 table[4] = {0f3F800000, 0f40000000};\n"
         ".global .align 4 .b8 bytes[12] = {1, 0, 0, 0, 254, 255, 0xFF, 255};\n"
         ".visible .global .align 8 .u64 pointers[2] = {bytes, generic(bytes)};\n.global .u32 counter = 7;")
ATOMICS = """mov.u64 %d5, counter; {operation} atom.global.add.u32 %r6, [%d5], 0; st.global.b32 [%d2], %r6;"""

# Text, then what y is for x = 0 ... 31.
PROGRAMS = {
    "vectors of four": (program("""
        and.b32 %r6, %r1, 3; setp.ne.u32 %p1, %r6, 0; @%p1 bra DONE; ld.global.v4.b32 {%r7, %r8, _, %r9}, [%d1];
        st.global.v2.f32 [%d2], {%r9, %r8}; st.global.cs.v2.b32 [%d2+8], {%r7, %r7}; DONE:"""),
        np.stack([LANES[::4] + 3, LANES[::4] + 1, LANES[::4], LANES[::4]], 1).ravel()),
    "narrow loads extend by sign": (program("""
        not.b32 %r6, %r5; st.global.b32 [%d2], %r6; ld.s8 %r7, [%d2]; ld.volatile.global.u8 %r8, [%d2];
        sub.u32 %r9, %r8, %r7;
        st.global.b16 [%d2+2], %r9; ld.global.nc.L1::no_allocate.u16 %h1, [%d2+2]; cvt.u32.u16 %r9, %h1;
        st.b32 [%d2], %r9;"""),
        np.full(32, 256)),
    "packing": (program("""
        mov.b64 %d5, {%r1, %r2}; shl.b64 %d5, %d5, 8; mov.b64 {%r6, _}, %d5; mov.b64 {_, %r7}, %d5;
        mov.b32 {%h1, %h2}, %r6;
        mov.b32 %r8, {%h2, %h1}; xor.b32 %r8, %r8, %r7; st.global.b32 [%d2], %r8;"""),
        LANES << 24 ^ 32 << 8),
    "carries": (program("""
        add.cc.u32 %r6, %r5, -16; addc.u32 %r7, 0, 0; sub.cc.s32 %r6, %r5, 16; subc.cc.s32 %r8, 0, 0;
        subc.s32 %r9, 0, 0;
        and.b32 %r8, %r8, 4; and.b32 %r9, %r9, 8; add.cc.s32 %r6, %r6, 0; addc.cc.s32 %r6, -1, 0; addc.s32 %r10, 0, %r7;
        or.b32 %r8, %r8, %r9; or.b32 %r10, %r10, %r8; st.global.b32 [%d2], %r10;"""),
        np.where(LANES >= 16, 1, 12)),
    "two predicates": (program("""
        setp.lt.u32 %p1|%p2, %r5, 10; selp.b32 %r6, 1, 0, %p1; @!%p2 add.s32 %r6, %r6, 2; selp.b32 %r7, 4, 0, !%p1;
        add.s32 %r6, %r6, %r7; st.global.b32 [%d2], %r6;"""), np.where(LANES < 10, 3, 4)),
    "branches by index": (program("""
        and.b32 %r6, %r1, 3; setp.eq.u32 %p1, %r6, 3; @%p1 bra.uni OUT; LIST: .branchtargets A, B,
        C; brx.idx %r6, LIST; A: st.global.b32 [%d2], 10; bra OUT; B: st.global.b32 [%d2], 20; bra OUT;
        C: st.global.b32 [%d2], 30;
        exit; OUT:"""), np.tile([10, 20, 30, 77], 8)),
    "calls": (program(CALL, HELPER), 2 * LANES + 5),
    "constants": (program("""
        and.b32 %r6, %r1, 1; mul.wide.u32 %d5, %r6, 4; mov.b64 %d6, table; add.s64 %d6, %d6, %d5;
        ld.const.b32 %r7, [%d6];
        cvt.rzi.u32.f32 %r7, %r7; ld.global.b64 %d7, [pointers]; add.s64 %d7, %d7, %d5; ld.b32 %r8, [%d7];
        mad.lo.s32 %r7, %r7, 10, %r8;
        cvta.const.u64 %d8, table; ld.f32 %r9, [%d8+4]; cvt.rzi.s32.f32 %r9, %r9; add.s32 %r7, %r7, %r9;
        st.global.b32 [%d2], %r7;""",
        TABLE), np.where(LANES % 2, 20, 13)),
    "local memory": (program("""
        mov.b64 %d5, depot; cvta.local.u64 %d6, %d5; mul.wide.u32 %d7, %r1, 4; and.b64 %d7, %d7, 12;
        add.s64 %d8, %d6, %d7;
        st.local.v4.b32 [%d5], {1, 2, 3, 4}; st.b32 [%d8], %r5; cvta.to.local.u64 %d9, %d8; ld.local.b32 %r6, [%d9];
        ld.local.b32 %r7, [depot+12]; mad.lo.s32 %r6, %r6, 100, %r7; st.global.b32 [%d2], %r6;""",
        declarations=".local .align 16 .b8 depot[16];"), np.where(LANES % 4 == 3, LANES * 101, LANES * 100 + 4)),
    "shared memory": (program("""
        shl.b32 %r6, %r1, 2; mov.u32 %r7, tile; add.s32 %r7, %r7, %r6; st.shared.b32 [%r7], %r5; bar.sync 0;
        xor.b32 %r6, %r6, 4; mov.b64 %d5, tile; cvta.shared.u64 %d6, %d5; cvt.u64.u32 %d7, %r6; add.s64 %d6, %d6, %d7;
        ld.b32 %r8, [%d6]; cvta.to.shared.u64 %d8, %d6; ld.shared.b32 %r9, [%d8]; add.s32 %r8, %r8, %r9;
        st.global.b32 [%d2], %r8;""",
        declarations=".shared .align 4 .b8 tile[128];"), 2 * (LANES ^ 1)),
    "unset shared memory": (program("ld.shared.b32 %r6, [tile+4]; st.global.b32 [%d2], %r6;",
        ".shared .align 4 .b8 tile[8];"),
                            np.full(32, 0xFFFFFFFF)),
    "reducing barriers": (program("""
        setp.gt.u32 %p1, %r5, 20; bar.red.popc.u32 %r6, 1, %p1; barrier.sync.aligned 1; bar.red.or.pred %p2, 1, %p1;
        bar.red.and.pred %p3, 0, %p1; @%p2 add.s32 %r6, %r6, 100; @%p3 add.s32 %r6, %r6, 1000;
        st.global.b32 [%d2], %r6;"""),
        np.full(32, 111)),
    "votes": (program(f"""
        setp.gt.u32 %p1, %r5, 20; vote.sync.ballot.b32 %r6, %p1, {ALL}; vote.sync.any.pred %p2, %p1, {ALL};
        vote.sync.all.pred %p3, %p1, {ALL}; @%p2 xor.b32 %r6, %r6, 1; @%p3 xor.b32 %r6, %r6, 2;
        vote.sync.uni.pred %p2, %p1, {ALL};
        @%p2 xor.b32 %r6, %r6, 4; st.global.b32 [%d2], %r6;"""), np.full(32, 0xFFE00001)),
    "special registers": (program("""
        mov.u32 %r6, %laneid; mov.u32 %r7, %lanemask_lt; popc.b32 %r7, %r7; add.s32 %r6, %r6, %r7; mov.u32 %r7, %tid.y;
        mov.u32 %r8, %nctaid.x; mov.u32 %r9, %ntid.z; mad.lo.s32 %r6, %r8, 100, %r6; sub.s32 %r6, %r6, %r9;
        add.s32 %r6, %r6, %r7;
        st.global.b32 [%d2], %r6;"""), 2 * LANES + 99),
    "fences and hints": (program("""
        prefetch.global.L2 [%d1]; membar.gl; fence.acq_rel.gpu; bar.warp.sync -1; .pragma "nounroll";
        st.global.b32 [%d2], %r5;"""),
        LANES),
    **{f"atomic {operation}": (program(ATOMICS.format(operation=f"{operation} bar.sync 0;"), TABLE), np.full(32,
        expected))
       for operation, expected in {
           "atom.global.add.u32 %r6, [%d5], %r5;": 7 + 496, "red.relaxed.gpu.global.max.s32 [%d5], %r5;": 31,
           "atom.min.u32 %r6, [%d5], %r5;": 0, "red.global.and.b32 [%d5], 13;": 5,
           "atom.global.or.b32 %r6, [%d5], %r5;": 31,
           "atom.global.xor.b32 _, [%d5], 1;": 7, "atom.global.inc.u32 %r6, [%d5], 9;": 9,
           "atom.global.dec.u32 %r6, [%d5], 9;": 5,
           "atom.global.exch.b32 %r6, [%d5], 3;": 3,
           "atom.relaxed.sys.global.cas.b32 %r6, [%d5], 7, %r2;": 32}.items()},
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    text, expected = PROGRAMS[name]
    np.testing.assert_array_equal(result(text, race="narrow" not in name), np.asarray(expected, np.uint32))


@pytest.mark.parametrize("mode, by, clamp, source", [
    ("idx", 5, 31, lambda i: 5), ("idx", 5, 0x181F, lambda i: i // 8 * 8 + 5), ("up", 3, 0,
        lambda i: i - 3 if i >= 3 else i),
    ("down", 4, 31, lambda i: i + 4 if i < 28 else i), ("down", 4, 0x181F, lambda i: i + 4 if i % 8 < 4 else i),
    ("up", 2, 0x1800, lambda i: i - 2 if i % 8 >= 2 else i), ("bfly", 16, 31, lambda i: i ^ 16), ("bfly", 1, 0x1C1F,
        lambda i: i ^ 1),
    ("idx", 40, 31, lambda i: 8), ("up", 3, 31, lambda i: i)])
def test_shuffle(mode, by, clamp, source):
    text = program(f"add.s32 %r6, %r5, 100; shfl.sync.{mode}.b32 %r7|%p1, %r6, {by}, {clamp}, {ALL}; "
                   "st.global.b32 [%d2], %r7;")
    np.testing.assert_array_equal(result(text, np.tile(LANES, 2), block=64),
        np.tile([100 + source(i) for i in range(32)], 2))


def test_shuffle_says_whether_its_source_was_in_range():
    text = program(f"shfl.sync.down.b32 _|%p1, %r5, 30, 31, {ALL}; selp.u32 %r7, 1, 0, %p1; st.global.b32 [%d2], %r7;")
    np.testing.assert_array_equal(result(text), LANES < 2)


def test_shuffle_from_a_lane_that_does_not_take_part_gives_ones():
    text = program(f"shfl.sync.down.b32 %r6, %r5, 1, 31, {ALL}; st.global.b32 [%d2], %r6;")
    np.testing.assert_array_equal(result(text, LANES[:8].copy(), block=8), [1, 2, 3, 4, 5, 6, 7, 0xFFFFFFFF])


def test_local_memory_begins_as_ones():
    text = program("ld.local.b32 %r6, [depot+4]; st.local.b32 [depot+4], %r5; st.global.b32 [%d2], %r6;",
                   declarations=".local .align 4 .b8 depot[8];")
    np.testing.assert_array_equal(result(text), np.full(32, 0xFFFFFFFF))


def test_a_function_has_shared_memory_of_its_own():
    function = """.func put(.param .b32 x) { .reg .b32 %r<2>; .shared .align 4 .b8 own[8];
                  ld.param.b32 %r1, [x]; st.shared.b32 [own], %r1; ret; }"""
    text = program("st.shared.b32 [tile], %r5; { .param .b32 a; st.param.b32 [a], 1000; call put, (a); } "
                   "ld.shared.b32 %r6, [tile]; st.global.b32 [%d2], %r6;", function, ".shared .align 4 .b8 tile[4];")
    np.testing.assert_array_equal(result(text, LANES[5:6].copy(), block=1), [5])


def test_every_instruction_in_the_table_is_run_by_a_test():
    texts = [text for text, _ in PROGRAMS.values()]
    texts += [program(f"shfl.sync.idx.b32 %r6, %r5, 1, 31, {ALL};"),
        program("trap;")]          # the tests around this one
    functions = [function for text in texts for function in parse(text)[0] if function.body]
    opcodes = {s.opcode for function in functions for s in function.body if isinstance(s, Instruction)}
    found = {table.find(opcode)[0] for opcode in opcodes | {case[0] for case in CASES}}
    assert found == {row[0] for row in table.ROWS}


@pytest.mark.parametrize("line", [
    "add.f32 %f1, %f2, %f3;", "add.rn.ftz.f32 %f1, %f2, %f3;", "mul.rz.f32 %f1, %f2, %f3;", "mul.f32 %f1, %f2, %f3;",
    "ex2.approx.f32 %f1, %f2;",
    "div.full.f32 %f1, %f2, %f3;", "rsqrt.approx.f32 %f1, %f2;", "cvt.f32.s32 %f1, %r1;", "cvt.rn.f16.f32 %h1, %f1;",
    "cvt.rn.sat.f32.s32 %f1, %r1;", "mad24.lo.s32 %r1, %r2, %r3, %r4;", "atom.global.add.f32 %f1, [%d1], %f2;",
    "ld.acquire.gpu.global.b32 %r1, [%d1];", "ld.tex.b32 %r1, [%d1];", "st.const.b32 [%d1], %r1;",
    "ld.global.v4.b64 {%d1, %d2, %d3, %d4}, [%d5];",
    "ld.global.v2.b32 %r1, [%d1];", "tex.1d.v4.f32.s32 {%r1, %r2, %r3, %r4}, [t, {%r5}];", "bar.sync 0, 64;",
    "bar.arrive 0, 64;",
    "mov.u32 %r1, %clock;", "mov.u32 %r1, %r99;", "mov.b32 %r1, nowhere;", "mov.b32 %r1, %d1;",
    "add.s32 %r1, %f1, %r2;",
    "add.rn.f32 %f1, %f2, 1;", "add.s32 %r1, %r2, 0f3F800000;", "mov.b32 %r1, 0x100000000;", "add.s32 %r1, %r2;",
    "add.s32 %r1, %r2, %r3, %r4;", "call.uni printf, ();", "bra NOWHERE;", "ld.param.b64 %d1, [x+8];",
    "ld.param.b32 %d1, [x+2];",
    "setp.lo.s32 %p1, %r1, %r2;", "setp.equ.s32 %p1, %r1, %r2;", "setp.lt.b32 %p1, %r1, %r2;",
    "ld.shared.b32 %r1, [x];",
    "discard.global.L2 [%d1], 128;", "brx.idx %r1, NOWHERE;", "bar.red.popc.pred %p1, 0, %p2;", "nonsense %r1;", "} {"])
def test_what_is_not_modelled_raises_with_its_line(line):
    text = program(f"    {line}")
    number = text.split("\n").index(f"    {line}") + 1
    with pytest.raises(ptx.PtxError, match=rf"PTX line ({number}|{number + 1}|{number + 3}): "):
        ptx.load(text)


@pytest.mark.parametrize("text", [
    ".extern .global .u32 elsewhere;", ".global .b32 x[2] = {1, 2, 3};", ".global .u8 x = 256;", ".global .f32 x = 1;",
    ".global .texref t;", ".const .u32 x[2] = {here, 0};", ".shared .b8 big[50000];",
    ".extern .func f(.param .b32 a) { ret; }",
    ".entry k(.param .b128 a) { ret; }", ".entry k() { .reg .b8 %x; ret; }", ".entry k() { .const .b8 x[4]; ret; }",
    ".entry k() {"])
def test_declarations_not_modelled_raise(text):
    with pytest.raises(ptx.PtxError, match=r"PTX line \d"):
        ptx.load(HEAD + text + "\n.entry other() { ret; }")


def test_dynamic_shared_memory():
    text = program("shl.b32 %r6, %r1, 2; mov.u32 %r7, more; add.s32 %r7, %r7, %r6; st.shared.b32 [%r7], %r5; "
                   "ld.shared.b32 %r8, [%r7]; st.global.b32 [%d2], %r8;",
                   ".extern .shared .align 16 .b8 more[];", ".shared .align 4 .b8 tile[20];")
    np.testing.assert_array_equal(result(text, shared=128), LANES)
    with pytest.raises(ptx.Fault, match=r"out-of-bounds .* shared address 0x9c "):
        result(text, shared=124)


@pytest.mark.parametrize("limit, blocks", [(".maxntid 64, 1, 1", [1, 64]), (".reqntid 64", [64]), ("", [1, 1024])])
def test_block_sizes_a_kernel_refuses(limit, blocks):
    module = ptx.load(f"{HEAD}.entry k() {limit} {{ ret; }}")
    for block in (0, 1, 64, 65, 1024, 1025):
        if block in blocks or (not limit and 0 < block < 1025):
            module.launch("k", 1, block)
        elif block != 1 or "req" in limit:
            with pytest.raises(ptx.Fault, match="threads for a kernel"):
                module.launch("k", 1, block)


def test_arguments():
    module = ptx.load(HEAD + """.entry k(.param .u64 x, .param .f32 a, .param .f64 b, .param .u8 c, .param .align 4
    .b8 s[8], .param .u32 d)
    { .reg .b64 %d<4>; .reg .b32 %r<4>; ld.param.b64 %d1, [x]; ld.param.b32 %r1, [a]; st.b32 [%d1], %r1;
    ld.param.b64 %d2, [b];
      st.b64 [%d1+8], %d2; ld.param.s8 %r2, [c]; st.b32 [%d1+16], %r2; ld.param.b32 %r3, [s+4]; st.b32 [%d1+20], %r3;
      ld.param.b32 %r1, [d]; st.b32 [%d1+4], %r1; ret; }""")
    x = np.zeros(6, np.int32)
    module.launch("k", 1, 1, x, np.float32(1.5), 2.5, -3, bytes(range(8)), 77, memory=True)
    assert (x[:1].view("f4")[0], x[1], x[2:4].view("f8")[0], x[4], x[5]) == (1.5, 77, 2.5, -3, 0x07060504)
    for wrong in [(x, 1, 2.5, 3, bytes(8), 4), (x, 1.5, 2.5, 3.0, bytes(8), 4), (x, 1.5, 2.5, 3, bytes(7), 4), (x,
        1.5)]:
        with pytest.raises(TypeError):
            module.launch("k", 1, 1, *wrong)
    with pytest.raises(OverflowError):
        module.launch("k", 1, 1, x, 1.5, 2.5, 256, bytes(8), 4)
