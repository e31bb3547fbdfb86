"""Runs PTX on the CPU: a test tool for machines without a GPU.

``load`` translates every kernel of a PTX text to C and returns a ``Module``, which gcc compiles; ``Module.launch`` runs
a kernel over the memory of this process. Anything not known (an instruction, a modifier, a state space) raises
``PtxError`` with its line; a misaligned access, one outside shared or local memory, an integer division by zero and a
barrier that not all threads reach raise ``Fault`` when they run. On request accesses are checked against the buffers
that a kernel may touch, and for races.

Modelled: arithmetic to the bit (IEEE 754; min and max, conversions out of range and shifts as in the PTX ISA 9.0),
addressing, threads and blocks in one dimension, barriers, shuffles and votes in warps of 32, integer atomics.
Not modelled: the bits of a NaN (other than those of min and max), timing, caches, the order of memory operations
between threads (they run in turn; what depends on the order is what the race check looks for), atomic operations on
floats, approximate arithmetic, flushing of subnormals. Shared and local memory begin as NaNs, not as what was there.
It proves what the PTX says, not what an assembler or a device makes of it.
"""
import ctypes
import hashlib
import os
import pathlib
import struct
import subprocess
import tempfile

import numpy as np

from .emit import offsets
from .module import translate
from .syntax import PtxError

__all__ = ["Fault", "Module", "PtxError", "Race", "build", "compiles", "load", "translate"]

HERE = pathlib.Path(__file__).parent
FLAGS = ("-O2", "-std=gnu11", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-fno-math-errno",
         "-U_FORTIFY_SOURCE", "-w", "-shared", "-fPIC", "-Wl,-Bsymbolic")
RACE, BOUNDS, RACED = 1, 2, 2                                   # flags of a job, and a status, of abi.h


class Fault(RuntimeError):
    """A launch ended by something a device would not survive, or leaves undefined."""


class Race(Fault):
    """Two threads accessed the same bytes, one of them writing, with no barrier between."""


class Parameter(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("size", "align", "offset")]


class Kernel(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("parameters", ctypes.POINTER(Parameter)),
                *((name, ctypes.c_uint32) for name in ("count", "bytes", "shared", "threads", "exact", "barriers"))]


class Job(ctypes.Structure):
    _fields_ = [*((name, ctypes.c_uint32) for name in ("grid", "block", "shared", "flags")),
                ("parameters", ctypes.c_void_p), ("ranges", ctypes.c_void_p), ("range_count", ctypes.c_uint64),
                ("message", ctypes.c_char_p), ("message_size", ctypes.c_uint64)]


def compiles():
    """Whether gcc is here and works."""
    try:
        return subprocess.run(["gcc", "--version"], capture_output=True).returncode == 0
    except OSError:
        return False


def load(text):
    """The module of a PTX text."""
    return Module(text)


class Module:
    """Translated PTX; ``kernels``: by name. Compiled when a launch first needs it, if the cache does not have it."""

    def __init__(self, text):
        self.lines = text.split("\n")
        self.source, entries = translate(text)
        self.kernels = {function.name: (number, function) for number, function in enumerate(entries)}
        self.libraries = {}

    def library(self, checked):
        """The compiled module, with checks or without."""
        if checked not in self.libraries:
            self.libraries[checked] = ctypes.CDLL(str(build(self.source, checked)))
        return self.libraries[checked]

    def launch(self, name, grid, block, *arguments, race=False, memory=None, shared=0):
        """Run ``grid`` blocks of ``block`` threads; arguments are numbers and arrays, as the kernel's parameters say.

        race: raise Race where threads race. memory: the buffers that may be accessed (arrays, or pairs of an address
        and a size; a read-only array may only be read), or True for the arrays among the arguments; an access to
        anything else raises Fault. shared: bytes of dynamic shared memory.
        """
        number, function = self.kernels[name]
        packed = pack(function, arguments)
        if memory is True:
            memory = [argument for argument in arguments if isinstance(argument, np.ndarray)]
        ranges = pack_ranges(memory or ())
        message = ctypes.create_string_buffer(4096)
        job = Job(grid, block, shared, RACE * bool(race) | BOUNDS * (memory is not None),
                  ctypes.cast(packed, ctypes.c_void_p), ctypes.cast(ranges, ctypes.c_void_p), len(memory or ()),
                  ctypes.cast(message, ctypes.c_char_p), len(message))
        status = self.library(bool(race) or memory is not None).ptx_run(number, ctypes.byref(job))
        if status:
            raise (Race if status == RACED else Fault)(self.explain(name, message.value.decode()))

    def explain(self, name, message):
        """A message with the PTX of the lines it names."""
        quoted = []
        for line in message.strip().split("\n"):
            number = line.partition(":")[0].removeprefix("line ")
            text = self.lines[int(number) - 1].strip() if number.isdigit() else ""
            quoted.append(f"{line}: {text}" if text else line)
        return f"{name}: " + "\n".join(quoted)


def pack(function, arguments):
    """The buffer of a kernel's parameters."""
    parameters = function.parameters
    if len(arguments) != len(parameters):
        raise TypeError(f"{function.name} takes {len(parameters)} arguments, not {len(arguments)}")
    places = offsets(parameters)
    buffer = ctypes.create_string_buffer(places[-1] + parameters[-1].size if parameters else 1)
    for parameter, offset, argument in zip(parameters, places, arguments, strict=True):
        data = image(parameter, argument)
        buffer[offset:offset + len(data)] = data
    return buffer


def image(parameter, argument):
    """An argument's bytes: an array stands for its address, bytes for a parameter that is a struct."""
    if isinstance(argument, np.ndarray):
        argument = argument.ctypes.data
    if isinstance(argument, bytes):
        if len(argument) != parameter.size:
            raise TypeError(f"{parameter.name} has {parameter.size} bytes, not {len(argument)}")
        return argument
    if isinstance(argument, float | np.floating):
        if parameter.kind[0] not in "fb" or parameter.size not in (4, 8):
            raise TypeError(f"{parameter.name} is .{parameter.kind}, not a float")
        return struct.pack("<f" if parameter.size == 4 else "<d", argument)
    if parameter.kind[0] == "f":
        raise TypeError(f"{parameter.name} is .{parameter.kind}, not an integer")
    return int(argument).to_bytes(parameter.size, "little", signed=argument < 0)


def pack_ranges(memory):
    """The buffers of ``memory``, as an array of ptx_range sorted by address."""
    found = []
    for buffer in memory:
        if isinstance(buffer, np.ndarray):
            found.append((buffer.ctypes.data, buffer.nbytes, int(buffer.flags.writeable)))
        else:
            found.append((*buffer, 1))
    return (ctypes.c_uint64 * (3 * len(found) + 1))(*(number for entry in sorted(found) for number in entry))


def build(source, checked):
    """The path of the shared library of C source; compiled only if no earlier call did."""
    headers = "".join(path.read_text() for path in sorted(HERE.glob("*.h")))
    digest = hashlib.sha256("\0".join([source, headers, str(checked), *FLAGS]).encode()).hexdigest()[:24]
    folder = pathlib.Path(tempfile.gettempdir()) / f"numoptim-ptx-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{digest}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            new = pathlib.Path(scratch) / "module.so"
            command = ["gcc", *FLAGS, f"-I{HERE}", *["-DCHECKED"] * checked, "-x", "c", "-", "-o", str(new)]
            done = subprocess.run([*command, "-lm", "-lpthread"], input=source, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"gcc refused the translated PTX:\n{done.stderr}")
            os.replace(new, library)                            # whole or not at all: other processes may look
    return library
