"""Rules to PTX, the GPU's assembly language, by Numba's front end and LLVM's NVPTX back end: no CUDA is needed."""
import re
from collections.abc import Iterable

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels.ir import linked, retargeted, unoptimised
from numoptim.rule import Rule

from .intrinsics import placed
from .text import THREADS, functions, signature, suffixes

TRIPLE = "nvptx64-nvidia-cuda"

# What is one correctly rounded instruction, or none at all; whatever else is in a rule has other bits than the CPU's.
EXACT = {"sqrt": "llvm.sqrt.f64", "sqrtf": "llvm.sqrt.f32", "copysign": "llvm.copysign.f64",
         "copysignf": "llvm.copysign.f32"}


def symbol(rule: Rule, dtype: str, phase: str) -> str:
    """Name of a kernel in PTX."""
    return f"{rule.name}_{dtype}{phase}"


def module(rule: Rule, dtype: str) -> str:
    """Unoptimised LLVM IR of all kernels of a rule for "f32" or "f64". ValueError where Numba cannot."""
    names = [symbol(rule, dtype, phase) for phase in suffixes(rule)]
    bodies = {f"body_{name}": (functions(rule, dtype)[f"kernel{phase}"], signature(rule, dtype))
              for name, phase in zip(names, suffixes(rule), strict=True)}
    with unoptimised():
        try:
            whole = linked(bodies)
        except (NumbaError, TypeError) as error:
            raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
    text = placed(str(whole))
    for name, exact in EXACT.items():
        text = text.replace(f"@{name}(", f"@{exact}(")
    return text + "".join(kernel(text, name) for name in names)


def kernel(text: str, name: str) -> str:
    """LLVM IR of a kernel that calls its body: no two of its pointers overlap, and its return value is dropped."""
    match = re.search(rf"^define (\w+) @body_{name}\((.*)\)", text, re.MULTILINE)
    assert match is not None
    result, parameters = match.groups()
    declared = parameters.replace("ptr ", "ptr noalias ")
    return (f'\ndefine ptx_kernel void @{name}({declared}) "nvvm.maxntid"="{THREADS}" "nvvm.minctasm"="4" {{\n'
            f"  %1 = call {result} @body_{name}({parameters})\n  ret void\n}}\n")


def emit(text: str, sm: int) -> str:
    """PTX of a module, optimised."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=f"sm_{sm}", opt=3)
    parsed = llvm.parse_assembly(retargeted(text, TRIPLE, target))
    for function in parsed.functions:
        if not function.is_declaration:
            function.add_function_attribute("convergent")         # until LLVM sees that it meets no barrier
            if function.name.startswith("body_"):
                function.linkage = "internal"
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(parsed, passes)
    return target.emit_assembly(parsed)
