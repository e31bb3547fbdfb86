"""Writes C for one PTX function: its operands, registers and variables; instructions are in ``opcodes``."""
import re
import struct
from collections import ChainMap
from dataclasses import dataclass

from .syntax import SIZES, Instruction, Mark, PtxError, Registers, Variable

SPECIAL = {
    "%tid.x": "t->id", "%ntid.x": "now.job->block", "%ctaid.x": "now.block", "%nctaid.x": "now.job->grid",
    "%laneid": "(t->id % 32)", "%warpid": "(t->id / 32)", "%nwarpid": "((now.job->block + 31) / 32)",
    "%lanemask_eq": "(1u << t->id % 32)", "%lanemask_lt": "((1u << t->id % 32) - 1)",
    "%lanemask_le": "(~0u >> (31 - t->id % 32))", "%lanemask_gt": "(~1u << t->id % 32)",
    "%lanemask_ge": "(~0u << t->id % 32)", "WARP_SZ": "32u",
    **{f"%{name}.{axis}": value for name, value in (("tid", "0u"), ("ntid", "1u"), ("ctaid", "0u"), ("nctaid", "1u"))
       for axis in "yz"},
}
INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)U?$")
ADDRESS = re.compile(r"\[\s*([^\s+\]]+)\s*(?:\+\s*([-\w]+)\s*)?\]$")


def mangle(name):
    return name.replace("$", "_D").replace("%", "_P")


def bits(kind):
    return 1 if kind == "pred" else 8 * SIZES[kind]


@dataclass
class Place:
    """Where a variable lies: a C expression of its address, an unsigned 64-bit integer, in its space."""
    space: str
    address: str
    size: int


class Emitter:
    """One function's C. functions: the module's, by name; places: those of its variables; table: the instructions';
    shared: bytes of static shared memory that are taken already."""

    def __init__(self, function, functions, places, table, shared=0):
        self.function, self.functions, self.table = function, functions, table
        self.names = ChainMap({}, places)                     # of registers (their type), variables (their place)
        self.shared, self.local, self.waits, self.calls, self.narrow = shared, 0, False, set(), False
        self.labels = {s.name for s in function.body if isinstance(s, Mark) and s.kind == "label"}
        self.targets = {s.name: s.targets for s in function.body if isinstance(s, Mark) and s.kind == "targets"}
        self.line = function.line

    def fail(self, what):
        raise PtxError(self.line, what)

    def text(self):
        """The C of the whole function. Afterwards ``shared`` and ``local`` are the bytes it needs, ``waits`` is whether
        its threads wait for one another, ``calls`` names what it calls, ``narrow``: it accesses 8 or 16 bits."""
        for parameter in self.function.results + self.function.parameters:
            self.names[parameter.name] = Place("param", f"p_{mangle(parameter.name)}", parameter.size)
        body = [self.statement(statement) for statement in self.function.body[1:-1]]
        return "\n".join([f"{self.header()} {{", *self.prologue(), *body, self.leave(), "}"])

    def header(self):
        parameters = self.function.results + self.function.parameters
        listed = "" if self.function.entry else "".join(f", u8 *p_{mangle(p.name)}" for p in parameters)
        return f"static void f_{mangle(self.function.name)}(Thread *t{listed})"

    def prologue(self):
        lines = ["u8 carry = 0;"]
        if self.local:
            lines.append(f"u64 frame = enter(t, {self.local}, {self.function.line});")
        if self.function.entry:
            lines += [f"const u8 *p_{mangle(p.name)} = (const u8 *)now.job->parameters + {offset};"
                      for p, offset in zip(self.function.parameters, offsets(self.function.parameters), strict=True)]
        return lines

    def leave(self):
        return "{ t->local_top = frame; return; }" if self.local else "return;"

    def statement(self, statement):
        self.line = statement.line
        if isinstance(statement, Instruction):
            return self.instruction(statement)
        if isinstance(statement, Registers):
            return self.registers(statement)
        if isinstance(statement, Variable):
            return self.variable(statement)
        if statement.kind == "{":
            self.names = self.names.new_child()
        elif statement.kind == "}":
            self.names = self.names.parents
        elif statement.kind == "label":
            return f"{self.label(statement.name)}: ;"
        return statement.kind if statement.kind in "{}" else ""

    def instruction(self, instruction):
        code = self.table.emit(self, instruction)
        if not instruction.predicate:
            return code
        sign = "!" if instruction.negated else ""
        return f"if ({sign}{self.read(instruction.predicate, 'pred')}) {{ {code} }}"

    def registers(self, statement):
        lines = []
        for base, count in statement.names:
            names = [base] if count is None else [f"{base}{i}" for i in range(count)]
            self.names.update((name, statement.kind) for name in names)
            if names:
                kind = "pred" if statement.kind == "pred" else f"u{bits(statement.kind)}"
                lines.append(f"{kind} {', '.join(f'r_{mangle(name)} = 0' for name in names)};")
        return " ".join(lines)

    def variable(self, variable):
        if variable.values is not None:
            self.fail(f"initialised variable {variable.name} in a function not modelled")
        if variable.space == "shared" and variable.size is not None:
            self.shared = -(-self.shared // variable.align) * variable.align
            self.names[variable.name] = Place("shared", f"((u64){self.shared})", variable.size)
            self.shared += variable.size
        elif variable.space == "local":
            self.local = -(-self.local // variable.align) * variable.align
            self.names[variable.name] = Place("local", f"(frame + {self.local})", variable.size)
            self.local = -(-(self.local + variable.size) // 16) * 16
        elif variable.space == "param":
            self.names[variable.name] = Place("param", f"p_{mangle(variable.name)}", variable.size)
            return f"u8 p_{mangle(variable.name)}[{variable.size}] __attribute__((aligned(16)));"
        else:
            self.fail(f"variable {variable.name} in .{variable.space} space in a function not modelled")
        return ""

    def label(self, name):
        if name not in self.labels:
            self.fail(f"unknown label {name}")
        return f"L_{mangle(name)}"

    def place(self, name, space):
        """The place of a variable that must be in the space."""
        found = self.names.get(name)
        if not isinstance(found, Place) or found.space != space:
            self.fail(f"{name} is no variable in .{space} space")
        return found

    def read(self, operand, kind, wider=False):
        """A C expression for the operand's value, of C type ``kind``; a register may be ``wider`` than the type."""
        if operand.startswith("!") and kind == "pred":
            return f"!{self.read(operand[1:], kind)}"
        if operand in SPECIAL:
            if kind not in ("u32", "b32", "s32"):
                self.fail(f"{operand} read as .{kind}")
            return f"(({kind}){SPECIAL[operand]})"
        found = self.names.get(operand)
        if isinstance(found, Place):
            return self.address_of(operand, found, kind)
        if found is None:
            return self.immediate(operand, kind)
        self.check(operand, found, kind, wider)
        register = f"r_{mangle(operand)}"
        return f"to_{kind}({register})" if kind[0] == "f" else f"(({kind}){register})"

    def check(self, name, declared, kind, wider):
        """That a register declared so may be used as this type."""
        width, expected = bits(declared), bits(kind)
        fits = width == expected or (wider and "pred" not in (declared, kind) and width > expected)
        if not fits or (declared[0] == "f") > (kind[0] in "fb") or (kind[0] == "f" and declared[0] in "su"):
            self.fail(f".{declared} register {name} used as .{kind}")

    def address_of(self, name, place, kind):
        small = place.space in ("shared", "local") and kind in ("u32", "b32", "s32")
        if place.space == "param" or not (small or kind in ("u64", "b64", "s64")):
            self.fail(f"address of {name} read as .{kind}")
        return f"(({kind}){place.address})"

    def immediate(self, operand, kind):
        if found := re.fullmatch(r"0[fF]([0-9a-fA-F]{8})|0[dD]([0-9a-fA-F]{16})", operand):
            return self.float_bits(operand, 4 if found[1] else 8, int(found[1] or found[2], 16), kind)
        if re.fullmatch(r"[-+]?\d+\.\d*(?:[eE][-+]?\d+)?", operand) and kind in ("f32", "f64"):
            number, image = ("<f", "<I") if kind == "f32" else ("<d", "<Q")
            return f"to_{kind}({struct.unpack(image, struct.pack(number, float(operand)))[0]:#x}ull)"
        found = INTEGER.match(operand)
        if not found or kind[0] == "f":
            self.fail(f"operand {operand!r} as .{kind} not understood")
        sign, digits = found.groups()
        octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
        value = int(digits, 8 if octal else 0) * (-1 if sign == "-" else 1)
        if kind == "pred":
            return str(int(value != 0))
        if not -(1 << bits(kind) - 1) <= value < 1 << bits(kind):
            self.fail(f"{operand} is out of range for .{kind}")
        return f"(({kind}){value & (1 << bits(kind)) - 1:#x}ull)"

    def float_bits(self, operand, size, value, kind):
        if kind not in (f"f{8 * size}", f"b{8 * size}"):
            self.fail(f"{operand} as .{kind}")
        return f"to_{kind}({value:#x}ull)" if kind[0] == "f" else f"(({kind}){value:#x}ull)"

    def write(self, operand, kind, value, wider=False):
        """A C statement that sets a register; ``_`` takes nothing."""
        if operand == "_":
            return f"(void)({value});"
        declared = self.names.get(operand)
        if not isinstance(declared, str):
            self.fail(f"{operand} is no register")
        self.check(operand, declared, kind, wider)
        if kind == "pred":
            return f"r_{mangle(operand)} = ({value}) != 0;"
        value = f"bits_{kind}({value})" if kind[0] == "f" else f"({kind})({value})"
        return f"r_{mangle(operand)} = (u{bits(declared)}){value};"

    def address(self, operand, space):
        """C for an address operand, ``[register+offset]`` or ``[variable+offset]``, in a space ("": generic)."""
        found = ADDRESS.match(operand)
        if not found:
            self.fail(f"address {operand!r} not understood")
        base, offset = found.groups()
        if isinstance(self.names.get(base), Place):
            address = self.place(base, space).address
        elif self.names.get(base) in ("b32", "u32", "s32") and space in ("shared", "local"):
            address = f"(u64){self.read(base, 'u32')}"
        else:
            address = self.read(base, "u64")
        return f"({address} + (u64){int(offset, 0)}ll)" if offset else f"({address})"

    def parameter(self, operand, size):
        """A C expression for the host's address of ``size`` bytes of a parameter."""
        found = ADDRESS.match(operand)
        if not found:
            self.fail(f"address {operand!r} not understood")
        place, offset = self.place(found[1], "param"), int(found[2] or "0", 0)
        if offset < 0 or offset + size > place.size or offset % size:
            self.fail(f"{operand}: misaligned, or outside the parameter's {place.size} bytes")
        return f"({place.address} + {offset})"


def offsets(parameters):
    """Where each parameter of a kernel lies in their buffer."""
    found, end = [], 0
    for parameter in parameters:
        found.append(-(-end // parameter.align) * parameter.align)
        end = found[-1] + parameter.size
    return found


def expect(emitter, instruction, count):
    """An instruction's operands, of which there must be so many."""
    if len(instruction.operands) != count:
        emitter.fail(f"{instruction.opcode} with {len(instruction.operands)} operands, not {count}")
    return instruction.operands
