"""Rules to PTX, the GPU's assembly language, by Numba's front end and LLVM's NVPTX back end: no CUDA is needed."""
import functools
import re

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels import abi
from numoptim.kernels.abi import FLOAT
from numoptim.kernels.ir import calling, linked, retargeted, unoptimised
from numoptim.rule import Rule

from .intrinsics import HIDDEN
from .kernels import kernels
from .loops import THREADS
from .parameters import parameters

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


def module(rule: Rule, dtype: str) -> llvm.ModuleRef:
    """Unoptimised LLVM IR of all kernels of a rule."""
    from numba import from_dtype, types
    signature, resident = types.int32(from_dtype(parameters(rule))), blocks(rule, dtype)
    with unoptimised():
        try:
            whole = linked({symbol(rule, dtype, suffix): (function, signature)
                            for suffix, function in kernels(rule, dtype).items()},
                           lambda symbol, name: kernel(rule, symbol, name, resident))
        except (NumbaError, TypeError) as error:
            raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
    for function in whole.functions:
        function.name = EXACT.get(function.name, function.name).replace(HIDDEN, "llvm.nvvm.")
    return whole


def blocks(rule: Rule, dtype: str) -> int:
    """How many blocks of THREADS a multiprocessor's registers are to hold: 3 leave a thread 80, and 2 leave it 128."""
    read = (2 + len(rule.slots_over("element"))) * FLOAT[dtype].itemsize
    return 3 if read <= 16 and not rule.noisy and len(rule.reductions) < 2 else 2


def kernel(rule: Rule, symbol: str, name: str, resident: int) -> str:
    """LLVM IR of a kernel, which puts its parameters in the struct of Numba's function; no two pointers overlap."""
    struct, pointers = parameters(rule), {word.name for word in abi.DEVICE_PLAN if word.kind.endswith("*")}
    given: list[str] = []
    lines = [f"%all = alloca [{struct.itemsize} x i8], align 16"]
    for field, (kind, offset, *_) in (struct.fields or {}).items():
        llvm_kind = "ptr" if field in pointers else {"i8": "i64", "i4": "i32", "f8": "double"}[kind.base.str[1:]]
        for at in range(offset, offset + kind.itemsize, 8):
            k = len(given)
            lines += [f"%at{k} = getelementptr i8, ptr %all, i64 {at}", f"store {llvm_kind} %p{k}, ptr %at{k}"]
            given.append(f"{llvm_kind}{' noalias' * (field in pointers)} %p{k}")
    bounds = f'"nvvm.maxntid"="{THREADS}" "nvvm.minctasm"="{resident}"'
    head = f"define ptx_kernel void @{symbol}({', '.join(given)}) {bounds}"
    return calling(name, "i32", head, "ptr %all", "ret void", lines)


def emit(rule: Rule, module: llvm.ModuleRef, sm: int) -> str:
    """PTX of a module, optimised."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(TRIPLE).create_target_machine(cpu=f"sm_{sm}", opt=3)
    parsed = retargeted(module, target)
    for function in parsed.functions:
        if not function.is_declaration:
            function.add_function_attribute("convergent")         # until LLVM sees that it meets no barrier
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = False                 # registers are worth more: loops.py has unrolled what gains from it
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
