"""The header of the GPU library, which is also its manual, and the C source of its functions.

Both are written for the prefix ``numoptim``; aot.header.named turns them into those of another library.
"""
from collections.abc import Sequence
from pathlib import Path

from numoptim.aot.header import TYPES, arguments, body, declaration
from numoptim.kernels.abi import FLOAT, places
from numoptim.rule import Rule

HERE = Path(__file__).parent
STREAM = ("void *", "stream")


def functions(rule: Rule, dtype: str) -> dict[str, list[tuple[str, str]]]:
    """{name: (type, name) of every parameter} of a rule's C functions for one type."""
    last = arguments(rule, dtype, "")[-2:]
    head = [("int64_t", "size")]
    if rule.layerwise:
        head += [("int64_t", "segments"), ("const int64_t *", "offsets"), ("double *", "norms")]
    name = f"numoptim_cuda_{rule.name}_{dtype}"
    made = {name: [*head, *_buffers(rule, dtype), *last, STREAM],
            f"{name}_plan": [("const numoptim_cuda_plan *", "plan"), *last, STREAM]}
    if rule.inits:
        made[f"{name}_init"] = [*arguments(rule, dtype, "_init"), STREAM]
    return made


def header(rules: Sequence[Rule]) -> str:
    """Text of the header of a library of these rules."""
    text = (HERE / "manual.h").read_text().replace("/* @LAUNCHER@ */", body(HERE / "launcher.h").rstrip() + "\n")
    return text.replace("/* @RULES@ */", "\n".join(_prototypes(rule) for rule in rules))


def _prototypes(rule: Rule) -> str:
    lines = [f"/* {rule.name}{': ' if rule.doc else ''}{rule.doc.partition(chr(10))[0]} */"]
    lines += [declaration(name, parameters) + ";" for dtype in TYPES
              for name, parameters in functions(rule, dtype).items()]
    return "\n".join(lines) + "\n"


def source(rules: Sequence[Rule], sources: str) -> str:
    """C source: every function of the header, and the table of images, files of the working directory."""
    names = [(rule, dtype) for rule in rules for dtype in TYPES]
    parts = [f'#define SOURCES "{sources}"\n#include "numoptim_cuda.h"', (HERE / "library.c").read_text(),
             *(f"IMAGE({rule.name}_{dtype})" for rule, dtype in names),
             "\nstatic entry entries[] = {", *(_entry(rule, dtype) for rule, dtype in names), "};\n", IMAGE_OF]
    for k, (rule, dtype) in enumerate(names):
        parts += [f"{declaration(name, parameters)}\n{{\n{text}}}\n" for (name, parameters), text in
                  zip(functions(rule, dtype).items(), _bodies(rule, dtype, k), strict=True)]
    return "\n".join(parts)


IMAGE_OF = """const void *numoptim_cuda_image(const char *name)
{
    for (size_t k = 0; name != NULL && k < sizeof entries / sizeof *entries; k++)
        if (strcmp(entries[k].name, name) == 0)
            return entries[k].image;
    return NULL;
}
"""


def _entry(rule: Rule, dtype: str) -> str:
    name = f"{rule.name}_{dtype}"
    return (f'    {{ "{name}", image_{name}, {len(rule.slots)}, {len(rule.fields)}, {FLOAT[dtype].itemsize}, '
            f"{len(rule.reductions)}, {int(rule.inits)}, {doubles(rule)}, NULL }},")


def doubles(rule: Rule) -> int:
    """A bit for each slot that has a double for each segment, or for all."""
    return sum(1 << place - 2 for place in places(rule, "segment", "all"))


def _bodies(rule: Rule, dtype: str, k: int) -> list[str]:
    """Bodies of a rule's functions for one type, whose entry is number k; the processor's check h and t."""
    buffers = [f"(void *){name}" for _, name in _buffers(rule, dtype)]
    check = _check(rule, dtype, "", {"h": "plan->hyper != NULL ? &usual : h", "t": "plan->step != NULL ? 1 : t"})
    bodies = [_plan(rule, buffers) + f"    return numoptim_cuda_{rule.name}_{dtype}_plan(&plan, h, t, stream);\n",
              PLAN.format(rule=rule.name, RULE=rule.name.upper(), k=k, check=check)]
    if rule.inits:
        for place in (1, *places(rule, "segment", "all")):
            buffers[place] = "NULL"
        check = _check(rule, dtype, "_init", {"h": "h"})
        bodies.append(_plan(rule, buffers, tables=False) + INIT.format(k=k, check=check))
    return bodies


def _plan(rule: Rule, buffers: list[str], tables: bool = True) -> str:
    words = ["size", *(["segments", "offsets", "norms"] if rule.layerwise and tables else [])]
    given = [f".{name} = {name}" for name in words]
    return (f"    const numoptim_cuda_plan plan = {{ {', '.join(given)},\n"
            f"        .buffers = {{ {', '.join(buffers)} }} }};\n")


PLAN = """    const numoptim_{rule} usual = NUMOPTIM_{RULE}_DEFAULT;
    if (plan == NULL)
        return NUMOPTIM_NULL;
    const int32_t status = {check};
    return status != NUMOPTIM_OK ? status : step(&entries[{k}], plan, h, t, stream);
"""
INIT = """    numoptim_cuda_kernels *kernels;
    int32_t status = {check};
    if (status == NUMOPTIM_OK)
        status = loaded(&entries[{k}], &kernels);
    return status != NUMOPTIM_OK ? status : numoptim_cuda_init(kernels, &plan, h, stream);
"""


def _buffers(rule: Rule, dtype: str) -> list[tuple[str, str]]:
    return arguments(rule, dtype, "")[2 if rule.layerwise else 1:-2]


def _check(rule: Rule, dtype: str, suffix: str, given: dict[str, str]) -> str:
    """A call of the processor's function for no elements, which checks the numbers alone."""
    passed = [given.get(name, "NULL" if kind.endswith("*") else "0") for kind, name in arguments(rule, dtype, suffix)]
    return f"numoptim_{rule.name}_{dtype}{suffix}({', '.join(passed)})"
