"""The C library's kernels by address, ahead of time or compiled in process."""
import functools
import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np

from numoptim import kernels
from numoptim.aot import PACKAGE, digest
from numoptim.kernels.abi import phases
from numoptim.rule import Rule
from numoptim.rules import RULES


@functools.cache
def extension() -> Any:
    """``call(entry, plan, t)``, ``check`` like it for plans without elements, and ``step(record, t)`` and
    ``steps(records, numbers, count)``, which make whole steps (aot/steps.c), with addresses as integers; ``repeat``
    (aot/python.c), or None; ``rules``: {Rule: {phase: (entry for float32, for float64)}}; ``isa``; ``launcher``,
    (ffi, lib), or None.

    From the package's compiled extension. Without one, or with one that was built from other sources than these, which
    a RuntimeWarning says, from Numba, and there are no rules.
    """
    try:
        from numoptim import _native  # type: ignore[attr-defined]
    except ImportError:
        _native = None
    if _native is None or not _current(_native):
        from numoptim.kernels import serial
        return SimpleNamespace(**vars(serial.functions()), repeat=None, rules={}, isa=0, launcher=None)
    ffi, lib = _native.ffi, _native.lib
    if lib.expose():
        raise ImportError(f"{_native.__file__} cannot add functions to its module")
    rules = {rule: _entries(ffi, rule, lib.numoptim_rule_at(k)) for k, rule in enumerate(RULES)}
    python = {name: getattr(_native, name) for name in ("check", "step", "repeat")}
    return SimpleNamespace(call=lib.call, steps=lib.steps, **python, rules=rules, isa=lib.numoptim_isa(),
                           launcher=(ffi, lib))


def _current(module: Any) -> bool:
    """Whether a compiled extension is of these sources: of others, its rules and structs may be others, too."""
    built = module.ffi.string(module.lib.numoptim_sources()).decode()
    if built != digest():
        warnings.warn(f"{module.__file__} was built from other sources (digest {built}) than the rules and kernels "
                      f"in {PACKAGE} (digest {digest()}): kernels are compiled in process, and steps use one thread, "
                      "until numoptim is installed anew", RuntimeWarning, stacklevel=3)
    return bool(built == digest())


def _entries(ffi: Any, rule: Rule, descriptor: Any) -> dict[str, list[int]]:
    pairs = {"init": descriptor.init, **dict(zip(phases(rule), descriptor.passes, strict=False))}
    return {phase: [int(ffi.cast("intptr_t", function)) for function in pair] for phase, pair in pairs.items()}


def source() -> str:
    """Where the kernels of built-in rules come from, in words."""
    try:
        built = extension()
    except ImportError as error:
        return f"none: neither a C compiler when numoptim was installed nor Numba now ({error})"
    return f"compiled ahead of time, instruction set {built.isa}" if built.rules else "compiled in process by Numba"


@functools.cache
def entry(rule: Rule, dtype: "np.dtype[Any]", phase: str) -> int:
    """Address of the C function for one phase of a rule's step: range, norms or init."""
    known = extension().rules
    if rule in known:
        return int(known[rule][phase][dtype.itemsize == 8])
    compiled = kernels.over_plans(rule, f"f{8 * dtype.itemsize}", phase)      # cached there: it lives on
    return int(compiled.address)
