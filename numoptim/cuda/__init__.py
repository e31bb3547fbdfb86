"""Rules as kernels for NVIDIA's GPUs: the processor's bits, from the same scalar mathematics.

``asarray`` and ``Array`` are memory of a GPU, on which ``Parameters(..., device="cuda")`` and optimizers work.
``ptx`` needs nothing that numoptim does not; ``cubin`` and ``fatbin`` take the extra ``numoptim[cuda]``, and no GPU,
driver or toolkit either.

    python -m numoptim.cuda OUT               one fatbin for each rule and element type
    python -m numoptim.cuda --figures         registers, instructions and expected speed as a table
"""
import numpy as np
import numpy.typing as npt

from numoptim.hyperparameters import checked
from numoptim.kernels import named
from numoptim.rule import Rule

from .array import Array, asarray

__all__ = ["ARCHITECTURES", "Array", "asarray", "cubin", "fatbin", "ptx"]

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
    scalar = np.dtype(dtype)
    if scalar not in (np.float32, np.float64):
        raise TypeError(f"dtype {scalar}: kernels exist for float32 and float64")
    return compiled(named(rule), f"f{8 * scalar.itemsize}", sm)


def cubin(text: str, sm: int) -> bytes:
    """Machine code of a PTX text for one architecture. ValueError with the assembler's words for what it refuses."""
    from .assemble import assembled
    return assembled(text, sm).code


def fatbin(rule: Rule | str, dtype: npt.DTypeLike = np.float32) -> bytes:
    """All kernels of a rule: machine code for ARCHITECTURES, and PTX for what comes after them."""
    from .assemble import packed
    return packed(ptx(rule, dtype))
