"""Plain functions through Numba to raw LLVM IR, for processors that are not the one at hand."""
import contextlib
import re
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

import llvmlite.binding as llvm
from numba import cfunc
from numba.core import config

from .compile import OPTIONS


@contextlib.contextmanager
def unoptimised() -> Iterator[None]:
    """Numba's own passes would bake in the vector width of the machine that builds."""
    saved = config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE
    config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE = config._OptLevel(0), 0, 0
    try:
        yield
    finally:
        config.OPT, config.LOOP_VECTORIZE, config.SLP_VECTORIZE = saved


def raw(function: FunctionType, signature: Any) -> tuple[str, str]:
    """Unoptimised LLVM IR of a function with the C calling convention, and its name there."""
    compiled = cfunc(signature, **OPTIONS)(function)
    module = llvm.parse_assembly(compiled._library.get_llvm_str())
    for value in [*module.functions, *module.global_variables]:
        if not value.is_declaration and not value.name.startswith("llvm."):
            value.linkage = "external" if value.name == compiled.native_name else "linkonce_odr"
    # Numba keeps the C function and what it wraps apart; functions meant to stay apart are also nounwind.
    return re.sub(r"(attributes #\d+ = \{) noinline \}", r"\1 nounwind }", str(module)), compiled.native_name


def linked(functions: Mapping[str, tuple[FunctionType, Any]]) -> llvm.ModuleRef:
    """Unoptimised module of functions with their signatures, under the symbols given; all else in it is internal."""
    whole: llvm.ModuleRef | None = None
    for symbol, (function, signature) in functions.items():
        text, name = raw(function, signature)
        part = llvm.parse_assembly(text.replace(f'@"{name}"', f"@{symbol}").replace(f"@{name}(", f"@{symbol}("))
        if whole is None:
            whole = part
        else:
            whole.link_in(part)
    assert whole is not None
    for value in [*whole.functions, *whole.global_variables]:
        if not value.is_declaration and not value.name.startswith("llvm.") and value.name not in functions:
            value.linkage = "internal"
    return whole


def retargeted(text: str, triple: str, target: llvm.TargetMachine) -> str:
    """Text of a module, for another processor."""
    text = re.sub(r"^target datalayout = .*$", f'target datalayout = "{target.target_data}"', text, flags=re.M)
    return re.sub(r"^target triple = .*$", f'target triple = "{triple}"', text, flags=re.M)
