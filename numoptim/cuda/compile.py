"""Rules to PTX, the GPU's assembly language, by Numba's front end and LLVM's NVPTX back end: no CUDA is needed."""
import functools
import re

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels.compile import FLOAT
from numoptim.kernels.ir import linked, retargeted, unoptimised
from numoptim.rule import Rule

from .intrinsics import placed
from .text import THREADS, functions, signature, suffixes

TRIPLE = "nvptx64-nvidia-cuda"
# C functions that are one exact instruction, and LLVM's intrinsics on floats that are: others have their own bits.
EXACT = {"sqrt": "llvm.sqrt.f64", "sqrtf": "llvm.sqrt.f32", "copysign": "llvm.copysign.f64",
         "copysignf": "llvm.copysign.f32"}
EXACT_ON_FLOATS = ("llvm.sqrt.", "llvm.copysign.", "llvm.fabs.")


def symbol(rule: Rule, dtype: str, suffix: str) -> str:
    """Name of a kernel in PTX."""
    return f"{rule.name}_{dtype}{suffix}"


@functools.cache
def compiled(rule: Rule, dtype: str, sm: int) -> str:
    """PTX of all kernels of a rule for "f32" or "f64", for GPUs of compute capability ``sm`` and later ones.

    Raises ValueError for a rule that Numba cannot compile, or that a GPU has no functions for, and for an unknown sm.
    """
    ptx = emit(rule, module(rule, dtype), sm)
    if re.search(r"^\.version [1-6]\.", ptx, re.MULTILINE):         # LLVM takes an unknown one for the oldest
        raise ValueError(f"sm={sm}: LLVM knows no such GPU")
    return ptx


def module(rule: Rule, dtype: str) -> str:
    """Unoptimised LLVM IR of all kernels of a rule."""
    names = {symbol(rule, dtype, suffix): suffix for suffix in suffixes(rule)}
    with unoptimised():
        try:
            bodies = {f"body_{name}": (functions(rule, dtype)[f"kernel{suffix}"], signature(rule, dtype))
                      for name, suffix in names.items()}
            text = placed(str(linked(bodies)))
        except (NumbaError, TypeError) as error:
            raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
    for name, exact in EXACT.items():
        text = text.replace(f"@{name}(", f"@{exact}(")
    return text + "".join(kernel(text, name, blocks(rule, dtype)) for name in names)


def blocks(rule: Rule, dtype: str) -> int:
    """How many blocks of THREADS a multiprocessor's registers are to hold: 3 leave a thread 80, and 2 leave it 128."""
    read = (2 + len(rule.slots)) * FLOAT[dtype].itemsize
    return 3 if read <= 16 and not rule.noisy else 2


def kernel(text: str, name: str, resident: int) -> str:
    """LLVM IR of a kernel that calls its body: no two of its pointers overlap, and its return value is dropped."""
    match = re.search(rf"^define (\w+) @body_{name}\((.*)\)", text, re.MULTILINE)
    assert match is not None
    result, parameters = match.groups()
    declared = parameters.replace("ptr ", "ptr noalias ")
    bounds = f'"nvvm.maxntid"="{THREADS}" "nvvm.minctasm"="{resident}"'
    return (f"\ndefine ptx_kernel void @{name}({declared}) {bounds} {{\n"
            f"  %1 = call {result} @body_{name}({parameters})\n  ret void\n}}\n")


def emit(rule: Rule, text: str, sm: int) -> str:
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
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False                 # registers are worth more: the text has unrolled what gains from it
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(parsed, passes)
    refuse_calls(rule, parsed)
    ptx: str = target.emit_assembly(parsed)
    return ptx


def refuse_calls(rule: Rule, module: llvm.ModuleRef) -> None:
    """ValueError for functions that a GPU lacks, or has only with other bits than the processor's."""
    called = {function.name for function in module.functions if function.is_declaration}
    missing = sorted(name.removeprefix("llvm.") for name in called if not name.startswith("llvm.") or (
        re.search(r"\.v?\d*f\d+", name) and not name.startswith(EXACT_ON_FLOATS)))
    if missing:
        raise ValueError(f"rule {rule.name!r} needs {', '.join(missing)}, which GPU kernels do not have: rules may "
                         "raise nothing and call math.sqrt, math.copysign and the functions of numoptim.rule")
