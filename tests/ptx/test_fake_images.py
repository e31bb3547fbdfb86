"""What the fake driver finds in PTX, fat binaries and cubins."""
import ctypes
import pathlib
import struct
from ctypes import byref, c_size_t, c_void_p

import numpy as np
import pytest

from ptx.calls import INVALID_HANDLE, INVALID_IMAGE, NO_BINARY, NOT_FOUND, PTX, scaled


def test_images(driver, cuda):
    module, function = c_void_p(), c_void_p()
    for image, expected in ((PTX.replace("scale", "other"), NO_BINARY), ("nonsense", INVALID_IMAGE)):
        assert cuda.status("cuModuleLoadData", byref(module), image.encode()) == expected
    assert driver.problems() == ["the image comes from no PTX that was registered"]
    module, _ = cuda.kernel()
    assert cuda.status("cuModuleGetFunction", byref(function), module, b"nobody") == NOT_FOUND
    cuda.cuModuleUnload(module)
    assert cuda.status("cuModuleUnload", module) == INVALID_HANDLE


def nvfatbin(*items, options=()):
    """A fat binary of PTX and cubins, made by NVIDIA's library."""
    pytest.importorskip("nvidia.cu13")
    import nvidia.cu13
    found = [path for root in nvidia.cu13.__path__ for path in pathlib.Path(root).glob("lib/libnvfatbin.so*")]
    if not found:
        pytest.skip("nvidia-nvfatbin is not installed")
    library, handle, size = ctypes.CDLL(str(found[0])), c_void_p(), c_size_t()
    listed = (ctypes.c_char_p * len(options))(*options)
    assert library.nvFatbinCreate(byref(handle), listed, c_size_t(len(options))) == 0
    for text in items:
        assert library.nvFatbinAddPTX(handle, text + b"\0", c_size_t(len(text) + 1), b"80", b"kernels", b"") == 0
    assert library.nvFatbinSize(handle, byref(size)) == 0
    image = ctypes.create_string_buffer(size.value)
    assert library.nvFatbinGet(handle, image) == 0
    assert library.nvFatbinDestroy(byref(handle)) == 0
    return image.raw


def runs(cuda, image):
    """Whether a kernel of the image doubles an array."""
    address, module = cuda.upload(np.ones(100, np.float32)), cuda.get(c_void_p, "cuModuleLoadData", image)
    assert scaled(cuda, cuda.get(c_void_p, "cuModuleGetFunction", module, b"scale"), address) == 0
    return (cuda.download(address, np.float32, 100) == 2).all()


def test_a_fat_binary_with_its_ptx_as_it_is(cuda):
    assert runs(cuda, nvfatbin(PTX.encode(), options=[b"-compress=false"]))


def test_a_fat_binary_that_is_compressed_must_be_registered(driver, cuda):
    image, module = nvfatbin(PTX.encode() + b"// " + b"x" * 4096), c_void_p()
    assert cuda.status("cuModuleLoadData", byref(module), image) == NO_BINARY
    assert driver.problems() == ["the image's PTX is compressed"]
    driver.register(PTX, image)
    assert runs(cuda, image)


def test_a_fat_binary_made_by_hand(driver, cuda):
    """The layout of the fake's source, for machines without nvfatbin: a cubin, then PTX."""
    text = PTX.encode() + bytes(8 - len(PTX) % 8)
    entries = [fat_entry(2, b"\x7fELF" + bytes(60)), fat_entry(1, text)]
    assert runs(cuda, fat(entries))
    assert cuda.status("cuModuleLoadData", byref(c_void_p()), fat(entries[:1])) == NO_BINARY
    driver.register(PTX, fat(entries[:1]))
    assert runs(cuda, fat(entries[:1]))


def test_a_cubin_stands_for_its_ptx(driver, cuda):
    cubin = bytearray(b"\x7fELF" + bytes(124))                  # 64 bytes of header, a table of one section header
    cubin[40:48], cubin[58:62] = (64).to_bytes(8, "little"), bytes([64, 0, 1, 0])
    assert cuda.status("cuModuleLoadData", byref(c_void_p()), bytes(cubin)) == NO_BINARY
    driver.register(PTX, bytes(cubin))
    assert runs(cuda, bytes(cubin))


def fat_entry(kind, data):
    header = struct.pack("<HHIQIIHHIIIQQQ", kind, 0x101, 72, len(data), 0, 0, 0, 7, 80, 0, 0, 0x11, 0, 0)
    return header + bytes(8) + data


def fat(entries):
    data = b"".join(entries)
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, len(data)) + data
