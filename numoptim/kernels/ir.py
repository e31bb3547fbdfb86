"""Plain functions through Numba to raw LLVM IR, for processors that are not the one at hand."""
import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import llvmlite.binding as llvm
from numba.core import config

from .compile import outline

RAISED = "Python_exceptions"         # called where a kernel raises, and defined nowhere


@contextlib.contextmanager
def unoptimised() -> Iterator[None]:
    """Numba's own passes would bake in the vector width of the machine that builds."""
    saved = config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE
    config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE = config._OptLevel(0), 0, 0
    try:
        yield
    finally:
        config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE = saved


def raw(function: Callable[..., Any], signature: Any) -> tuple[llvm.ModuleRef, str]:
    """Unoptimised module of a function, and the name there of one ``i32 (result *, exception *, arguments)``."""
    compiled = outline(function)
    compiled.compile(signature)
    overload = compiled.overloads[signature.args]
    module, name = llvm.parse_assembly(overload.library.get_llvm_str()), overload.fndesc.llvm_func_name
    for value in definitions(module):
        value.linkage = "external" if value.name == name else "linkonce_odr"
    return module, name


def definitions(module: llvm.ModuleRef) -> list[Any]:
    """Functions and variables that a module defines."""
    return [value for value in [*module.functions, *module.global_variables]
            if not value.is_declaration and not value.name.startswith("llvm.")]


def c_function(symbol: str, name: str, result: str, parameters: Sequence[str]) -> str:
    """LLVM IR of a hidden C function that calls one of Numba's with its parameters."""
    given = ", ".join(f"{kind} %p{k}" for k, kind in enumerate(parameters))
    return calling(name, result, f"define hidden {result} @{symbol}({given})", given, f"ret {result} %value")


def calling(name: str, result: str, head: str, given: str, end: str, before: Sequence[str] = ()) -> str:
    """LLVM IR of a function that calls one of Numba's with ``given``: its head, what comes before the call, its end."""
    kinds, lines = re.sub(r" %\w+", "", given), "\n  ".join(before)
    return f"""
declare i32 @"{name}"(ptr, ptr, {kinds})
declare void @{RAISED}()
{head} {{
entry:
  %result = alloca {result}
  %exception = alloca ptr
  {lines}
  %status = call i32 @"{name}"(ptr %result, ptr %exception, {given})
  %failed = icmp ne i32 %status, 0
  br i1 %failed, label %raised, label %fine
raised:
  call void @{RAISED}()
  unreachable
fine:
  %value = load {result}, ptr %result
  {end}
}}
"""


def linked(functions: Mapping[str, tuple[Callable[..., Any], Any]], face: Callable[[str, str], str]) -> llvm.ModuleRef:
    """Unoptimised module of functions with their signatures, each behind ``face(symbol, name)``, text of a function.

    All but the symbols in it is internal.
    """
    whole = llvm.parse_assembly("")
    for symbol, (function, signature) in functions.items():
        part, name = raw(function, signature)
        whole.link_in(part)
        whole.link_in(llvm.parse_assembly(face(symbol, name)))
    for value in definitions(whole):
        if value.name not in functions:
            value.linkage = "internal"
    return whole


def retargeted(module: llvm.ModuleRef, target: llvm.TargetMachine) -> llvm.ModuleRef:
    """A copy of a module, for another processor."""
    copy = llvm.parse_assembly(str(module))
    copy.triple, copy.data_layout = target.triple, str(target.target_data)
    return copy
