"""What a GPU has and Numba's front end for processors does not spell.

Numba also compiles what it reads for the machine at hand, which knows no special registers: they are called by
names that the machine can resolve, and that compile.py turns into LLVM's own.
"""
import ctypes
from typing import Any

import llvmlite.binding as llvm
import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils

intrinsic: Any = numba.extending.intrinsic      # the face that mypy sees of what it makes lacks Numba's part

HIDDEN = "numoptim.llvm.nvvm."
SHARED_SPACE = 3
_NOWHERE = ctypes.CFUNCTYPE(None)(lambda: None)       # never called: code with these names only runs on a GPU


def _call(builder, name, result, *arguments):
    address = ctypes.cast(_NOWHERE, ctypes.c_void_p).value
    llvm.add_symbol(HIDDEN + name, address)
    kind = ir.FunctionType(result, [a.type for a in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, HIDDEN + name), arguments)


def _register(name):
    @intrinsic
    def read(typing):
        def generate(context, builder, signature, args):
            return builder.zext(_call(builder, f"read.ptx.sreg.{name}.x", ir.IntType(32)), ir.IntType(64))
        return types.int64(), generate
    return read


thread, threads, block, blocks = map(_register, ("tid", "ntid", "ctaid", "nctaid"))


@intrinsic
def barrier(typing):
    """Every thread of the block waits here for all others."""
    def generate(context, builder, signature, args):
        _call(builder, "barrier.cta.sync.aligned.all", ir.VoidType(), ir.IntType(32)(0))
        return context.get_dummy_value()
    return types.void(), generate


def _on_words(operation):
    @intrinsic
    def apply(typing, a, b):
        def generate(context, builder, signature, args):
            return operation(builder, *args)
        return types.uint32(types.uint32, types.uint32), generate
    return apply


# On uint32, and of 32 bits throughout: Numba would compute them in 64, which takes a GPU several instructions.
xor = _on_words(lambda builder, a, b: builder.xor(a, b))
total = _on_words(lambda builder, a, b: builder.add(a, b))
product = _on_words(lambda builder, a, b: builder.mul(a, b))
high_product = _on_words(lambda builder, a, b: _call(builder, "mulhi.ui", ir.IntType(32), a, b))


def shared_array(kind, size, name):
    """A function that returns a pointer to ``size`` uninitialised values that the threads of a block share."""
    @intrinsic
    def array(typing):
        def generate(context, builder, signature, args):
            return _shared(context, builder, kind, size, name)
        return types.CPointer(kind)(), generate
    return array


def shared_arrays(kind, size, names):
    """A function that returns a pointer like that for each name."""
    result = types.UniTuple(types.CPointer(kind), len(names))

    @intrinsic
    def arrays(typing):
        def generate(context, builder, signature, args):
            return context.make_tuple(builder, result, [_shared(context, builder, kind, size, name) for name in names])
        return result(), generate
    return arrays


def _shared(context, builder, kind, size, name):
    array = ir.ArrayType(context.get_data_type(kind), size)
    cells = builder.module.globals.get(name)
    if cells is None:
        cells = ir.GlobalVariable(builder.module, array, name, SHARED_SPACE)
        cells.initializer, cells.align = ir.Constant(array, ir.Undefined), 16
    return builder.addrspacecast(cells, context.get_value_type(types.CPointer(kind)))


def lift(width):
    """A function that returns pointers to a thread's own copy of ``width`` numbers of every buffer, read at once."""
    @intrinsic
    def copy(typing, buffers, first):
        def generate(context, builder, signature, args):
            own = []
            for kind, pointer in zip(buffers, cgutils.unpack_tuple(builder, args[0]), strict=True):
                vector = ir.VectorType(context.get_value_type(kind.dtype), width)
                with builder.goto_entry_block():
                    own.append(builder.alloca(vector))
                there = builder.bitcast(builder.gep(pointer, [args[1]]), vector.as_pointer())
                builder.store(builder.load(there, align=16), own[-1])
            return context.make_tuple(builder, buffers, [builder.bitcast(copy, context.get_value_type(kind))
                                                         for kind, copy in zip(buffers, own, strict=True)])
        return buffers(buffers, types.int64), generate
    return copy


def lower(width, written):
    """A function that writes ``width`` numbers of a thread's own at once to the ``written`` of the buffers."""
    @intrinsic
    def write(typing, own, buffers, first):
        def generate(context, builder, signature, args):
            copies, pointers = (cgutils.unpack_tuple(builder, each) for each in args[:2])
            for k in written:
                vector = ir.VectorType(context.get_value_type(buffers[k].dtype), width)
                there = builder.bitcast(builder.gep(pointers[k], [args[2]]), vector.as_pointer())
                builder.store(builder.load(builder.bitcast(copies[k], vector.as_pointer())), there, align=16)
            return context.get_dummy_value()
        return types.void(own, buffers, types.int64), generate
    return write
