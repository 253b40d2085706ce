import pytest

from study.data import dataset
from study.engine.kernel.images import NONZERO, ROWS, Prepared, prepare
from study.engine.kernel.library import load


@pytest.fixture(scope="module", params=[ROWS, NONZERO])
def form(request: pytest.FixtureRequest, digits: dataset.Dataset) -> Prepared:
    """Digits in either form that the kernel's first layer knows."""
    return prepare(load(), digits, (64, 32, 10), request.param)
