"""Writes C for a whole PTX text: variables, functions, and the table of kernels that ``abi.h`` describes."""
import re

from . import opcodes
from .emit import Emitter, Place, bits, mangle, offsets
from .syntax import PtxError, parse

STATIC_SHARED = 48 << 10                                        # what an assembler accepts
THREADS = 1024


def translate(text):
    """C for a PTX text, and its kernels in the order in which they are numbered."""
    functions, variables = parse(text)
    places, shared = lay_out(variables)
    defined = sorted((function for function in functions if function.body is not None), key=lambda f: f.entry)
    by_name = {function.name: function for function in functions} | {function.name: function for function in defined}
    emitters, bodies = {}, []
    for function in defined:                                    # first what kernels call: its shared memory is theirs
        emitter = emitters[function.name] = Emitter(function, by_name, places, opcodes, shared)
        bodies.append(emitter.text())
        shared = shared if function.entry else emitter.shared
    entries = [function for function in defined if function.entry]
    narrow = any(emitter.narrow for emitter in emitters.values())
    return "\n".join([
        f"#define GRAIN {1 if narrow else 4}", '#include "runtime.h"',
        *(initialised(variable, places) for variable in variables if variable.space != "shared"),
        *(f"{emitter.header()};" for emitter in emitters.values()), *bodies,
        *(kernel_parameters(function) for function in entries),
        "const ptx_kernel ptx_kernels[] = {", *(kernel(emitters[f.name], emitters) for f in entries), "{0}};",
        "void (*const ptx_functions[])(Thread *) = {", *(f"f_{mangle(function.name)}," for function in entries), "0};",
        in_module(variables),
    ]), entries


def lay_out(variables):
    """Places of the module's variables, and the bytes of its static shared memory."""
    places, shared = {}, 0
    for variable in variables:
        if variable.space == "shared" and variable.size is None:
            places[variable.name] = Place("shared", "((u64)now.kernel->shared)", 0)
        elif variable.space == "shared":
            start = -(-shared // variable.align) * variable.align
            places[variable.name] = Place("shared", f"((u64){start})", variable.size)
            shared = start + variable.size
        elif variable.space in ("global", "const"):
            places[variable.name] = Place(variable.space, f"((u64)v_{mangle(variable.name)})", variable.size)
        else:
            raise PtxError(variable.line, f"variable {variable.name} in .{variable.space} space not modelled")
    return places, shared


def initialised(variable, places):
    """The definition of a variable in global or constant memory."""
    count = 8 * variable.size // bits(variable.kind)
    values = variable.values or []
    if len(values) > count:
        raise PtxError(variable.line, f"{variable.name} has {count} elements, not {len(values)}")
    listed = ", ".join(constant(variable, value, places) for value in values)
    return (f"static u{bits(variable.kind)} v_{mangle(variable.name)}[{count}] "
            f"__attribute__((aligned({variable.align}))) = {{{listed}}};")


def constant(variable, value, places):
    """One element of an initialiser: a number, the bits of one, or the address of a variable."""
    size = bits(variable.kind)
    if found := re.fullmatch(r"0[fF]([0-9a-fA-F]{8})|0[dD]([0-9a-fA-F]{16})", value):
        if variable.kind not in ("f32" if found[1] else "f64", f"b{size}") or size != (32 if found[1] else 64):
            raise PtxError(variable.line, f"{value} in an array of .{variable.kind}")
        return f"0x{found[1] or found[2]}ull"
    if re.fullmatch(r"-?(?:0[xX][0-9a-fA-F]+|0|[1-9]\d*)U?", value):
        number = int(value.rstrip("U"), 0)
        if variable.kind[0] == "f" or not -(1 << size - 1) <= number < 1 << size:
            raise PtxError(variable.line, f"{value} in an array of .{variable.kind}")
        return f"{number & (1 << size) - 1:#x}ull"
    name = re.sub(r"^generic\((.*)\)$", r"\1", value)
    if size != 64 or name not in places or places[name].space not in ("global", "const"):
        raise PtxError(variable.line, f"initial value {value!r} not understood")
    return places[name].address


def kernel_parameters(function):
    listed = ", ".join(f"{{{p.size}, {p.align}, {at}}}"
                       for p, at in zip(function.parameters, offsets(function.parameters), strict=True))
    return f"static const ptx_parameter parameters_{mangle(function.name)}[] = {{{listed or '{0}'}}};"


def kernel(emitter, emitters):
    """A kernel's entry in the table."""
    function, reached, todo = emitter.function, set(), [emitter.function.name]
    while todo:
        name = todo.pop()
        if name not in reached:
            reached.add(name)
            todo += emitters[name].calls
    shared = -(-emitter.shared // 16) * 16
    if shared > STATIC_SHARED:
        raise PtxError(function.line, f"{shared} bytes of static shared memory")
    sizes = [at + p.size for p, at in zip(function.parameters, offsets(function.parameters), strict=True)]
    limit = function.limits.get("reqntid") or function.limits.get("maxntid") or [THREADS]
    waits = any(emitters[name].waits for name in reached)
    parameters = f"parameters_{mangle(function.name)}, {len(sizes)}, {max(sizes, default=0)}"
    limits = f"{min(limit[0], THREADS)}, {int('reqntid' in function.limits)}"
    return f'{{"{function.name}", {parameters}, {shared}, {limits}, {int(waits)}}},'


def in_module(variables):
    """C of the function that says whether an access lies within one of the module's variables."""
    inside = " || ".join(f"(address - (u64)v_{mangle(v.name)} <= {v.size}u - size && size <= {v.size}u)"
                         for v in variables if v.space != "shared")
    return f"#ifdef CHECKED\nstatic int in_module(u64 address, u32 size) {{ return {inside or '0'}; }}\n#endif\n"
