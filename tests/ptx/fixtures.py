"""Fixtures of tests on the emulator: ``driver``, a fake one with one module; ``cuda``, its functions, in a context."""
import pytest

from . import compiles
from .calls import PTX, Cuda
from .driver import FakeDriver


@pytest.fixture(autouse=True, scope="session")
def compiler():
    """The fake driver and translated PTX are C."""
    if not compiles():
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
