"""Kernels loaded on GPUs by the launcher, which is C (launcher.h) and part of the package's compiled extension."""
import ctypes
import functools
import warnings
import weakref
from typing import Any, NamedTuple

import numpy as np

from numoptim.aot import PACKAGE, digest, soname
from numoptim.native.library import extension
from numoptim.rule import Rule
from numoptim.rules import RULES

from . import ARCHITECTURES, ptx
from .driver import Context
from .header import doubles

LIBRARY = PACKAGE / "lib" / soname("numoptim_cuda")


class Launcher(NamedTuple):
    """cffi's two halves of the compiled extension."""

    ffi: Any
    lib: Any

    def check(self, status: int, what: str) -> None:
        """RuntimeError with the launcher's or the driver's words for a negative status."""
        if status:
            raise RuntimeError(f"{what}: {self.ffi.string(self.lib.numoptim_cuda_strerror(status)).decode()}")


@functools.cache
def launcher() -> Launcher:
    """The launcher. RuntimeError where numoptim was installed without a C compiler, or built from other sources."""
    found = extension().launcher
    if found is None:
        raise RuntimeError("kernels are launched on GPUs by numoptim's compiled extension, which this installation has "
                           "not got: install numoptim, anew, where there is a C compiler")
    return Launcher(*found)


def name_of(rule: Rule, dtype: "np.dtype[Any]") -> str:
    """Name of a rule's first kernel, from which the launcher makes those of the others."""
    return f"{rule.name}_f{8 * dtype.itemsize}"


@functools.cache
def library() -> Any:
    """``libnumoptim_cuda.so`` beside the package's other library, or None.

    None too where it was built from other sources than these, which a RuntimeWarning says.
    """
    if not LIBRARY.exists():
        return None
    opened = ctypes.CDLL(str(LIBRARY))
    opened.numoptim_cuda_image.restype, opened.numoptim_cuda_sources.restype = ctypes.c_void_p, ctypes.c_char_p
    built = opened.numoptim_cuda_sources().decode()
    if built == digest("cuda"):
        return opened
    warnings.warn(f"{LIBRARY} was built from other sources (digest {built}) than {PACKAGE} (digest {digest('cuda')}): "
                  "GPU kernels are compiled in process until it is built anew", RuntimeWarning, stacklevel=2)
    return None


def image(rule: Rule, dtype: "np.dtype[Any]", capability: int) -> Any:
    """Machine code of the library for built-in rules, else PTX made in process, as something that cffi casts."""
    known = library() if rule in RULES else None
    found = known.numoptim_cuda_image(name_of(rule, dtype).encode()) if known else None
    if found:
        return found
    fitting = [sm for sm in ARCHITECTURES if sm <= capability]
    if not fitting:
        raise RuntimeError(f"this GPU has compute capability {capability / 10}; kernels take {ARCHITECTURES[0] / 10} "
                           "or later")
    return ptx(rule, dtype, max(fitting)).encode() + b"\0"


@functools.cache
def loaded(rule: Rule, dtype: "np.dtype[Any]", capability: int) -> Any:
    """The launcher's handle of a rule's kernels, good on every GPU of this capability until the process ends."""
    ffi, lib = launcher()
    out = ffi.new("numoptim_cuda_kernels **")
    code = image(rule, dtype, capability)
    pointer = ffi.cast("void *", code) if isinstance(code, int) else ffi.from_buffer(code)
    status = lib.numoptim_cuda_load(pointer, name_of(rule, dtype).encode(), len(rule.slots), len(rule.fields),
                                    dtype.itemsize, len(rule.reductions), rule.inits, doubles(rule), out)
    launcher().check(status, f"kernels of {rule.name!r}")
    kernels = out[0]
    weakref.finalize(loaded, lib.numoptim_cuda_unload, kernels)
    return kernels


def kernels(rule: Rule, dtype: "np.dtype[Any]", context: Context) -> Any:
    """A rule's kernels for a GPU, loaded at the first call."""
    with context:
        return loaded(rule, dtype, context.capability)
