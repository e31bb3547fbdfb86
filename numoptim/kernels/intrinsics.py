"""What raw memory needs and Numba does not spell."""
from typing import Any

import numba.extending
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError

intrinsic: Any = numba.extending.intrinsic      # the face that mypy sees of what it makes lacks Numba's part


@intrinsic
def is_null(typing, pointer):
    """True for a null pointer or null struct argument."""
    def generate(context, builder, signature, args):
        return cgutils.is_null(builder, args[0])
    return types.boolean(pointer), generate


@intrinsic
def itself(typing, x):
    return x(x), lambda context, builder, signature, args: args[0]


@intrinsic
def second(typing, a, b):
    return b(a, b), lambda context, builder, signature, args: args[1]


def record_at(kind):
    """A function of a pointer to the first struct of a C array, and an index: the struct there. kind: its type."""
    @intrinsic
    def at(typing, records, index):
        def generate(context, builder, signature, args):
            offset = builder.mul(args[1], ir.IntType(64)(kind.size))
            place = builder.gep(args[0], [offset], source_etype=ir.IntType(8))
            return builder.bitcast(place, context.get_value_type(kind))
        return kind(records, types.int64), generate
    return at


def each(functions):
    """``f(x) -> (functions[0](x), functions[1](x), ...)``: tuples of a length that is known when it is compiled."""
    @intrinsic
    def values(typing, x):
        kinds = [typing.resolve_value_type(function) for function in functions]
        signatures = [typing.resolve_function_type(kind, (x,), {}) for kind in kinds]
        result = types.Tuple([signature.return_type for signature in signatures])

        def generate(context, builder, signature, args):
            made = [context.get_function(kind, one)(builder, args) for kind, one in zip(kinds, signatures, strict=True)]
            return context.make_tuple(builder, result, made)
        return result(x), generate
    return values


def at_address(kind):
    """A function that turns an address, an int64, into a pointer or struct argument of type ``kind``."""
    @intrinsic
    def cast(typing, address):
        def generate(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(kind))
        return kind(types.int64), generate
    return cast


def stacks(kind, size, count):
    """A function that returns ``count`` pointers to ``size`` uninitialised values each in the caller's stack frame."""
    result = types.UniTuple(types.CPointer(kind), count)

    @intrinsic
    def allocate(typing):
        def generate(context, builder, signature, args):
            places = [reserved(builder, context.get_data_type(kind), size) for _ in range(count)]
            return context.make_tuple(builder, result, places)
        return result(), generate
    return allocate


def reserved(builder, kind, size=None):
    with builder.goto_entry_block():                  # cgutils.alloca_once would also clear it, at every call
        return builder.alloca(kind, size)


def stack(kind, size):
    """A function that returns a pointer to ``size`` uninitialised values of a type in the caller's stack frame."""
    @intrinsic
    def allocate(typing):
        def generate(context, builder, signature, args):
            return reserved(builder, context.get_data_type(kind), size)
        return types.CPointer(kind)(), generate
    return allocate


@intrinsic
def shifted(typing, pointer, k):
    """A pointer to the k-th value from there on."""
    def generate(context, builder, signature, args):
        return builder.gep(args[0], [args[1]], source_etype=context.get_data_type(pointer.dtype))
    return pointer(pointer, k), generate


@intrinsic
def numbers(typing, pointer):
    """The tuple there, number by number: what was just written comes late to who reads two of them at once."""
    def generate(context, builder, signature, args):
        kind, values = context.get_data_type(pointer.dtype), []
        for k, number in enumerate(pointer.dtype):
            value, at = context.get_value_type(number), [ir.IntType(32)(0), ir.IntType(32)(k)]
            place, size = builder.gep(args[0], at, source_etype=kind), context.get_abi_sizeof(value)
            values.append(builder.load_atomic(place, "unordered", size, typ=value))
        return context.make_tuple(builder, pointer.dtype, values)
    return pointer.dtype(pointer), generate


# --- plans and buffers

def words(places):
    """A function of a struct: a tuple of values in it, each of the type and at the offset, in bytes, that is given."""
    result = types.Tuple([kind for kind, _ in places])

    @intrinsic
    def read(typing, struct):
        def generate(context, builder, signature, args):
            found = []
            for kind, offset in places:
                place = builder.gep(args[0], [ir.IntType(64)(offset)], source_etype=ir.IntType(8))
                found.append(builder.load(place, typ=context.get_value_type(kind)))
            return context.make_tuple(builder, result, found)
        return result(struct), generate
    return read


def picked(places, known=None):
    """A function of a tuple: a tuple of what it has at these places, each as the type beside it unless that is None.

    Of a tuple of tuples, places count through all of them. known: the named tuple that the result is; None: of no name.
    """
    @intrinsic
    def pick(typing, given):
        nested = len(given) > 0 and isinstance(given[0], types.BaseTuple)
        old = [kind for one in given for kind in one] if nested else list(given)
        new = [kind or old[k] for k, kind in places]
        result = types.BaseTuple.from_types(new, known)

        def generate(context, builder, signature, args):
            values = cgutils.unpack_tuple(builder, args[0])
            if nested:
                values = [value for one in values for value in cgutils.unpack_tuple(builder, one)]
            return context.make_tuple(builder, result, [
                context.cast(builder, values[k], old[k], kind) for (k, _), kind in zip(places, new, strict=True)])
        return result(given), generate
    return pick


@intrinsic
def load(typing, buffers, i):
    """Element i of every buffer."""
    result = types.Tuple([pointer.dtype for pointer in buffers])

    def generate(context, builder, signature, args):
        places = [_element(context, builder, buffers, args, k) for k in range(len(buffers))]
        return context.make_tuple(builder, result, [builder.load(place, typ=kind) for place, kind in places])
    return result(buffers, i), generate


@intrinsic
def store(typing, buffers, i, values):
    """Write element i of every buffer."""
    def generate(context, builder, signature, args):
        for k, value in enumerate(cgutils.unpack_tuple(builder, args[2])):
            builder.store(value, _element(context, builder, buffers, args, k)[0])
        return context.get_dummy_value()
    return types.void(buffers, i, values), generate


def _element(context, builder, buffers, args, k):
    """Address and LLVM's type of element args[1] of the k-th of the buffers args[0]."""
    kind = context.get_value_type(buffers[k].dtype)
    return builder.gep(cgutils.unpack_tuple(builder, args[0])[k], [args[1]], source_etype=kind), kind


def neighbours(count):
    """A function that returns ``count`` numbers from ``pointer[index]`` on, as a tuple."""
    @intrinsic
    def read(typing, pointer, index):
        result = types.UniTuple(pointer.dtype, count)

        def generate(context, builder, signature, args):
            kind = context.get_value_type(pointer.dtype)
            places = [builder.add(args[1], args[1].type(k)) for k in range(count)]
            return context.make_tuple(builder, result, [
                builder.load(builder.gep(args[0], [place], source_etype=kind), typ=kind) for place in places])
        return result(pointer, index), generate
    return read


@intrinsic
def put(typing, pointer, index, values):
    """Write the numbers of a tuple to ``pointer[index]`` and the places behind it."""
    def generate(context, builder, signature, args):
        kind = context.get_value_type(pointer.dtype)
        for k, value in enumerate(cgutils.unpack_tuple(builder, args[2])):
            place = builder.add(args[1], args[1].type(k))
            builder.store(value, builder.gep(args[0], [place], source_etype=kind))
        return context.get_dummy_value()
    return types.void(pointer, index, values), generate


@intrinsic
def added(typing, a, b):
    """The sums of the numbers of two tuples."""
    def generate(context, builder, signature, args):
        pairs = zip(*(cgutils.unpack_tuple(builder, each) for each in args), strict=True)
        return context.make_tuple(builder, a, [builder.fadd(x, y) for x, y in pairs])
    return a(a, b), generate


def address_of(record):
    """A function that returns the address of a struct argument."""
    @intrinsic
    def address(typing, value):
        if value != record:
            raise TypingError(f"numoptim: expected a record of {record}, not {value}")

        def generate(context, builder, signature, args):
            return builder.ptrtoint(args[0], ir.IntType(64))
        return types.int64(value), generate
    return address


# --- what LLVM is told about the function that calls one of these

def _attributes(*names):
    @intrinsic
    def tell(typing):
        def generate(context, builder, signature, args):
            for name in names:
                builder.function.attributes.add(name)
            return context.get_dummy_value()
        return types.void(), generate
    return tell


apart = _attributes("noinline", "nounwind")       # it stays one function, whoever calls it
# It runs once a call or a segment, and reads what was written just before: two words by one load would wait for both.
rare = _attributes("minsize", "optsize", "noimplicitfloat")


@intrinsic
def unaliased(typing):
    """The pointers that the calling function received do not overlap."""
    def generate(context, builder, signature, args):
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()
    return types.void(), generate


@intrinsic
def called(typing, entry, plan, t):
    """What the C function at address ``entry`` returns: ``int32_t (*)(plan, t)``, both given as int64."""
    def generate(context, builder, signature, args):
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word, word])
        function = builder.inttoptr(args[0], kind.as_pointer())
        return builder.sext(builder.call(function, args[1:]), word)
    return types.int64(types.int64, types.int64, types.int64), generate
