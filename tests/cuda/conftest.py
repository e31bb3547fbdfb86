"""Fixtures: ``driver``, a fake one with one module; ``cuda``, its functions, in a context; ``gpu``, this process's."""
import ctypes

import pytest
from cuda_calls import PTX, Cuda
from fake_driver import FakeDriver
from tools import runs

from numoptim.cuda import launch, ptx


@pytest.fixture(autouse=True, scope="session")
def compiler():
    """The fake driver and translated PTX are C."""
    if not runs("gcc"):
        pytest.skip("does not run here: gcc")


@pytest.fixture
def driver(tmp_path):
    driver = FakeDriver(tmp_path / "driver")
    driver.register(PTX)
    with driver.configured():
        yield driver


@pytest.fixture
def cuda(driver):
    """A library with a current context."""
    cuda = Cuda(driver.library)
    cuda.start()
    return cuda


@pytest.fixture(scope="session")
def named_driver(tmp_path_factory):
    """A fake driver that whoever looks for libcuda.so.1 in this process finds, for the rest of its life."""
    driver = FakeDriver(tmp_path_factory.mktemp("named"), named=True)
    ctypes.CDLL(str(driver.library))
    return driver


@pytest.fixture
def gpu(named_driver, monkeypatch):
    """The driver of this process, with two devices; kernels that numoptim loads are made known to it. Nothing that it
    calls a problem may be left in its log by a test."""
    image = launch.image

    def registered(rule, dtype, capability):
        named_driver.register(ptx(rule, dtype))
        return image(rule, dtype, capability)

    monkeypatch.setattr(launch, "image", registered)
    with named_driver.configured(devices=2):
        named_driver.clear()
        yield named_driver
        assert named_driver.problems() == []
