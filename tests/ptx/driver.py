"""A libcuda.so.1 for machines without a GPU, on which translated PTX runs: what driver.c says, and its settings.

``driver = FakeDriver(folder)`` builds it; ``driver.register(text)`` translates PTX that programs will load, as text or
inside a fat binary that keeps it uncompressed (nvfatbin: ``-compress=false``); with ``image`` any fat binary or cubin
stands for the text. A program started with ``driver.environment()`` then finds the library by its name. Afterwards
``launches``, ``problems`` and ``leaks`` tell what it did. A module's variables live as long as the program: loaded
again, it has them as it left them.
"""
import contextlib
import os
import pathlib
import re
import struct
import subprocess
from dataclasses import dataclass

from . import build, translate

HERE = pathlib.Path(__file__).parent
# No soname: a copy that a process loads by its path is not taken for the driver there, unless it is to be.
FLAGS = ("-std=gnu11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden")
# What fake_cuda_report counts.
KINDS = ("memory", "module", "library", "function", "stream", "event", "graph", "executable", "context", "launch",
         "problem")


@dataclass(frozen=True)
class Launch:
    """One run of a kernel; ``stream``: its handle, None for the legacy stream; ``graph``: replayed by cuGraphLaunch."""
    name: str
    grid: int
    block: int
    stream: int | None
    graph: bool


class FakeDriver:
    """The library, built in the folder, with the modules registered and a log of what was done with it."""

    def __init__(self, folder, named=False):
        """named: with the driver's soname, so that who loads it by its path has it for this process's driver."""
        self.folder = pathlib.Path(folder)
        self.modules, self.log = self.folder / "modules", self.folder / "log"
        self.library = self.folder / "libcuda.so.1"
        self.modules.mkdir(parents=True)
        source, libraries = str(HERE / "driver.c"), ["-ldl", "-lpthread"]
        flags = [*FLAGS, *["-Wl,-soname,libcuda.so.1"] * named]
        subprocess.run(["gcc", *flags, source, "-o", str(self.library), *libraries], check=True)

    def register(self, text, image=None):
        """Translate PTX (str or bytes); it will be found as text, as part of a fat binary, and as ``image``."""
        text = text.decode() if isinstance(text, bytes) else text
        library = build(translate(text)[0], checked=True)
        known = [digest(re.sub(r"//[^\n]*|\s", "", text.partition("\0")[0]).encode())]
        if image is not None:
            known.append(digest(bytes(image)[:image_size(image)]))
        for number in known:
            link = self.modules / f"{number:016x}.so"
            link.unlink(missing_ok=True)
            link.symlink_to(library)

    def settings(self, devices=1, version=13000, fail=None, memory=None, race=False, foreign=False):
        """Environment variables. devices: how many; version: the driver's, 12040 for CUDA 12.4; fail: codes by
        function, ``{"cuMemAlloc_v2": 2}``, or ``{"cuLaunchKernel@3": 719}`` for its third call alone; memory: bytes on
        the device; race: look for races; foreign: pointers belong to another context than the current one."""
        failures = [(*name.split("@"), code) for name, code in (fail or {}).items()]
        listed = ",".join(f"{name}={code}" + "".join(f"@{n}" for n in nth) for name, *nth, code in failures)
        return {"FAKE_CUDA_FOLDER": str(self.modules), "FAKE_CUDA_LOG": str(self.log),
                "FAKE_CUDA_DEVICES": str(devices), "FAKE_CUDA_VERSION": str(version), "FAKE_CUDA_FAIL": listed,
                "FAKE_CUDA_MEMORY": str(memory or ""), "FAKE_CUDA_RACE": str(int(race)),
                "FAKE_CUDA_FOREIGN": str(int(foreign))}

    def environment(self, **settings):
        """The environment for a subprocess that loads libcuda.so.1."""
        path = os.pathsep.join(filter(None, [str(self.folder), os.environ.get("LD_LIBRARY_PATH")]))
        return {**os.environ, "LD_LIBRARY_PATH": path, **self.settings(**settings)}

    @contextlib.contextmanager
    def configured(self, **settings):
        """The same settings in this process, for a library that was loaded by its path."""
        before = {name: os.environ.get(name) for name in self.settings()}
        os.environ.update(self.settings(**settings))
        try:
            yield self
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value

    def entries(self, word):
        """The lines of the log that begin with the word, without it."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line.partition("\t")[2] for line in lines if line.startswith(word + "\t")]

    def launches(self):
        found = [entry.split("\t") for entry in self.entries("launch")]
        return [Launch(name, int(grid), int(block), None if stream == "(nil)" else int(stream, 16), by == "graph")
                for name, grid, block, stream, by in found]

    def problems(self):
        """What programs did wrong: handles of nothing, accesses outside device memory, races, waiting in a capture."""
        return self.entries("problem")

    def leaks(self):
        """Kinds of objects still alive when a program ended, and how many."""
        return {kind: int(number) for kind, number in (entry.split("\t") for entry in self.entries("leak"))}

    def clear(self):
        """Forget the log."""
        self.log.unlink(missing_ok=True)


def digest(data):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def image_size(image):
    """The bytes of a fat binary or cubin, as its headers say."""
    image = bytes(image)
    if image[:4] == struct.pack("<I", 0xBA55ED50):
        return 16 + struct.unpack_from("<Q", image, 8)[0]
    if image[:4] != b"\x7fELF":
        raise ValueError("neither a fat binary nor a cubin")
    programs, sections = struct.unpack_from("<QQ", image, 32)
    sizes = struct.unpack_from("<4H", image, 54)
    return max(programs + sizes[0] * sizes[1], sections + sizes[2] * sizes[3])
