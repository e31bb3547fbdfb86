"""Rules through raw LLVM IR to one object file for each instruction set."""
from pathlib import Path

import llvmlite.binding as llvm
from numba.core.errors import NumbaError

from numoptim.kernels import abi
from numoptim.kernels.check import checking
from numoptim.kernels.ir import c_function, linked, retargeted, unoptimised
from numoptim.kernels.loops import kernels
from numoptim.rule import Rule

from .cache import kept
from .header import CHECK, kernel_symbol
from .levels import LEVELS, compiled, emit, target_of


def module(rule: Rule, dtype: str) -> llvm.ModuleRef:
    """Unoptimised LLVM IR of all kernels of a rule for one type."""
    from numba import from_dtype, types
    signature = types.int32(from_dtype(abi.PLAN_DTYPE), types.int64)
    return linked({kernel_symbol(rule, dtype, phase): (function, signature)
                   for phase, function in kernels(rule, dtype).items()},
                  lambda symbol, name: c_function(symbol, name, "i32", ("ptr", "i64")))


def check_module() -> llvm.ModuleRef:
    """Unoptimised LLVM IR of the function that checks plans."""
    from numba import from_dtype, types
    signature = types.int64(from_dtype(abi.PLAN_DTYPE), types.int64, from_dtype(abi.BOUND), types.int64, types.int64)
    return linked({CHECK: (checking(), signature)},
                  lambda symbol, name: c_function(symbol, name, "i64", ("ptr", "i64", "ptr", "i64", "i64")))


def objects(rule: Rule, machine: str, folder: Path) -> list[Path]:
    """Write the object files of a rule; returns their paths, in a fixed order. ValueError where Numba cannot."""
    return kept(rule, machine, folder, lambda out: compile_rule(rule, machine, out))


def compile_rule(rule: Rule, machine: str, folder: Path) -> None:
    """Compile a rule for each type and instruction set."""
    start()
    # Words of noise, and lanes of sums, which stay in registers where there are enough.
    unroll = [rule.noisy or (rule.layerwise and level == LEVELS[machine][-1]) for level in LEVELS[machine]]
    with unoptimised():
        for dtype in abi.FLOAT:
            try:
                whole = module(rule, dtype)
            except (NumbaError, TypeError) as error:
                raise ValueError(f"rule {rule.name!r} cannot be compiled: {error}") from error
            for name, code in compiled(whole, f"{rule.name}_{dtype}", machine, unroll).items():
                (folder / f"{name}.o").write_bytes(code)


def check_object(machine: str, folder: Path) -> Path:
    """Write the object file of the function that checks plans."""
    start()
    with unoptimised():
        file = folder / "check.o"
        target = target_of(machine)
        file.write_bytes(emit(retargeted(check_module(), target), target))
    return file


def start() -> None:
    """Have LLVM know every target."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
