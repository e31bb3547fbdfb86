"""What the emulator reports when a kernel runs: faults and races."""
import numpy as np
import pytest

import ptx
from ptx.programs import ALL, LANES, program, result

FAULTS = {
    "misaligned access of 16 bytes at global": "ld.global.v4.b32 {%r6, %r7, %r8, %r9}, [%d1];",
    "misaligned access of 4 bytes at global": "st.global.b32 [%d2+2], %r5;",
    "misaligned access of 8 bytes at shared": "st.shared.b64 [tile+4], %d1;",
    "out-of-bounds access of 4 bytes at shared": "st.shared.b32 [tile+128], %r5;",
    "out-of-bounds access of 4 bytes at local": "ld.local.b32 %r6, [depot+16];",
    "out-of-bounds access of 4 bytes at global address 0x0": "mov.b64 %d5, 0; ld.b32 %r6, [%d5];",
    "out-of-bounds access of 4 bytes at global": "st.global.b32 [%d2+124], %r5;",
    "a write to global memory that is read-only": "st.global.b32 [%d1], %r5;",
    "integer division by zero": "div.u32 %r6, %r5, 0;",
    "trap": "trap;",
    "no such target": "LIST: .branchtargets END; brx.idx 1, LIST; END:",
    "waits for ever: thread 1 has returned": "setp.ne.u32 %p1, %r1, 0; @%p1 ret; bar.sync 0;",
    "waits for ever: thread 1 waits at line":
        "setp.eq.u32 %p1, %r1, 0; @%p1 bra A; bar.sync 0; bra B; A:\nbar.sync 0; B:",
    "not in its own member mask": "bar.warp.sync 1;",
    "waits for ever":
        f"setp.eq.u32 %p1, %r1, 0; @%p1 bra B; vote.sync.any.pred %p2, %p1, {ALL}; bra C; B: bar.sync 0; C:",
}


@pytest.mark.parametrize("message", FAULTS)
def test_fault(message):
    text = program(FAULTS[message], declarations=".shared .align 16 .b8 tile[128]; .local .align 4 .b8 depot[16];")
    x, y = LANES.copy(), np.zeros(32, np.uint32)
    x.flags.writeable = False
    module = ptx.load(text)
    with pytest.raises(ptx.Fault, match=rf"k: line \d+: .*{message}"):
        module.launch("k", 1, 32, x, y, memory=[x, y])


def test_a_module_works_after_a_fault():
    module = ptx.load(program("bar.sync 0; setp.ne.u32 %p1, %r5, 7; @%p1 bra FINE; trap; FINE: bar.sync 0; "
                              "st.global.b32 [%d2], %r5;"))
    y, fine = np.zeros(32, np.uint32), LANES + 100
    for _ in range(2):
        with pytest.raises(ptx.Fault, match=r"trap \(thread 7 of block 0\)"):
            module.launch("k", 1, 32, LANES, y)
        module.launch("k", 1, 32, fine, y)
        np.testing.assert_array_equal(y, fine)


REDUCE = program("""
    shl.b32 %r6, %r1, 2; mov.b32 %r7, tile; add.s32 %r6, %r6, %r7; st.shared.b32 [%r6], %r5;
    bar.sync 0; // loaded
    mov.b32 %r8, %r2;
LOOP:
    shr.u32 %r8, %r8, 1; setp.eq.u32 %p2, %r8, 0; @%p2 bra END;
    setp.ge.u32 %p1, %r1, %r8; @%p1 bra NEXT;
    shl.b32 %r9, %r8, 2; add.s32 %r9, %r9, %r6; ld.shared.b32 %r10, [%r9]; ld.shared.b32 %r11, [%r6];
    add.s32 %r10, %r10, %r11; st.shared.b32 [%r6], %r10;
NEXT:
    bar.sync 0; // level
    bra LOOP;
END:
    ld.shared.b32 %r12, [tile]; st.global.b32 [%d2], %r12;""", declarations=".shared .align 4 .b8 tile[1024];")


def test_a_reduction_with_its_barriers_is_clean():
    x = np.arange(512, dtype=np.uint32)
    np.testing.assert_array_equal(result(REDUCE, x, 2, 256), np.repeat(x.reshape(2, 256).sum(1), 256))


@pytest.mark.parametrize("barrier", ["loaded", "level"])
def test_a_missing_barrier_is_reported(barrier):
    text = REDUCE.replace(f"bar.sync 0; // {barrier}", "// removed")
    with pytest.raises(ptx.Race,
        match=r"k: line \d+: race: shared address 0x\w+, (written|read) by thread \d+ of block 0"):
        result(text, np.arange(256, dtype=np.uint32), block=256)


def test_a_barrier_of_the_warp_orders_its_threads_only():
    exchange = program("""
        shl.b32 %r6, %r1, 2; mov.b32 %r7, tile; add.s32 %r8, %r6, %r7; st.shared.b32 [%r8], %r5; bar.warp.sync -1;
        xor.b32 %r6, %r6, 4; add.s32 %r8, %r6, %r7; ld.shared.b32 %r9, [%r8]; st.global.b32 [%d2], %r9;""",
        declarations=".shared .align 4 .b8 tile[256];")
    x = np.arange(64, dtype=np.uint32)
    np.testing.assert_array_equal(result(exchange, x, block=64), x ^ 1)
    with pytest.raises(ptx.Race, match="thread 32 of block 0"):
        result(exchange.replace("xor.b32 %r6, %r6, 4", "xor.b32 %r6, %r6, 128"), x, block=64)
    with pytest.raises(ptx.Race):
        result(exchange.replace("bar.warp.sync -1;", ""), x, block=64)


@pytest.mark.parametrize("body, who", [
    ("ld.param.b64 %d2, [y]; st.global.b32 [%d2], %r5;", "thread 1 of block 0"),
    ("xor.b32 %r6, %r1, 1; sub.s32 %r6, %r6, %r1; mul.wide.s32 %d5, %r6, 4; add.s64 %d5, %d5, %d2; "
     "st.global.b32 [%d2], 1; ld.global.b32 %r7, [%d5];", "thread 1 of block 0"),
    ("ld.param.b64 %d2, [y]; setp.ne.u32 %p1, %r1, 0; @%p1 ret; ld.global.b32 %r6, [%d2]; bar.warp.sync 1; "
     "add.s32 %r6, %r6, 1; st.global.b32 [%d2], %r6;", "thread 0 of block 1"),
    ("ld.param.b64 %d2, [y]; atom.global.add.u32 %r6, [%d2], 1; ld.global.b32 %r7, [%d2];", "updated atomically"),
    ("ld.param.b64 %d2, [y]; setp.ne.u32 %p1, %r1, 31; @%p1 bra E; st.global.b32 [%d2], 1; E: bar.sync 0; "
     "ld.global.b32 %r7, [%d2];", "block 1")])
def test_races_in_global_memory(body, who):
    with pytest.raises(ptx.Race, match=rf"race: global address .*{who}"):
        result(program(body), np.arange(64, dtype=np.uint32), grid=2)


READERS = """ld.param.b64 %d2, [y]; mov.b32 %r7, {readers}; shl.b32 %r8, 1, %r1; and.b32 %r7, %r7, %r8;
    setp.ne.u32 %p1, %r7, 0; @%p1 ld.global.b32 %r6, [%d2]; {between} setp.ne.u32 %p2, %r4, {writer}; @%p2 ret;
    st.global.b32 [%d2], %r4;"""


@pytest.mark.parametrize("readers, writer, grid, block", [
    (0b1, 1, 1, 2), (0b11, 1, 1, 2), (0b111, 2, 1, 3), (0b1, 32, 1, 33), (0b1, 1, 2, 1)])
def test_a_write_after_reads_by_others(readers, writer, grid, block):
    """Whoever read last, and how often: the writer, or others of its warp or block, hide none of the other readers."""
    for between in ("", "@%p1 ld.global.b32 %r6, [%d2];"):
        text = program(READERS.format(readers=readers, writer=writer, between=between))
        with pytest.raises(ptx.Race, match=rf"read by thread .*is written .*by thread {writer % block} of "):
            result(text, np.zeros(64, np.uint32), grid, block)


def test_a_write_by_a_reader_of_another_warp():
    """Thread 0 reads, then 32 and 33 of the next warp; 33 writes."""
    text = program("""ld.param.b64 %d2, [y]; setp.eq.u32 %p1, %r1, 0; setp.ge.or.u32 %p1, %r1, 32, %p1;
        @%p1 ld.global.b32 %r6, [%d2]; bar.warp.sync -1; setp.ne.u32 %p2, %r1, 33; @%p2 ret;
        st.global.b32 [%d2], %r4;""")
    with pytest.raises(ptx.Race, match=r"is written .* by thread 33 of block 0"):
        result(text, np.zeros(64, np.uint32), block=64)


def test_readers_in_a_barrier_interval_of_its_own_do_not_race():
    for readers, writer in ((0b1, 1), (0b11, 1), (0b111, 2)):
        result(program(READERS.format(readers=readers, writer=writer, between="bar.sync 0;")), LANES)


@pytest.mark.parametrize("body", [
    "ld.param.b64 %d2, [y]; red.global.add.u32 [%d2], 1;",
    "ld.param.b64 %d1, [x]; ld.global.b32 %r6, [%d1]; st.global.b32 [%d2], %r6;",
    "st.global.b32 [%d2], %r5; ld.global.b32 %r6, [%d2]; st.global.b32 [%d2], %r6;",
    "st.global.b32 [%d2], %r5; bar.sync 0; xor.b32 %r6, %r1, 1; sub.s32 %r6, %r6, %r1; mul.wide.s32 %d5, %r6, 4; "
    "add.s64 %d5, %d5, %d2; ld.global.b32 %r7, [%d5];"])
def test_no_race_is_reported_where_there_is_none(body):
    result(program(body), np.arange(64, dtype=np.uint32), grid=2)
