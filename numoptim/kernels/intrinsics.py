"""What raw memory needs and Numba does not spell."""
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic


@intrinsic
def is_null(typing, pointer):
    """True for a null pointer or null struct argument."""
    def generate(context, builder, signature, args):
        return cgutils.is_null(builder, args[0])
    return types.boolean(pointer), generate


@intrinsic
def record_at(typing, records, index):
    """``records[index]``, where ``records`` is the first struct of a C array."""
    def generate(context, builder, signature, args):
        size = ir.Constant(ir.IntType(64), records.size)
        address = builder.add(builder.ptrtoint(args[0], ir.IntType(64)), builder.mul(args[1], size))
        return builder.inttoptr(address, context.get_value_type(records))
    return records(records, types.int64), generate


def at_address(kind):
    """A function that turns an address, an int64, into a pointer or struct argument of type ``kind``."""
    @intrinsic
    def cast(typing, address):
        def generate(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(kind))
        return kind(types.int64), generate
    return cast


def stack(scalar, size):
    """A function that returns a pointer to ``size`` uninitialised scalars in the caller's stack frame."""
    @intrinsic
    def allocate(typing):
        def generate(context, builder, signature, args):
            with builder.goto_entry_block():          # cgutils.alloca_once would also clear it, at every call
                return builder.alloca(context.get_value_type(scalar), size)
        return types.CPointer(scalar)(), generate
    return allocate


def data(scalar, written=True):
    """A function that returns the pointer to the first element of a contiguous array of ``scalar``."""
    @intrinsic
    def first(typing, array):
        if (not isinstance(array, types.Array) or array.layout != "C" or array.ndim != 1 or array.dtype != scalar
                or (written and not array.mutable)):
            raise TypingError(f"numoptim: expected a contiguous one-dimensional {'writable ' * written}array "
                              f"of {scalar}, not {array}")

        def generate(context, builder, signature, args):
            return context.make_array(array)(context, builder, args[0]).data
        return types.CPointer(array.dtype)(array), generate
    return first


@intrinsic
def shared(typing):
    """Keep the calling function one function: all entries of a rule share its code."""
    def generate(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        builder.function.attributes.add("nounwind")
        return context.get_dummy_value()
    return types.void(), generate


@intrinsic
def unaliased(typing):
    """Promise LLVM that the pointers the calling function received do not overlap."""
    def generate(context, builder, signature, args):
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()
    return types.void(), generate


@intrinsic
def prefetch(typing, pointer, index):
    """Ask for the cache line of ``pointer[index]``."""
    def generate(context, builder, signature, args):
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(), word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [ir.PointerType()], kind)
        address = builder.gep(args[0], [args[1]], source_etype=context.get_value_type(pointer.dtype))
        builder.call(function, [address, word(0), word(3), word(1)])
        return context.get_dummy_value()
    return types.void(pointer, types.intp), generate


@intrinsic
def called(typing, entry, plan, t):
    """What the C function at address ``entry`` returns: ``int32_t (*)(plan, t)``, both given as int64."""
    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word, word])
        function = builder.inttoptr(args[0], kind.as_pointer())
        return builder.sext(builder.call(function, args[1:]), word)
    return types.int64(types.int64, types.int64, types.int64), generate
