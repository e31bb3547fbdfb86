"""Rules through raw LLVM IR to one object file for each instruction set."""
from pathlib import Path

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels import signature
from numoptim.kernels.ir import linked, retargeted, unoptimised
from numoptim.kernels.text import functions
from numoptim.rule import Rule

from .header import entries, kernel_symbol

# More than AVX2 has gained at most a tenth: most of a step waits for divisions, square roots or memory.
PROCESSORS = {"x86_64": ("x86-64", "x86-64-v3"), "aarch64": ("generic",)}


def module(rule: Rule, dtype: str) -> str:
    """Unoptimised LLVM IR of all kernels of a rule for one type, with symbols of level 0."""
    kernels = {kernel_symbol(rule, dtype, suffix, 0):
               (functions(rule, dtype)[f"entry{suffix}"], signature(rule, dtype, f"entry{suffix}"))
               for suffix in entries(rule)}
    whole = linked(kernels)
    for symbol in kernels:
        whole.get_function(symbol).visibility = "hidden"
    return str(whole)


def emit(text: str, level: int, machine: str) -> bytes:
    """Object file of a module, optimised for one processor."""
    triple = f"{machine}-unknown-linux-gnu"
    target = llvm.Target.from_triple(triple).create_target_machine(
        cpu=PROCESSORS[machine][level], opt=3, reloc="pic", codemodel="small")
    text = retargeted(text, triple, target).replace("@kernel0_", f"@kernel{level}_")
    parsed = llvm.parse_assembly(text)
    passes = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(speed_level=3))
    passes.getModulePassManager().run(parsed, passes)
    code: bytes = target.emit_object(parsed)
    return code


def objects(rule: Rule, machine: str, folder: Path) -> list[Path]:
    """Write the object files of a rule; returns their paths, in a fixed order. ValueError where Numba cannot."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    files = []
    with unoptimised():
        for dtype in ("f32", "f64"):
            try:
                text = module(rule, dtype)
            except (NumbaError, TypeError) as error:
                raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
            for level in range(len(PROCESSORS[machine])):
                files.append(folder / f"{rule.name}_{dtype}_{level}.o")
                files[-1].write_bytes(emit(text, level, machine))
    return files
