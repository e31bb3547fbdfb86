"""Rules through raw LLVM IR to one object file for each instruction set."""
import re
from pathlib import Path

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels import signature
from numoptim.kernels.ir import linked, retargeted, unoptimised
from numoptim.kernels.text import functions
from numoptim.rule import Rule

from .header import entries, kernel_symbol

# Processor and features of each level. In cache AVX-512 takes half of AVX2's time where its units are 512 bits wide;
# level 0 is for processors of before 2013, whose memory binds even small scalar code.
LEVELS = {
    "x86_64": (("x86-64", ""), ("x86-64-v3", ""), ("x86-64-v4", "-prefer-256-bit")),
    "aarch64": (("generic", ""),),
}


def module(rule: Rule, dtype: str) -> str:
    """Unoptimised LLVM IR of all kernels of a rule for one type, with symbols of level 0."""
    kernels = {kernel_symbol(rule, dtype, suffix, 0):
               (functions(rule, dtype)[f"entry{suffix}"], signature(rule, dtype, f"entry{suffix}"))
               for suffix in entries(rule)}
    whole = linked(kernels)
    for symbol in kernels:
        whole.get_function(symbol).visibility = "hidden"
    return str(whole)


def emit(text: str, level: int, machine: str, unroll: bool) -> bytes:
    """Object file of a module, optimised for one processor."""
    triple, best = f"{machine}-unknown-linux-gnu", len(LEVELS[machine]) - 1
    cpu, features = LEVELS[machine][level]
    target = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")
    text = retargeted(text, triple, target).replace("@kernel0_", f"@kernel{level}_")
    if level < best - 1:
        text = re.sub(r"^(attributes #\d+ = \{)", r"\1 optsize", text, flags=re.M)
    if level == 2:                             # a processor with AVX-512 reads ahead well enough by itself
        text = re.sub(r"^ *call void @llvm\.prefetch.*\n", "", text, flags=re.M)
    parsed = llvm.parse_assembly(text)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = unroll            # of short loops it leaves scalar code, which is no longer vectorised
    options.loop_interleaving = level == best
    for function in parsed.functions:
        if function.name.endswith("_init"):                    # runs once: level 0 has it for all
            function.linkage = "internal" if level > 0 else function.linkage
        elif "kernel" in function.name or "check_" in function.name:
            function.add_function_attribute("minsize")         # what runs once a call, or once a segment
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(parsed, passes)
    if level == 2:
        unroller = llvm.create_new_function_pass_manager()
        unroller.add_loop_unroll_pass()
        for function in parsed.functions:
            # The two vectors of a chunk, and the lanes of a norm, which then stay in registers.
            if "block" in function.name or ("span" in function.name and "float32" in function.name):
                unroller.run(function, passes)
        passes = llvm.create_pass_builder(target, options)
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
            for level in range(len(LEVELS[machine])):
                files.append(folder / f"{rule.name}_{dtype}_{level}.o")
                files[-1].write_bytes(emit(text, level, machine, rule.noisy))
    return files
