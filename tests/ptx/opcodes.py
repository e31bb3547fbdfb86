"""What is known of PTX's instructions: a table of rows, each a pattern of the opcode and what writes the C for it.

In a pattern ``.`` is a dot, ``<t:float>`` one of the types of that class, known as ``t`` in the row; the rest is a
regular expression. Most rows are an expression with a signature: the type of the destination, then those of the
operands, which the expression calls a, b, c, d (``>``: registers may be wider than the types). Not listed means not
modelled, and raises; in particular every approximate instruction, every ``.ftz``, and float arithmetic without ``.rn``,
which an assembler may fuse into multiply-adds.
"""
import re

from .control import CONTROL
from .emit import expect
from .memory import MEMORY
from .syntax import PtxError

CLASSES = {
    "float": "f32 f64", "int": "s16 u16 s32 u32 s64 u64", "int32": "s32 u32 s64 u64", "half": "s16 u16 s32 u32",
    "signed": "s16 s32 s64", "bits": "b16 b32 b64", "bits32": "b32 b64", "logical": "b16 b32 b64 u16 u32 u64",
    "whole": "s8 u8 s16 u16 s32 u32 s64 u64",
    "move": "b16 b32 b64 u16 s16 u32 s32 u64 s64 f32 f64", "carry": "s32 u32 b32 s64 u64 b64",
}
COMPARE = {"eq": "({a} == {b})", "ne": "({a} != {b})", "lt": "({a} < {b})", "le": "({a} <= {b})", "gt": "({a} > {b})",
           "ge": "({a} >= {b})"}
UNSIGNED = {"lo": "({a} < {b})", "ls": "({a} <= {b})", "hi": "({a} > {b})", "hs": "({a} >= {b})"}
FLOAT = {**COMPARE, "ne": "lg({a}, {b})", "equ": "!lg({a}, {b})", "neu": "({a} != {b})", "ltu": "!({a} >= {b})",
         "leu": "!({a} > {b})", "gtu": "!({a} <= {b})", "geu": "!({a} < {b})", "num": "!unordered({a}, {b})",
         "nan": "unordered({a}, {b})"}
LOGIC = {"and": "&", "or": "|", "xor": "^"}
MODES = {"rz": "FE_TOWARDZERO", "rm": "FE_DOWNWARD", "rp": "FE_UPWARD"}


def expression(signature, template):
    """A row's action: destination = template of the operands."""
    def action(emitter, instruction, kinds):
        destination, *types = [kinds.get(kind.strip(">"), kind.strip(">")) for kind in signature.split()]
        wider = ">" in signature
        first, *operands = expect(emitter, instruction, len(types) + 1)
        values = {name: emitter.read(operand, kind, wider)
                  for name, operand, kind in zip("abcd", operands, types, strict=False)}
        return emitter.write(first, destination, template.format(**kinds, **values, line=instruction.line), wider)
    return action


def compare(emitter, instruction, kinds):
    """setp: one or two predicates (the second: the comparison failed), each combined with a third if asked."""
    kind, test, logic = kinds["t"], kinds["test"], kinds.get("logic")
    known = FLOAT if kind[0] == "f" else COMPARE | (UNSIGNED if kind[0] == "u" else {})
    if test not in known or (kind[0] == "b" and test not in ("eq", "ne")):
        emitter.fail(f"comparison .{test} of .{kind}")
    first, a, b, *rest = expect(emitter, instruction, 4 if logic else 3)
    result = known[test].format(a=emitter.read(a, kind), b=emitter.read(b, kind))
    combine = f" {LOGIC[logic]} {emitter.read(rest[0], 'pred')}" if logic else ""
    holds, _, fails = first.partition("|")
    if not fails:
        return emitter.write(holds, "pred", f"{result}{combine}")
    return (f"{{ pred yes = {result}{combine}, no = !{result}{combine}; "
            f"{emitter.write(holds, 'pred', 'yes')} {emitter.write(fails, 'pred', 'no')} }}")


def move(emitter, instruction, kinds):
    """mov: of one register, constant or address; or packing several into one, or unpacking."""
    kind, (to, source) = "b" + kinds["t"][1:], expect(emitter, instruction, 2)
    if "{" not in to + source:
        return emitter.write(to, kind, emitter.read(source, kind))
    parts = [part.strip() for part in (to if "{" in to else source).strip("{} ").split(",")]
    width = int(kind[1:]) // len(parts)
    if kinds["t"][0] != "b" or width not in (16, 32) or ("{" in to and "{" in source):
        emitter.fail(f"mov of {to}, {source} not modelled")
    if "{" in to:
        value = emitter.read(source, kind)
        unpacked = " ".join(emitter.write(part, f"b{width}", f"all >> {i * width}") for i, part in enumerate(parts))
        return f"{{ {kind} all = {value}; {unpacked} }}"
    packed = " | ".join(f"({kind}){emitter.read(part, f'b{width}')} << {i * width}" for i, part in enumerate(parts))
    return emitter.write(to, kind, packed)


def carrying(name, template):
    """add.cc and the like: the carry flag is read and set as named."""
    def action(emitter, instruction, kinds):
        first, a, b = expect(emitter, instruction, 3)
        kind = "u" + kinds["t"][1:]
        out = "&carry" if ".cc" in instruction.opcode else "&(u8){0}"
        inner = template.format(n=kind[1:], a=emitter.read(a, kind), b=emitter.read(b, kind), out=out)
        return emitter.write(first, kind, inner)
    return name, action


def rounded(emitter, instruction, kinds):
    """cvt to a float in one of the other rounding modes."""
    source = kinds["s"]
    template = f"{{d}}_rounded_{source}({{a}}, {MODES[kinds['mode']]})"
    return expression(">d s", template)(emitter, instruction, kinds)


def saturated(emitter, instruction, kinds):
    """cvt.sat of integers, through a type that holds them all."""
    d = kinds["d"]
    top = (1 << int(d[1:]) - (d[0] == "s")) - 1
    low = f"((s128)-{top} - 1)" if d[0] == "s" else "(s128)0"
    return expression(">d s", f"SATURATE((s128){{a}}, {low}, (s128){top}ull)")(emitter, instruction, kinds)


def select(emitter, instruction, kinds):
    kind = "b" + kinds["t"][1:]
    first, a, b, which = expect(emitter, instruction, 4)
    yes, no = emitter.read(a, kind), emitter.read(b, kind)
    return emitter.write(first, kind, f"{emitter.read(which, 'pred')} ? {yes} : {no}")


ARITHMETIC = [
    ("add.rn.<t:float>", expression("t t t", "{a} + {b}")),
    ("sub.rn.<t:float>", expression("t t t", "{a} - {b}")),
    ("mul.rn.<t:float>", expression("t t t", "{a} * {b}")),
    ("div.rn.<t:float>", expression("t t t", "{a} / {b}")),
    *[(f"{name}.rn.f32", expression("f32 f32 f32 f32", "fmaf({a}, {b}, {c})")) for name in ("fma", "mad")],
    *[(f"{name}.rn.f64", expression("f64 f64 f64 f64", "fma({a}, {b}, {c})")) for name in ("fma", "mad")],
    ("sqrt.rn.f32", expression("f32 f32", "sqrtf({a})")),
    ("sqrt.rn.f64", expression("f64 f64", "sqrt({a})")),
    ("rcp.rn.<t:float>", expression("t t", "1 / {a}")),
    *[(f"{name}.<t:float>", expression("t t t", f"{name}_{{t}}({{a}}, {{b}})")) for name in ("min", "max")],
    *[(f"{name}.NaN.<t:float>", expression("t t t", f"{name}_NaN_{{t}}({{a}}, {{b}})")) for name in ("min", "max")],
    ("abs.f32", expression("b32 b32", "{a} & 0x7fffffffu")),
    ("abs.f64", expression("b64 b64", "{a} & 0x7fffffffffffffffull")),
    ("neg.f32", expression("b32 b32", "{a} ^ 0x80000000u")),
    ("neg.f64", expression("b64 b64", "{a} ^ 0x8000000000000000ull")),
    ("copysign.f32", expression("b32 b32 b32", "({a} & 0x80000000u) | ({b} & 0x7fffffffu)")),
    ("copysign.f64", expression("b64 b64 b64", "({a} & 0x8000000000000000ull) | ({b} & 0x7fffffffffffffffull)")),
    ("testp.(?P<test>finite|infinite|number|notanumber|normal|subnormal).<t:float>",
     expression("pred t", "testp_{test}({a})")),
    ("add.<t:int>", expression("t t t", "{a} + {b}")),
    ("sub.<t:int>", expression("t t t", "{a} - {b}")),
    ("add.sat.s32", expression("s32 s32 s32", "SATURATE((s64){a} + {b}, INT32_MIN, INT32_MAX)")),
    ("sub.sat.s32", expression("s32 s32 s32", "SATURATE((s64){a} - {b}, INT32_MIN, INT32_MAX)")),
    carrying("add.cc.<t:carry>", "add_carry_{n}({a}, {b}, 0, {out})"),
    carrying("addc(?:.cc|).<t:carry>", "add_carry_{n}({a}, {b}, carry, {out})"),
    carrying("sub.cc.<t:carry>", "sub_carry_{n}({a}, {b}, 0, {out})"),
    carrying("subc(?:.cc|).<t:carry>", "sub_carry_{n}({a}, {b}, carry, {out})"),
    ("mul.lo.<t:int>", expression("t t t", "{a} * {b}")),
    ("mul.hi.<t:int>", expression("t t t", "(s128){a} * (s128){b} >> {n}")),
    ("mul.wide.<t:half>", expression("w t t", "({w}){a} * ({w}){b}")),
    ("mad.lo.<t:int>", expression("t t t t", "{a} * {b} + {c}")),
    ("mad.hi.<t:int>", expression("t t t t", "({t})((s128){a} * (s128){b} >> {n}) + {c}")),
    ("mad.wide.<t:half>", expression("w t t w", "({w}){a} * ({w}){b} + {c}")),
    ("div.<t:int>", expression("t t t", "div_{t}(t, {a}, {b}, {line})")),
    ("rem.<t:int>", expression("t t t", "rem_{t}(t, {a}, {b}, {line})")),
    ("abs.<t:signed>", expression("t t", "{a} < 0 ? ({t})-{a} : {a}")),
    ("neg.<t:signed>", expression("t t", "-{a}")),
    ("min.<t:int>", expression("t t t", "{a} < {b} ? {a} : {b}")),
    ("max.<t:int>", expression("t t t", "{a} > {b} ? {a} : {b}")),
    ("popc.b32", expression("u32 b32", "__builtin_popcount({a})")),
    ("popc.b64", expression("u32 b64", "__builtin_popcountll({a})")),
    ("clz.<t:bits32>", expression("u32 t", "clz_{n}({a})")),
    ("brev.<t:bits32>", expression("t t", "reverse_{n}({a})")),
    ("bfind.<t:int32>", expression("u32 t", "bfind_{t}({a})")),
    ("bfind.shiftamt.<t:int32>", expression("u32 t", "bfind_shiftamt_{t}({a})")),
    ("bfe.<t:int32>", expression("t t u32 u32", "bfe_{t}({a}, {b}, {c})")),
    ("bfi.<t:bits32>", expression("t t t u32 u32", "bfi_{n}({a}, {b}, {c}, {d})")),
    ("prmt.b32", expression("b32 b32 b32 b32", "prmt({a}, {b}, {c})")),
    ("lop3.b32", expression("b32 b32 b32 b32 b32", "lop3({a}, {b}, {c}, {d})")),
    ("shf.(?P<side>l|r).wrap.b32", expression("b32 b32 b32 u32", "shf_{side}({a}, {b}, {c} & 31)")),
    ("shf.(?P<side>l|r).clamp.b32", expression("b32 b32 b32 u32", "shf_{side}({a}, {b}, at_most_32({c}))")),
    ("shl.<t:bits>", expression("t t u32", "shl_{n}({a}, {b})")),
    ("shr.<t:logical>", expression("t t u32", "shr_u{n}({a}, {b})")),
    ("shr.<t:signed>", expression("t t u32", "shr_{t}({a}, {b})")),
    *[(f"{name}.<t:bits>", expression("t t t", f"{{a}} {sign} {{b}}")) for name, sign in LOGIC.items()],
    *[(f"{name}.pred", expression("pred pred pred", f"{{a}} {sign} {{b}}")) for name, sign in LOGIC.items()],
    ("not.<t:bits>", expression("t t", "~{a}")),
    ("not.pred", expression("pred pred", "!{a}")),
    ("cnot.<t:bits>", expression("t t", "!{a}")),
    ("selp.<t:move>", select),
    ("setp.(?P<test>[a-z]+)(?:.(?P<logic>and|or|xor)|).<t:move>", compare),
    ("mov.<t:move>", move),
    ("mov.pred", expression("pred pred", "{a}")),
    ("cvt.<d:whole>.<s:whole>", expression(">d s", "{a}")),
    ("cvt.sat.<d:whole>.<s:whole>", saturated),
    ("cvt.(?P<mode>rni|rzi|rmi|rpi)(?:.sat|).<d:whole>.<s:float>", expression(">d s", "{d}_from_{s}({mode}_{s}({a}))")),
    ("cvt.rn.<d:float>.<s:whole>", expression(">d s", "({d}){a}")),
    ("cvt.(?P<mode>rz|rm|rp).<d:float>.<s:whole>", rounded),
    ("cvt.f64.f32", expression("f64 f32", "(f64){a}")),
    ("cvt.rn.f32.f64", expression("f32 f64", "(f32){a}")),
    ("cvt.(?P<mode>rz|rm|rp).(?P<d>f32).(?P<s>f64)", rounded),
    ("cvt.(?P<mode>rni|rzi|rmi|rpi).f32.f32", expression("f32 f32", "{mode}_f32({a})")),
    ("cvt.(?P<mode>rni|rzi|rmi|rpi).f64.f64", expression("f64 f64", "{mode}_f64({a})")),
]


def compiled(pattern):
    """A row's pattern as a regular expression."""
    named = re.sub(r"<(\w+):(\w+)>", lambda found: f"(?P<{found[1]}>{CLASSES[found[2]].replace(' ', '|')})", pattern)
    return re.compile(named.replace(".", r"\."))


ROWS = [(pattern, compiled(pattern), action) for pattern, action in ARITHMETIC + MEMORY + CONTROL]


def find(opcode):
    """The row of an opcode: its pattern, the types and modifiers found, its action; None for one not in the table."""
    for pattern, expected, action in ROWS:
        if found := expected.fullmatch(opcode):
            return pattern, found.groupdict(), action
    return None


FOUND = {}


def emit(emitter, instruction):
    """C for one instruction."""
    opcode = instruction.opcode
    if opcode not in FOUND:
        FOUND[opcode] = find(opcode)
    if not FOUND[opcode]:
        raise PtxError(instruction.line, f"instruction {opcode} not modelled")
    _, groups, action = FOUND[opcode]
    kinds = {name: kind for name, kind in groups.items() if kind is not None}
    if (kind := kinds.get("t", "pred")) != "pred":
        kinds.update(n=kind[1:], w=f"{kind[0]}{2 * int(kind[1:])}")
    return action(emitter, instruction, kinds)
