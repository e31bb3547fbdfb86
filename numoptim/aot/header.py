"""The C header, which is also the manual, and the C source of what stands between it and the kernels.

Both are written for the prefix ``numoptim``; ``named`` turns them into those of another library.
"""
import math
import re
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from numoptim.kernels import abi
from numoptim.kernels.abi import DEVICE_PLAN, MOST_REDUCTIONS, PLAN, STATUS, Word, phases
from numoptim.rule import SCOPES, Rule
from numoptim.rule.hyperparameters import COMMON, NOISE, Interval

HERE = Path(__file__).parent
TYPES = {"f32": "float", "f64": "double"}
STATUS_NAMES = dict(zip(STATUS, ("NULL", "SIZE", "STEP", "HYPER", "TABLE", "CPU"), strict=True))
# Words that Python allows as names, and C or C++ does not.
RESERVED = frozenset(re.findall(r"\w+", """
    alignas alignof auto bool case catch char const constexpr decltype default delete do double enum explicit export
    extern float friend goto inline int long mutable namespace new noexcept nullptr operator private protected public
    register restrict short signed sizeof static struct switch template this throw typedef typeid typename union
    unsigned using virtual void volatile"""))
# Hidden symbols: the function that checks plans, and the level of the instruction set in use.
CHECK, ISA = "kernel_check", "isa_in_use"
COMMON_TEXT = {
    "wd": "weight decay",
    "rescale_grad": "factor of the gradient, before it is clipped",
    "clip_gradient": "bound of the gradient's elements; HUGE_VAL for none",
    "seed": "of the noise",
    "offset": "position of element 0 in the stream of noise",
}


# --- the pieces of a declaration

def entries(rule: Rule) -> tuple[str, ...]:
    """Suffixes of a rule's C functions: "" for whole buffers, then "_norms" ..., "_range" and "_init"."""
    return ("", *(f"_{phase}" for phase in phases(rule)), *(["_init"] if rule.inits else []))


def arguments(rule: Rule, dtype: str, suffix: str) -> list[tuple[str, str]]:
    """(type, name) of every parameter of one C function."""
    scalar, scoped = TYPES[dtype], rule.slots_over("segment", "all")
    slots = [("double *" if slot in scoped else f"{scalar} *", _parameter(slot)) for slot in rule.slots]
    hyper = (f"const numoptim_{rule.name} *", "h")
    if suffix == "_init":
        filled = [given for slot, given in zip(rule.slots, slots, strict=True) if slot not in scoped]
        return [("int64_t", "size"), (f"const {scalar} *", "w"), *filled, hyper]
    if suffix == "":
        head = [("int64_t", "segments"), ("const int64_t *", "offsets")] if rule.layerwise else [("int64_t", "size")]
        return [*head, (f"{scalar} *", "w"), (f"const {scalar} *", "g"), *slots, hyper, ("int64_t", "t")]
    norms = [("double *" if suffix.startswith("_norms") else "const double *", "norms")] if rule.layerwise else []
    written = {"_range": rule.slots_over("element"), "_advance": scoped}.get(suffix, ())
    names = [*map(_parameter, written), *(["w"] if suffix == "_range" else [])]
    buffers = [(kind if name in names else f"const {kind}", name)
               for kind, name in [(f"{scalar} *", "w"), (f"{scalar} *", "g"), *slots]]
    return [("int64_t", "first"), ("int64_t", "count"), ("int64_t", "segments"), ("const int64_t *", "offsets"),
            ("const int64_t *", "which"), ("int64_t", "groups"), hyper, *norms, *buffers, ("int64_t", "t")]


def _parameter(slot: str) -> str:
    taken = {"w", "g", "h", "t", "size", "segments", "offsets", "first", "count", "which", "groups", "norms",
             "plan", "stream"}
    return f"{slot}_" if slot in taken else slot


def prototype(rule: Rule, dtype: str, suffix: str, name: str = "") -> str:
    """Declaration of one C function, without its semicolon."""
    return declaration(name or f"numoptim_{rule.name}_{dtype}{suffix}", arguments(rule, dtype, suffix))


def declaration(name: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Declaration of a function that returns a status; parameters are pairs of (type, name)."""
    listed = [kind + ("" if kind.endswith("*") else " ") + parameter for kind, parameter in parameters]
    whole = ", ".join(each.replace(" ", "\0") for each in listed)           # lines break between parameters
    return "\n".join(textwrap.wrap(f"{whole})", 112 - 4, initial_indent=f"int32_t {name}(",
                                   subsequent_indent="    ", break_long_words=False)).replace("\0", " ")


def struct(rule: Rule) -> str:
    fields = [f"    {'int64_t' if isinstance(default, int) else 'double'} {key};" for key, (default, _) in
              rule.fields.items()]
    return "\n".join([f"typedef struct numoptim_{rule.name} {{", *fields, f"}} numoptim_{rule.name};"])


def number(x: float) -> str:
    """A constant of C. HUGE_VAL is the double that INFINITY is as a float."""
    if isinstance(x, int):
        return str(int(x))
    return "HUGE_VAL" if x == math.inf else "-HUGE_VAL" if x == -math.inf else repr(x)


def declarations(rules: Iterable[Rule]) -> str:
    """Every type and function, as cffi reads it."""
    return common() + "\n".join(struct(rule) + "\n" + _prototypes(rule) for rule in rules)


def _prototypes(rule: Rule) -> str:
    return "\n".join(prototype(rule, dtype, suffix) + ";" for suffix in entries(rule) for dtype in TYPES)


def common() -> str:
    """The part of the header that names no rule, as cffi reads it."""
    return _readable(body(HERE / "manual.h"))


def template(file: Path) -> str:
    """Text of a header with the plans' fields in it."""
    text = file.read_text()
    for mark, words in (("/* @PLAN@ */", PLAN), ("/* @DEVICE_PLAN@ */", DEVICE_PLAN)):
        text = text.replace(mark, "\n".join(map(_field, words)))
    return text


def _field(word: Word) -> str:
    line = f"    {word.kind}{word.name}{f'[{word.length}]' if word.length > 1 else ''};"
    return f"{line:36} /* {word.comment} */" if word.comment else line


def launcher() -> str:
    """The declarations of cuda/launcher.h, as cffi reads them."""
    return _readable(body(HERE.parent / "cuda/launcher.h"))


def body(file: Path) -> str:
    """The declarations in a header's text that name no rule."""
    return template(file).split("/* --- declarations */\n")[1].split("/* --- rules */")[0]


def _readable(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")) + "\n"


# --- the header

def header(rules: Sequence[Rule], version: str) -> str:
    """Text of the header of a library of these rules."""
    check_names(rules)
    statuses = [f"#define NUMOPTIM_{name:6} ({status})   /* {STATUS[status]} */"
                for status, name in STATUS_NAMES.items()]
    text = template(HERE / "manual.h")
    for mark, part in (("VERSIONS", _versions(version)), ("STATUSES", "\n".join(statuses)),
                       ("RULES", "\n".join(_described(rule) for rule in rules))):
        text = text.replace(f"/* @{mark}@ */", part)
    return text.replace("@COMMON@", "\n *     ".join(common_hyper()))


def check_names(rules: Sequence[Rule]) -> None:
    """ValueError for names that C does not allow, and for more reductions than descriptors hold."""
    for rule in rules:
        if len(rule.reductions) > MOST_REDUCTIONS:
            raise ValueError(f"rule {rule.name!r} has {len(rule.reductions)} reductions; the C library takes up to "
                             f"{MOST_REDUCTIONS}")
        for name in (rule.name, *rule.slots, *rule.fields):
            if name in RESERVED or not name.isascii():
                raise ValueError(f"rule {rule.name!r}: {name!r} cannot be a name in C")


def _versions(version: str) -> str:
    numbers = [int(x) for x in version.split(".")]
    names = zip(("MAJOR", "MINOR", "PATCH"), numbers, strict=True)
    return "\n".join([*(f"#define NUMOPTIM_VERSION_{name} {x}" for name, x in names),
                      f"#define NUMOPTIM_VERSION {numbers[0] * 10000 + numbers[1] * 100 + numbers[2]}"])


def _described(rule: Rule) -> str:
    """The manual page of a rule: comment, struct, defaults, functions."""
    lines = [f"{rule.name}: {rule.doc.partition(chr(10))[0]}" if rule.doc else rule.name]
    for label, text in (("Update", rule.section("Update")), ("Symbols", rule.section("Symbols")),
                        ("Source", rule.section("Source"))):
        if text:
            remark = rule.remark(label)
            lines += ["", f"{label} ({remark})" if remark else label, *textwrap.indent(text, "    ").splitlines()]
    if rule.inits:
        lines += ["", "Its slots begin as numoptim_" + rule.name + "_<f32|f64>_init leaves them."]
    for slot in rule.slots_over("segment", "all"):
        lines += ["", f"{slot} is {'segments doubles' if slot.over == 'segment' else 'one double'}, "
                      f"{number(slot.start)} before the first step."]
    lines += ["", "Hyper-parameters"]
    own = {key: value for key, value in rule.fields.items() if {**COMMON, **NOISE}.get(key) != value}
    lines += [f"    {key:16} {interval:13} default {number(default)}" for key, (default, interval) in own.items()]
    lines += [f"    and {', '.join(key for key in rule.fields if key not in own)} (above)"]
    page = "\n".join(lines).replace("*/", "* /").replace("/*", "/ *")
    comment = "\n".join(f" * {line}".rstrip() for line in page.split("\n"))
    values = ", ".join(number(default) for default, _ in rule.fields.values())
    return (f"/*\n{comment}\n */\n{struct(rule)}\n#define NUMOPTIM_{rule.name.upper()}_DEFAULT {{ {values} }}\n"
            f"{_prototypes(rule)}\n")


def common_hyper() -> list[str]:
    """One line for each hyper-parameter that rules have in common."""
    return [f"{key:14} {interval:14} {COMMON_TEXT[key]}" for key, (_, interval) in {**COMMON, **NOISE}.items()]


# --- the dispatcher

def kernel_symbol(rule: Rule, dtype: str, phase: str) -> str:
    """Hidden symbol of one kernel."""
    return f"kernel_{rule.name}_{dtype}_{phase}"


def dispatcher(rules: Sequence[Rule], levels: int, name: str, sources: str) -> str:
    """C source: every function of the header fills in a plan for its kernel; the table of descriptors."""
    messages = "\n    ".join(f'case NUMOPTIM_{STATUS_NAMES[status]}: return "{text}";'
                             for status, text in STATUS.items())
    parts = [f'#define SOURCES "{sources}"\n#define LEVELS {levels}', f'#include "{name}.h"',
             (HERE / "runtime.c").read_text().replace("/* @MESSAGES@ */", messages)]
    for rule in rules:
        parts += [_code(rule, dtype, phase) for phase in abi.kernel_phases(rule) for dtype in TYPES]
        parts += [_function(rule, dtype, suffix) for suffix in entries(rule) for dtype in TYPES]
        parts.append(_tables(rule))
    parts.append("static const numoptim_rule rules[] = {\n" + ",\n".join(map(_descriptor, rules)) + "\n};\n")
    parts.append(f"int64_t numoptim_rule_count(void)\n{{\n    return {len(rules)};\n}}\n\n"
                 "const numoptim_rule *numoptim_rule_at(int64_t index)\n{\n"
                 f"    return index < 0 || index >= {len(rules)} ? NULL : &rules[index];\n}}\n")
    return "\n".join(parts)


def _code(rule: Rule, dtype: str, phase: str) -> str:
    """The kernel of a phase, what it accepts, and the function of a plan that is in the descriptor."""
    name, symbol = f"{rule.name}_{dtype}_{phase}", kernel_symbol(rule, dtype, phase)
    rows = ", ".join(f"{{ {', '.join('INT64_MIN' if x == -2**63 else str(x) for x in row)} }}"
                     for row in abi.bounds(rule, dtype, phase).tolist())
    code = (f"HIDDEN numoptim_entry {symbol};\nstatic const bound {name}_bounds[] = {{ {rows} }};\n"
            f"static const code {name}_code = {{ {symbol}, {name}_bounds, {len(rule.fields)} }};\n")
    entry = (f"static int32_t {name}(const numoptim_plan *plan, int64_t t)\n{{\n"
             f"    return run(&{name}_code, plan, t, {abi.phase(rule, phase).needed});\n}}\n")
    return code if phase == "whole" else code + entry


def _function(rule: Rule, dtype: str, suffix: str) -> str:
    """A function of the header, which fills in a plan. Word by word: compilers clear what is left out, and slowly."""
    given = {name for _, name in arguments(rule, dtype, suffix)}
    filled = {word.name: word.name if word.name in given else "0" for word in PLAN} | {"hyper": "h"}
    lines, t = [], "t" if "t" in given else "1"
    if "size" in given:
        lines = ["const int64_t offsets[2] = { 0, size };"]
        filled |= {"count": "size", "segments": "1", "offsets": "offsets", "groups": "1"}
    del filled["buffers"]
    filled |= {f"buffers[{k}]": f"(void *){name}" if name in given else "0"
               for k, name in enumerate(("w", "g", *map(_parameter, rule.slots)))}
    lines += ["numoptim_plan plan;", *(f"plan.{word} = {value};" for word, value in filled.items())]
    whole = "_whole" if "whole" in abi.kernel_phases(rule) else "_range"
    code, needed = f"&{rule.name}_{dtype}{suffix or whole}_code", abi.phase(rule, suffix[1:] or "whole").needed
    lines.append(f"return {'layers' if rule.layerwise and not suffix else 'run'}({code}, &plan, {t}, {needed});")
    return "\n".join([prototype(rule, dtype, suffix), "{", *(f"    {line}" for line in lines), "}", ""])


def _tables(rule: Rule) -> str:
    slots = rule.slots_over(*SCOPES)
    columns = [("char *const", "slots", [f'"{slot}"' for slot in slots] or ["NULL"]),
               ("int32_t", "over", [f"NUMOPTIM_{slot.over.upper()}" for slot in slots] or ["0"]),
               ("double", "starts", [number(slot.start) for slot in slots] or ["0"])]
    lines = [*(f"static const {kind} {rule.name}_{name}[] = {{ {', '.join(cells)} }};"
               for kind, name, cells in columns),
             f"static const numoptim_field {rule.name}_fields[] = {{"]
    for key, (default, text) in rule.fields.items():
        interval = Interval.parse(text)
        numbers = ", ".join(number(float(x)) for x in (default, interval.low, interval.high))
        lines.append(f'    {{ "{key}", "{text}", {numbers}, {int(isinstance(default, int))} }},')
    checks = [f"offsetof(numoptim_{rule.name}, {key}) == {8 * k}" for k, key in enumerate(rule.fields)]
    checks.append(f"sizeof(numoptim_{rule.name}) == {8 * len(rule.fields)}")
    return "\n".join([*lines, "};", *(f'_Static_assert({check}, "layout");' for check in checks), ""])


def _descriptor(rule: Rule) -> str:
    def pair(phase: str) -> str:
        known = phase in abi.kernel_phases(rule)
        return "{ " + ", ".join(f"{rule.name}_{dtype}_{phase}" if known else "NULL" for dtype in TYPES) + " }"

    # Programs of 0.1.0 know steps of one pass, or of two with two numbers of a block.
    passes, sums = abi.phases(rule), abi.columns(rule)[-1]
    layerwise = passes == ("norms", "range") and sums == 2
    known = layerwise or passes == ("range",)
    return (f'    {{ "{rule.name}", {len(rule.slots)}, {rule.name}_slots, {len(rule.fields)}, {rule.name}_fields, '
            f"{int(layerwise)}, {int(rule.noisy)}, {pair('range') if known else '{ refuse, refuse }'}, "
            f"{pair('norms') if layerwise else '{ NULL, NULL }'}, {pair('init')}, {sums}, "
            f"{{ {', '.join(map(pair, passes))} }}, {rule.name}_over, {rule.name}_starts }}")


def named(text: str, name: str) -> str:
    """The same text for a library of another name: its prefix stands before every name."""
    return text.replace("numoptim_", f"{name}_").replace("NUMOPTIM_", f"{name.upper()}_").replace(
        '"numoptim.h"', f'"{name}.h"')
