"""A fake driver for the tests of this folder: ``driver``, with one module; ``cuda``, its functions, in a context."""
import pytest
from cuda_calls import PTX, Cuda
from fake_driver import FakeDriver


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
