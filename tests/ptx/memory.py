"""PTX's instructions on memory: ld, st, atom, red, cvta, prefetch. Rows as in ``opcodes``."""
from .emit import bits, expect

SPACES = "(?:.(?P<space>global|shared|local|const|param)(?:::cta|)|)"
WRITABLE = "(?:.(?P<space>global|shared|local|param)(?:::cta|)|)"
HINTS = "(?:.(?:ca|cg|cs|lu|cv|wb|wt)|)(?:.L1::(?:evict_normal|evict_first|evict_last|evict_unchanged|no_allocate)|)"
VECTOR = "(?:.v(?P<vector>2|4)|)"
SCALAR = "(?P<t>[bsu](?:8|16|32|64)|f32|f64)"
ORDER = "(?:.(?:relaxed|acquire|release|acq_rel)|)(?:.(?:cta|gpu|sys)|)"
SHARED = "(?:.(?P<space>global|shared)(?:::cta|)|)"
ATOMICS = {
    "add": "old + value", "min": "old < value ? old : value", "max": "old > value ? old : value", "and": "old & value",
    "or": "old | value", "xor": "old ^ value", "exch": "value", "inc": "old >= value ? 0 : old + 1",
    "dec": "old == 0 || old > value ? value : old - 1",
}


def host_address(emitter, operand, space, size, kind):
    """A C expression of type u8 * for ``size`` bytes at an address operand, which is checked when it runs."""
    space = space or ""
    where = {"": "generic", "const": "global"}.get(space, space)
    return f"at_{where}(t, {emitter.address(operand, space)}, {size}, {kind}, {emitter.line})"


def elements(emitter, operand, kinds):
    """The registers that a load or store names, and its size in bytes."""
    count = int(kinds.get("vector", 1))
    names = [name.strip() for name in operand.strip("{} ").split(",")]
    size = count * bits(kinds["t"]) // 8
    if len(names) != count or ("{" in operand) != ("vector" in kinds) or size > 16:
        emitter.fail(f"{operand} for {count} elements of .{kinds['t']}")
    emitter.narrow |= bits(kinds["t"]) < 32
    return names, size


def untyped(kind):
    """Floats are moved as bits; integers that a wider register extends keep their sign."""
    return f"b{kind[1:]}" if kind[0] == "f" else kind


def located(emitter, operand, kinds, size, kind):
    if kinds.get("space") == "param":
        return emitter.parameter(operand, size)
    return host_address(emitter, operand, kinds.get("space"), size, kind)


def load(emitter, instruction, kinds):
    destination, address = expect(emitter, instruction, 2)
    names, size = elements(emitter, destination, kinds)
    kind, each = untyped(kinds["t"]), bits(kinds["t"]) // 8
    source = located(emitter, address, kinds, size, "READ")
    reads = "".join(f"{kind} x{i}; memcpy(&x{i}, m + {i * each}, {each}); " for i in range(len(names)))
    writes = " ".join(emitter.write(name, kind, f"x{i}", wider=True) for i, name in enumerate(names))
    return f"{{ const u8 *m = {source}; {reads}{writes} }}"


def store(emitter, instruction, kinds):
    address, source = expect(emitter, instruction, 2)
    names, size = elements(emitter, source, kinds)
    kind, each = untyped(kinds["t"]), bits(kinds["t"]) // 8
    target = located(emitter, address, kinds, size, "WRITE")
    writes = " ".join(f"{kind} x{i} = {emitter.read(name, kind, wider=True)}; memcpy(m + {i * each}, &x{i}, {each});"
                      for i, name in enumerate(names))
    return f"{{ u8 *m = {target}; {writes} }}"


def atomic(emitter, instruction, kinds):
    """atom and red on integers: threads run in turn, so the operation itself is a plain one."""
    operation, kind = kinds["op"], kinds["t"]
    returns = instruction.opcode.startswith("atom")
    operands = expect(emitter, instruction, 2 + returns + (operation == "cas"))
    operands = operands if returns else ["_", *operands]
    target = host_address(emitter, operands[1], kinds.get("space"), bits(kind) // 8, "ATOMIC")
    values = f"{kind} value = {emitter.read(operands[2], kind)}; "
    result = ATOMICS.get(operation)
    if operation == "cas":
        values += f"{kind} other = {emitter.read(operands[3], kind)}; "
        result = "old == value ? other : old"
    return (f"{{ u8 *m = {target}; {kind} old; memcpy(&old, m, sizeof old); {values}"
            f"{kind} result = {result}; memcpy(m, &result, sizeof old); {emitter.write(operands[0], kind, 'old')} }}")


def convert_address(emitter, instruction, kinds):
    """cvta: between a space's addresses and generic ones, which are the host's."""
    to, source = expect(emitter, instruction, 2)
    base = {"shared": "(u64)shared_memory", "local": "(u64)t->local"}.get(kinds["space"], "0")
    sign = "-" if kinds["to"] else "+"
    return emitter.write(to, "u64", f"{emitter.read(source, 'u64')} {sign} {base}")


def prefetch(emitter, instruction, kinds):
    """A hint, without effect: not even a bad address has one."""
    return f"(void){emitter.address(*expect(emitter, instruction, 1), kinds.get('space') or '')};"


MEMORY = [
    (f"ld(?:.weak|.volatile|){SPACES}(?:.nc|){HINTS}{VECTOR}.{SCALAR}", load),
    (f"st(?:.weak|.volatile|){WRITABLE}{HINTS}{VECTOR}.{SCALAR}", store),
    (f"(?:atom|red){ORDER}{SHARED}.(?P<op>add|min|max).(?P<t>[su]32|[su]64)", atomic),
    (f"(?:atom|red){ORDER}{SHARED}.(?P<op>and|or|xor).(?P<t>b32|b64)", atomic),
    (f"(?:atom|red){ORDER}{SHARED}.(?P<op>inc|dec).(?P<t>u32)", atomic),
    (f"atom{ORDER}{SHARED}.(?P<op>exch|cas).(?P<t>b32|b64)", atomic),
    ("cvta(?P<to>.to|).(?P<space>global|shared|local|const).u64", convert_address),
    ("prefetch(?:.(?P<space>global|local)|).(?:L1|L2)", prefetch),
]
