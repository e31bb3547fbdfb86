"""Reads PTX text into functions, variables and statements, each with its line; what it does not know raises."""
import bisect
import re
from dataclasses import dataclass, field

SIZES = {f"{kind}{bits}": bits // 8 for kind in "bsu" for bits in (8, 16, 32, 64)} | {"f32": 4, "f64": 8}
NAME = r"[A-Za-z_$%][\w$]*"

LINKAGE = r"((?:\.(?:visible|weak|extern)\s+)*)"

HEADER = re.compile(rf"{LINKAGE}\.(entry|func)\s*(?:\(([^)]*)\)\s*)?({NAME})\s*(?:\(([^)]*)\))?")
VARIABLE = re.compile(rf"{LINKAGE}\.(global|const|shared|local|param)\s+(?:\.align\s+(\d+)\s+)?"
                      rf"\.(\w+)\s+({NAME})((?:\[\d*\])*)\s*(?:=\s*(.*?))?\s*;", re.DOTALL)
PARAMETER = re.compile(rf"\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+(?:\.ptr\s+(?:\.(?:global|const|shared|local)\s+)?"
                       rf"(?:\.align\s+\d+\s+)?)?({NAME})(?:\[(\d+)\])?")
REGISTERS = re.compile(rf"\.reg\s+\.(\w+)\s+({NAME}(?:<\d+>)?(?:\s*,\s*{NAME}(?:<\d+>)?)*)\s*;")
INSTRUCTION = re.compile(rf"(?:@(!?)({NAME})\s+)?([a-z][\w.:]*)\s*([^;]*);")
TARGETS = re.compile(r"\.branchtargets\s+([^;]*);")
LABEL = re.compile(rf"({NAME})\s*:(?!:)")
LIMIT = re.compile(r"\.(maxntid|reqntid|minnctapersm|maxnreg)\s+(\d+(?:\s*,\s*\d+)*)")
IGNORED = re.compile(r"\s+|\.(?:version|target|address_size|loc|file)\b[^\n]*|\.pragma\b[^;]*;")
OPERAND = re.compile(r"\{[^}]*\}|\[[^\]]*\]|\([^)]*\)|[^,{\[(\s][^,]*")


class PtxError(ValueError):
    """PTX that is malformed, or that this emulator does not model."""

    def __init__(self, line, what):
        super().__init__(f"PTX line {line}: {what}")


@dataclass
class Variable:
    """A variable in a state space; ``size`` in bytes, None for dynamic shared memory (``extern``, no length)."""
    line: int
    space: str
    kind: str
    align: int
    name: str
    size: int | None
    values: list | None = None


@dataclass
class Registers:
    """``.reg``: pairs of a name and how many (None: the name itself, not numbered)."""
    line: int
    kind: str
    names: list


@dataclass
class Instruction:
    line: int
    negated: bool
    predicate: str | None
    opcode: str
    operands: list


@dataclass
class Mark:
    """A label, a list of branch targets or a brace, as ``kind`` says."""
    line: int
    kind: str
    name: str = ""
    targets: list = field(default_factory=list)


@dataclass
class Function:
    line: int
    entry: bool
    name: str
    results: list
    parameters: list
    limits: dict
    body: list | None


class Reader:
    """A position in the text, from which patterns are taken."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/", lambda found: "\n" * found[0].count("\n"), text.rstrip("\0"), flags=re.DOTALL)
        self.text = re.sub(r"//[^\n]*", "", text)
        self.newlines = [found.start() for found in re.finditer("\n", self.text)]
        self.position = 0

    @property
    def line(self):
        return bisect.bisect_left(self.newlines, self.position) + 1

    def skip(self):
        """Pass over white space and directives without meaning here; False at the end of the text."""
        while self.take(IGNORED):
            pass
        return self.position < len(self.text)

    def take(self, pattern):
        found = pattern.match(self.text, self.position)
        if found:
            self.position = found.end()
        return found

    def fail(self):
        rest = self.text[self.position:].lstrip().split("\n", 1)[0]
        raise PtxError(self.line, f"not understood: {rest!r}")


def parse(text):
    """The functions and the module's variables of a PTX text."""
    reader, functions, variables = Reader(text), [], []
    if not re.search(r"^\s*\.address_size\s+64\b", reader.text, re.MULTILINE):
        raise PtxError(1, "expected .address_size 64")
    while reader.skip():
        line = reader.line
        if found := reader.take(HEADER):
            functions.append(function(reader, line, found))
        elif found := reader.take(VARIABLE):
            variables.append(variable(line, found))
        else:
            reader.fail()
    return functions, variables


def function(reader, line, found):
    linkage, kind, results, name, parameters = found.groups()
    limits = {}
    while reader.skip() and (limit := reader.take(LIMIT)):
        limits[limit[1]] = [int(number) for number in limit[2].split(",")]
    body = None
    if reader.text[reader.position] == "{":
        body = statements(reader)
    elif not reader.take(re.compile(";")):
        reader.fail()
    if "extern" in linkage and body is not None:
        raise PtxError(line, f"extern function {name} has a body")
    return Function(line, kind == "entry", name, declared(line, results), declared(line, parameters), limits, body)


def declared(line, text):
    """The parameters of a header's list."""
    found = []
    for part in (text or "").split(","):
        if not part.strip():
            continue
        match = PARAMETER.fullmatch(part.strip())
        if not match or match[2] not in SIZES:
            raise PtxError(line, f"parameter not understood: {part.strip()!r}")
        size = SIZES[match[2]]
        found.append(Variable(line, "param", match[2], int(match[1] or size), match[3], size * int(match[4] or 1)))
    return found


def variable(line, found):
    linkage, space, align, kind, name, lengths, values = found.groups()
    if kind not in SIZES:
        raise PtxError(line, f"type .{kind} not modelled")
    count = 1
    for length in re.findall(r"\[(\d*)\]", lengths):
        count = count * int(length) if length and count is not None else None
    dynamic = space == "shared" and "extern" in linkage
    if (count is None) != dynamic or ("extern" in linkage and not dynamic):
        raise PtxError(line, f"{name}: a length is missing, or it is defined elsewhere")
    size = SIZES[kind]
    if values is not None:
        values = [value.strip() for value in re.sub(r"[{}]", "", values).split(",") if value.strip()]
    return Variable(line, space, kind, int(align or size), name, None if dynamic else size * count, values)


def statements(reader):
    """What stands between a function's braces, these included."""
    found, depth = [], 0
    while reader.skip():
        line = reader.line
        if brace := reader.take(re.compile(r"[{}]")):
            depth += 1 if brace[0] == "{" else -1
            found.append(Mark(line, brace[0]))
            if not depth:
                return found
        else:
            found.append(statement(reader, line))
    raise PtxError(reader.line, "a closing brace is missing")


def statement(reader, line):
    if found := reader.take(LABEL):
        reader.skip()
        if targets := reader.take(TARGETS):
            return Mark(line, "targets", found[1], [name.strip() for name in targets[1].split(",")])
        return Mark(line, "label", found[1])
    if found := reader.take(REGISTERS):
        return registers(line, found)
    if found := reader.take(VARIABLE):
        return variable(line, found)
    if found := reader.take(INSTRUCTION):
        negated, predicate, opcode, operands = found.groups()
        return Instruction(line, bool(negated), predicate, opcode, [o.strip() for o in OPERAND.findall(operands)])
    return reader.fail()


def registers(line, found):
    if found[1] != "pred" and (found[1] not in SIZES or SIZES[found[1]] == 1):
        raise PtxError(line, f"registers of type .{found[1]} not modelled")
    names = []
    for name in found[2].split(","):
        base, _, count = name.strip().rstrip(">").partition("<")
        names.append((base, int(count) if count else None))
    return Registers(line, found[1], names)
