"""Kernels for every processor: their loops once for each instruction set, and once what stands around them."""
from collections.abc import Sequence

import llvmlite.binding as llvm

from numoptim.kernels.ir import definitions, retargeted

from .header import ISA

# Processor and features of each level. In cache AVX-512 takes half of AVX2's time where its units are 512 bits wide;
# level 0 is for processors of before 2013, whose memory binds even small scalar code.
LEVELS = {
    "x86_64": (("x86-64", ""), ("x86-64-v3", ""), ("x86-64-v4", "-prefer-256-bit")),
    "aarch64": (("generic", ""),),
}


def compiled(module: llvm.ModuleRef, name: str, machine: str, unroll: Sequence[bool]) -> dict[str, bytes]:
    """Object files of a module: for each level its loops, which are functions that stay one (intrinsics.apart).

    name: what their hidden symbols and the files' names end in. unroll: whether loops are, at each level.
    """
    found = [function.name for function in module.functions
             if not function.is_declaration and b"noinline" in b" ".join(function.attributes)]
    loops = {loop: [f"loop{level}_{k}_{name}" for level in range(len(unroll))] for k, loop in enumerate(found)}
    objects, failing = {}, set()
    for level, unrolled in enumerate(unroll):
        target = target_of(machine, level)
        own = retargeted(module, target)
        for value in definitions(own):
            value.linkage = "internal"
        for loop, symbols in loops.items():
            function = own.get_function(loop)
            function.name, function.linkage, function.visibility = symbols[level], "external", "hidden"
        objects[f"loops{level}_{name}"] = emit(own, target, vectors=True, unroll=unrolled)
        failing |= {loop for loop, symbols in loops.items() if fails(own.get_function(symbols[level]))}
    around = retargeted(module, target_of(machine))
    for loop, symbols in loops.items():
        function = around.get_function(loop)
        function.linkage = "available_externally"           # until what is linked in takes its place
        text = by_level(loop, str(function.global_value_type), symbols, loop in failing)
        around.link_in(llvm.parse_assembly(text))
        around.get_function(loop).linkage = "internal"
    return {**objects, name: emit(around, target_of(machine))}


def target_of(machine: str, level: int = 0) -> llvm.TargetMachine:
    """A processor, to LLVM."""
    cpu, features = LEVELS[machine][level]
    return llvm.Target.from_triple(f"{machine}-unknown-linux-gnu").create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")


def emit(module: llvm.ModuleRef, target: llvm.TargetMachine, vectors: bool = False, unroll: bool = False) -> bytes:
    """Object file of a module, which is optimised."""
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = options.slp_vectorization = vectors
    options.loop_interleaving, options.loop_unrolling = False, unroll
    passes = llvm.create_pass_builder(target, options)
    passes.getModulePassManager().run(module, passes)
    code: bytes = target.emit_object(module)
    return code


def fails(function: llvm.ValueRef) -> bool:
    """Whether one of Numba's functions, optimised, returns another status than 0."""
    ends = [each for block in function.blocks for each in block.instructions if each.opcode == "ret"]
    return any(not value.is_constant or value.get_constant_value() != 0 for end in ends for value in end.operands)


def by_level(name: str, kind: str, symbols: Sequence[str], may_fail: bool) -> str:
    """LLVM IR of a function of this type, part of those that call it, that calls the symbol of the level in use."""
    result, kinds = kind.removesuffix(")").split(" (")
    given = ", ".join(f"{each} %p{k}" for k, each in enumerate(kinds.split(", ")))
    declared = "\n".join(f"declare hidden {result} @{symbol}({kinds})" for symbol in symbols)
    chosen, latest = [], f"@{symbols[0]}"
    for level, symbol in enumerate(symbols[1:], 1):
        chosen += [f"  %is{level} = icmp eq i32 %level, {level}",
                   f"  %f{level} = select i1 %is{level}, ptr @{symbol}, ptr {latest}"]
        latest = f"%f{level}"
    lines = "\n".join(chosen)
    return f"""
@{ISA} = external hidden global i32
{declared}
define {result} @"{name}"({given}) alwaysinline nounwind {{
  %level = load atomic i32, ptr @{ISA} monotonic, align 4
{lines}
  %status = call {"" if may_fail else f"range({result} 0, 1) "}{result} {latest}({given})
  ret {result} %status
}}
"""
