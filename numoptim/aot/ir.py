"""Rules through raw LLVM IR to one object file for each instruction set."""
from pathlib import Path

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels import abi
from numoptim.kernels.check import checking
from numoptim.kernels.ir import c_function, definitions, linked, retargeted, unoptimised
from numoptim.kernels.loops import kernels
from numoptim.rule import Rule

from .cache import kept
from .header import CHECK, kernel_symbol

# Processor and features of each level. In cache AVX-512 takes half of AVX2's time where its units are 512 bits wide;
# level 0 is for processors of before 2013, whose memory binds even small scalar code.
LEVELS = {
    "x86_64": (("x86-64", ""), ("x86-64-v3", ""), ("x86-64-v4", "-prefer-256-bit")),
    "aarch64": (("generic", ""),),
}


def module(rule: Rule, dtype: str) -> llvm.ModuleRef:
    """Unoptimised LLVM IR of all kernels of a rule for one type, with symbols of level 0."""
    from numba import from_dtype, types
    signature = types.int32(from_dtype(abi.PLAN_DTYPE), types.int64)
    return linked({kernel_symbol(rule, dtype, phase, 0): (function, signature)
                   for phase, function in kernels(rule, dtype).items()},
                  lambda symbol, name: c_function(symbol, name, "i32", ("ptr", "i64")))


def check_module() -> llvm.ModuleRef:
    """Unoptimised LLVM IR of the function that checks plans."""
    from numba import from_dtype, types
    signature = types.int64(from_dtype(abi.PLAN_DTYPE), types.int64, from_dtype(abi.BOUND), types.int64, types.int64)
    return linked({CHECK: (checking(), signature)},
                  lambda symbol, name: c_function(symbol, name, "i64", ("ptr", "i64", "ptr", "i64", "i64")))


def emit(module: llvm.ModuleRef, level: int, machine: str, unroll: bool = False) -> bytes:
    """Object file of a module, optimised for one processor."""
    triple, best = f"{machine}-unknown-linux-gnu", len(LEVELS[machine]) - 1
    cpu, features = LEVELS[machine][level]
    target = llvm.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")
    own = retargeted(module, triple, target)
    for function in definitions(own):
        function.name = function.name.replace("kernel0_", f"kernel{level}_")
        if level > 0 and function.name.endswith("_init"):           # runs once: level 0 has it for all
            function.linkage = "internal"
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_unrolling = unroll
    options.loop_interleaving = level == best
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(own, passes)
    code: bytes = target.emit_object(own)
    return code


def objects(rule: Rule, machine: str, folder: Path) -> list[Path]:
    """Write the object files of a rule; returns their paths, in a fixed order. ValueError where Numba cannot."""
    return kept(rule, machine, folder, lambda out: compile_rule(rule, machine, out))


def compile_rule(rule: Rule, machine: str, folder: Path) -> None:
    """Compile a rule for each type and instruction set."""
    start()
    best = len(LEVELS[machine]) - 1
    with unoptimised():
        for dtype in abi.FLOAT:
            try:
                whole = module(rule, dtype)
            except (NumbaError, TypeError) as error:
                raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
            for level in range(best + 1):
                # Words of noise, and lanes of sums, which stay in registers where there are enough.
                unroll = rule.noisy or (rule.layerwise and level == best)
                (folder / f"{rule.name}_{dtype}_{level}.o").write_bytes(emit(whole, level, machine, unroll))


def check_object(machine: str, folder: Path) -> Path:
    """Write the object file of the function that checks plans."""
    start()
    with unoptimised():
        file = folder / "check.o"
        file.write_bytes(emit(check_module(), 0, machine))
    return file


def start() -> None:
    """Have LLVM know every target."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
