"""Where kernels come from: the library that was built with the package, else PTX made in process."""
import subprocess

import numpy as np
import pytest
from gpu_arrays import both, draw

from numoptim import Trainer
from numoptim.aot import digest
from numoptim.cuda import fatbin, launch
from numoptim.rules import RULES, sgd

F32 = np.dtype(np.float32)
SOURCE = """
#include <string.h>
__asm__(".section .rodata\\n.balign 64\\nimage: .incbin \\"sgd.fatbin\\"\\n.previous");
extern __attribute__((visibility("hidden"))) const char image[];
const void *numoptim_cuda_image(const char *name) { return strcmp(name, "sgd_f32") ? 0 : image; }
const char *numoptim_cuda_sources(void) { return "%s"; }
"""


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Make launch.library one that has the kernels of sgd_f32, of these sources or others."""
    def build(sources):
        (tmp_path / "sgd.fatbin").write_bytes(fatbin(sgd.RULE))
        library = tmp_path / "libnumoptim_cuda.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-xc", "-", "-o", library], input=SOURCE % sources, text=True,
                       check=True, cwd=tmp_path)
        monkeypatch.setattr(launch, "LIBRARY", library)

    for cached in (launch.library, launch.loaded):
        cached.cache_clear()
    yield build
    for cached in (launch.library, launch.loaded):
        cached.cache_clear()


def is_ptx(image):
    return isinstance(image, bytes) and b".version" in image and image[-1] == 0


def test_machine_code_of_the_library(gpu, built):
    built(digest("cuda"))
    assert isinstance(launch.image(sgd.RULE, F32, 80), int)
    assert is_ptx(launch.image(sgd.MOMENTUM, F32, 80)) and is_ptx(launch.image(sgd.RULE, np.dtype(np.float64), 80))
    params, device = both(draw(0, {"w": (1001,)}, np.float32))
    for p in (params, device):
        p.grad["w"] = np.ones(1001)
        Trainer(p, "sgd").step(1)
    assert device.flat.to_host().tobytes() == params.flat.tobytes()


def test_a_library_of_other_sources(gpu, built):
    built("0123456789abcdef")
    with pytest.warns(RuntimeWarning, match="built from other sources .* compiled in process until it is built anew"):
        assert is_ptx(launch.image(sgd.RULE, F32, 80))


def test_no_library(gpu, built, monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "LIBRARY", tmp_path / "none.so")
    assert is_ptx(launch.image(RULES[0], F32, 80))


@pytest.mark.parametrize("capability, target", [(80, 80), (89, 80), (90, 90), (103, 100), (121, 120)])
def test_ptx_is_for_the_device_at_hand(gpu, built, monkeypatch, tmp_path, capability, target):
    monkeypatch.setattr(launch, "LIBRARY", tmp_path / "none.so")
    assert f".target sm_{target}".encode() in launch.image(sgd.RULE, F32, capability)
