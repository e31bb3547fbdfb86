"""Fixtures: ``driver`` and ``cuda`` of the emulator, and ``gpu``, the driver of this process."""
import ctypes

import pytest
from ptx.driver import FakeDriver
from ptx.fixtures import compiler as compiler
from ptx.fixtures import cuda as cuda
from ptx.fixtures import driver as driver

from numoptim.cuda import launch, ptx


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
