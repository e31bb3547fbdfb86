import pytest
from library import LIB


@pytest.fixture
def level(request):
    """The test runs on this instruction set, what follows on the one before."""
    before = LIB.numoptim_isa()
    if LIB.numoptim_set_isa(request.param) != 0:
        pytest.skip(f"this processor has not got instruction set {request.param}")
    yield request.param
    assert LIB.numoptim_set_isa(before) == 0
