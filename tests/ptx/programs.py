"""Kernels around a few instructions, for the tests."""
import numpy as np

from . import load

HEAD = ".version 7.0\n.target sm_80\n.address_size 64\n"
REGISTERS = ".reg .b32 %r<20>; .reg .b64 %d<20>; .reg .b16 %h<4>; .reg .f32 %f<4>; .reg .pred %p<4>;"
ALL = "0xffffffff"
LANES = np.arange(32, dtype=np.uint32)


def program(body, module="", declarations=""):
    """A kernel with parameters x and y, arrays whose addresses of this thread's 32-bit element are %d1 and %d2."""
    return f"""{HEAD}{module}
.visible .entry k(.param .u64 .ptr .align 1 x, .param .u64 .ptr .align 1 y)
{{
    {declarations}
    {REGISTERS}
    mov.u32 %r1, %tid.x; mov.u32 %r2, %ntid.x; mov.u32 %r3, %ctaid.x; mad.lo.s32 %r4, %r2, %r3, %r1;
    mul.wide.u32 %d4, %r4, 4;
    ld.param.b64 %d1, [x]; cvta.to.global.u64 %d1, %d1; add.s64 %d1, %d1, %d4;
    ld.param.b64 %d2, [y]; add.s64 %d2, %d2, %d4;
    ld.global.b32 %r5, [%d1];
{body}
    ret;
}}
"""


def result(text, x=LANES, grid=1, block=32, **options):
    """What the kernel stores into y, given x."""
    y = np.full_like(x, 77)
    load(text).launch("k", grid, block, x, y, memory=[x, y], race=options.pop("race", True), **options)
    return y
