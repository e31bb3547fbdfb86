"""What a GPU has and Numba's front end for processors does not spell.

Numba also compiles what it reads for the machine at hand, which knows no special registers: they are called by
names that the machine can resolve, and that ``placed`` turns into LLVM's own.
"""
import ctypes

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

HIDDEN = "numoptim.llvm.nvvm."
SHARED_SPACE = 3
_NOWHERE = ctypes.CFUNCTYPE(None)(lambda: None)       # never called: code with these names only runs on a GPU


def placed(text: str) -> str:
    """LLVM IR with the names of the GPU's intrinsics in place."""
    return text.replace(HIDDEN, "llvm.nvvm.")


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


def shared_array(scalar, size, name):
    """A function that returns a pointer to ``size`` uninitialised scalars that the threads of a block share."""
    @intrinsic
    def array(typing):
        def generate(context, builder, signature, args):
            kind = ir.ArrayType(context.get_value_type(scalar), size)
            cells = builder.module.globals.get(name)
            if cells is None:
                cells = ir.GlobalVariable(builder.module, kind, name, SHARED_SPACE)
                cells.initializer, cells.align = ir.Constant(kind, ir.Undefined), 16
            return builder.addrspacecast(cells, context.get_value_type(types.CPointer(scalar)))
        return types.CPointer(scalar)(), generate
    return array


def lift(scalar, width):
    """A function that returns a pointer to a thread's own copy of ``width`` scalars, read at once."""
    @intrinsic
    def copy(typing, pointer, first):
        def generate(context, builder, signature, args):
            vector = ir.VectorType(context.get_value_type(scalar), width)
            with builder.goto_entry_block():
                own = builder.alloca(vector)
            there = builder.bitcast(builder.gep(args[0], [args[1]]), vector.as_pointer())
            builder.store(builder.load(there, align=16), own)
            return builder.bitcast(own, args[0].type)
        return pointer(pointer, types.int64), generate
    return copy


def lower(scalar, width):
    """A function that writes ``width`` scalars of a thread's own at once, to where ``lift`` reads."""
    @intrinsic
    def write(typing, own, pointer, first):
        def generate(context, builder, signature, args):
            vector = ir.VectorType(context.get_value_type(scalar), width)
            there = builder.bitcast(builder.gep(args[1], [args[2]]), vector.as_pointer())
            builder.store(builder.load(builder.bitcast(args[0], vector.as_pointer())), there, align=16)
            return context.get_dummy_value()
        return types.void(pointer, pointer, types.int64), generate
    return write


@intrinsic
def integer_at(typing, words, index):
    """The int64 among float64 that stands at ``words[index]``."""
    def generate(context, builder, signature, args):
        kind = ir.IntType(64)
        return builder.load(builder.gep(args[0], [args[1]], source_etype=kind), typ=kind)
    return types.int64(words, types.int64), generate
