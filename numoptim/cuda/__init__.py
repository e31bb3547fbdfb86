"""Rules as kernels for NVIDIA's GPUs: the processor's bits, from the same scalar mathematics.

``asarray`` and ``Array`` are memory of a GPU, on which ``Parameters(..., device="cuda")`` and optimizers work.
``ptx`` needs nothing that numoptim does not; ``cubin`` and ``fatbin`` take the extra ``numoptim[cuda]``, and no GPU,
driver or toolkit either. ``kernel``, ``device`` and ``hyper`` are for callers who write kernels with Numba's @cuda.jit.

    python -m numoptim.cuda OUT               one fatbin for each rule and element type
    python -m numoptim.cuda --figures         registers, instructions and expected speed as a table
"""
from typing import Any

import numpy as np
import numpy.typing as npt

from numoptim.kernels import hyper as record
from numoptim.kernels import named
from numoptim.rule import Rule
from numoptim.rule.hyperparameters import checked

from .array import Array, asarray

__all__ = ["ARCHITECTURES", "Array", "asarray", "cubin", "device", "fatbin", "hyper", "kernel", "ptx"]

ARCHITECTURES = (80, 90, 100, 120)      # A100, H100, B200, RTX 5090


def ptx(rule: Rule | str, dtype: npt.DTypeLike = np.float32, sm: int = 80) -> str:
    """PTX of all kernels of a rule, for GPUs of compute capability ``sm`` (80 is 8.0, the least) and later ones.

    rule: a Rule, or the name of a built-in one. dtype: float32 or float64; TypeError for another. The kernels are
    ``<rule>_<f32|f64>``, for layer-wise rules also ``..._norms`` and ``..._trust`` (then ``..._norms2`` and
    ``..._trust2`` ... for a second reduction), where slots are over segments or all also ``..._advance``, where slots
    do not begin at 0 also ``..._init``; README.md beside this file has their parameters. Raises ValueError for a rule
    that calls what a GPU has not got, or that Numba cannot compile, and for an ``sm`` below 80 or that LLVM does not
    know.
    """
    from .compile import compiled
    sm = int(checked("sm", sm, 80, "[80, inf)"))
    return compiled(named(rule), _key(dtype), sm)


def _key(dtype: npt.DTypeLike) -> str:
    scalar = np.dtype(dtype)
    if scalar not in (np.float32, np.float64):
        raise TypeError(f"dtype {scalar}: kernels exist for float32 and float64")
    return f"f{8 * scalar.itemsize}"


def cubin(text: str, sm: int) -> bytes:
    """Machine code of a PTX text for one architecture. ValueError with the assembler's words for what it refuses."""
    from .assemble import assembled
    return assembled(text, sm).code


def fatbin(rule: Rule | str, dtype: npt.DTypeLike = np.float32) -> bytes:
    """All kernels of a rule: machine code for ARCHITECTURES, and PTX for what comes after them."""
    from .assemble import packed
    return packed(ptx(rule, dtype))


# --- within Numba's own kernels

def kernel(rule: Rule | str, dtype: npt.DTypeLike = np.float32) -> Any:
    """One update as a ``@cuda.jit`` kernel of Numba's, ``f[blocks, threads](w, g, *slots, hyper, t)``.

    w, g and slots: contiguous one-dimensional arrays of ``dtype`` in a GPU's memory, of one size; ``hyper`` from this
    module; t = 1, 2, ... Changes w and the slots in place, to the bits of ``numoptim.kernel``; where that raises, for
    differing sizes, t < 1 and hyper-parameters out of range, it writes nothing. Grid and blocks of one dimension,
    of any size. Noise is numoptim's.

    rule: a Rule, or the name of a built-in one. Raises ValueError for an unknown one, one whose step takes several
    kernels (layer-wise ones), and one that calls what a GPU has not got; TypeError for another dtype; ImportError where
    there is no numba.cuda.
    """
    from .jit import functions
    return functions(named(rule), _key(dtype)).kernel


def device(rule: Rule | str, dtype: npt.DTypeLike = np.float32) -> tuple[Any, Any]:
    """Two functions for ``@cuda.jit`` kernels of one's own, ``prepare`` and ``element``.

    ``h = prepare(t, hyper)`` is what the elements of a step have in common, ``w, *slots = element(w, g, *slots, h)``
    the update of one, from the gradient as it is: w alone without slots; a noisy rule takes a standard normal number
    before h. Numbers become ``dtype``. Nothing is checked: t and the values of ``hyper`` are in range, and the
    learning rate is not one at which the rule rests (``Rule.needs_rate``).

    Raises what ``kernel`` raises.
    """
    from .jit import functions
    prepare, element, _ = functions(named(rule), _key(dtype))
    return prepare, element


def hyper(rule: Rule | str, **values: float | None) -> Any:
    """``numoptim.hyper`` as a named tuple, which kernels take by value; ``h._replace(learning_rate=x)`` is another one.

    A record does, too, but Numba copies it to the GPU and back, and waits, at every launch.
    """
    from .jit import hyper_type
    rule = named(rule)
    return hyper_type(rule)(*record(rule, **values).item())
