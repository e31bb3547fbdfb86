"""What jitted functions over arrays need beside kernels, and Numba does not spell."""
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError

from .intrinsics import intrinsic, reserved


def data(scalar, written=True):
    """A function that returns the address of the first element of a contiguous array of ``scalar``."""
    @intrinsic
    def first(typing, array):
        if (not isinstance(array, types.Array) or array.layout != "C" or array.ndim != 1 or array.dtype != scalar
                or (written and not array.mutable)):
            raise TypingError(f"numoptim: expected a contiguous one-dimensional {'writable ' * written}array "
                              f"of {scalar}, not {array}")

        def generate(context, builder, signature, args):
            pointer = context.make_array(array)(context, builder, args[0]).data
            return builder.ptrtoint(pointer, ir.IntType(64))
        return types.int64(array), generate
    return first


def stack_record(record):
    """A function that returns a struct argument of a Record type in the caller's stack frame, all zeros."""
    @intrinsic
    def allocate(typing):
        def generate(context, builder, signature, args):
            kind = ir.ArrayType(ir.IntType(64), record.size // 8)
            place = reserved(builder, kind)
            builder.store(ir.Constant(kind, None), place)
            return builder.bitcast(place, context.get_value_type(record))
        return record(), generate
    return allocate


@intrinsic
def pointer_address(typing, pointer):
    """The address that a pointer is."""
    def generate(context, builder, signature, args):
        return builder.ptrtoint(args[0], ir.IntType(64))
    return types.int64(pointer), generate


def counted(count, words):
    """A function that refuses tuples of another length, or whose last is no integer, when it is compiled."""
    @intrinsic
    def check(typing, given):
        if len(given) != count:
            raise TypingError(f"numoptim: {words}: {len(given)} arguments were given")
        if not isinstance(types.unliteral(given[-1]), types.Integer):
            raise TypingError(f"numoptim: {words}: expected an integer t, not {given[-1]}")
        return types.void(given), lambda context, builder, signature, args: context.get_dummy_value()
    return check
