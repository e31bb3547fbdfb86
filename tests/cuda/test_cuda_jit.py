"""Kernels and functions for Numba's @cuda.jit: cuda_jit_cases.py, simulated and compiled, with the numba.cuda that
Numba brings and with the package numba-cuda; and where there is none."""
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).with_name("cuda_jit_cases.py")


def toolkit():
    """Where the libNVVM from PyPI is, or None."""
    found = importlib.util.find_spec("nvidia")
    folders = [Path(folder) / "cu13" for folder in found.submodule_search_locations] if found else []
    return next((folder for folder in folders if (folder / "nvvm").is_dir()), None)


@pytest.mark.parametrize("how", ["simulated", "compiled"])
@pytest.mark.parametrize("implementation", ["Built-in", "NVIDIA"])
def test_cases(implementation, how):
    if implementation == "NVIDIA" and not importlib.util.find_spec("numba_cuda"):
        pytest.skip("not installed: numba-cuda")
    if how == "compiled" and toolkit() is None:
        pytest.skip("not installed: nvidia-nvvm")
    environment = {**os.environ, "NUMOPTIM_TEST_CUDA": implementation, "CUDA_HOME": str(toolkit()),
                   "NUMBA_ENABLE_CUDASIM": str(int(how == "simulated"))}
    done = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:xdist", str(CASES)], env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_numba_cuda_the_error_says_what_to_install():
    code = "import sys; sys.modules['numba.cuda'] = None; import numoptim.cuda; numoptim.cuda.kernel('adam')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "ImportError: there is no numba.cuda here: pip install 'numoptim[cuda-jit]'\n" in done.stderr
