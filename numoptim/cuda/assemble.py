"""PTX to machine code in process: NVIDIA's linker and packer as Python packages, without a GPU, driver or toolkit."""
import re
from typing import NamedTuple

from . import ARCHITECTURES


class Usage(NamedTuple):
    """What one kernel takes: registers of a thread, bytes it spills, bytes of shared memory of a block."""

    registers: int
    spills: int
    shared: int


class Assembled(NamedTuple):
    """Machine code for one architecture, and what each kernel takes."""

    code: bytes
    usage: dict[str, Usage]


def assembled(text: str, sm: int) -> Assembled:
    """Machine code of a PTX text. Raises ImportError without the extra ``cuda``, ValueError for what is refused."""
    try:
        from cuda.bindings import nvjitlink
    except ImportError as error:
        raise ImportError("GPU kernels are assembled by NVIDIA's packages: pip install 'numoptim[cuda]'") from error
    options = [f"-arch=sm_{sm}", "-verbose"]
    handle = nvjitlink.create(len(options), options)

    def read(what: str) -> bytes:
        content = bytearray(getattr(nvjitlink, f"get_{what}_size")(handle))
        if content:
            getattr(nvjitlink, f"get_{what}")(handle, content)
        return bytes(content)

    try:
        source = text.encode()
        try:
            nvjitlink.add_data(handle, nvjitlink.InputType.PTX, source, len(source), "kernels")
            nvjitlink.complete(handle)
        except nvjitlink.nvJitLinkError as error:
            raise ValueError(f"sm_{sm}: {read('error_log').rstrip(bytes(1)).decode()}") from error
        return Assembled(read("linked_cubin"), usage(read("info_log").decode()))
    finally:
        nvjitlink.destroy(handle)


def usage(log: str) -> dict[str, Usage]:
    """What the assembler says of each kernel."""
    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        registers, = re.findall(r"Used (\d+) registers", part)
        stack, stores, loads = re.findall(r"(\d+) bytes (?:stack frame|spill stores|spill loads)", part)
        shared = re.findall(r"Used .* (\d+) bytes smem", part)
        found[part.partition("'")[0]] = Usage(int(registers), int(stack) + int(stores) + int(loads), int(*shared))
    return found


def packed(text: str) -> bytes:
    """A fatbin: machine code of a PTX text for each of ARCHITECTURES, and the text itself, uncompressed."""
    codes = {sm: assembled(text, sm).code for sm in ARCHITECTURES}
    from cuda.bindings import nvfatbin
    options = ["-64", "-compress=false"]
    handle = nvfatbin.create(options, len(options))
    try:
        for sm, code in codes.items():
            nvfatbin.add_cubin(handle, code, len(code), str(sm), f"sm_{sm}")
        source = text.encode() + b"\0"
        version, = re.findall(r"^\.target sm_(\d+)", text, re.MULTILINE)
        nvfatbin.add_ptx(handle, source, len(source), version, f"compute_{version}", "")
        whole = bytearray(nvfatbin.size(handle))
        nvfatbin.get(handle, whole)
        return bytes(whole)
    finally:
        nvfatbin.destroy(handle)
