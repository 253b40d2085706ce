"""A ledger that is complete, made once, and a copy of it for each test that changes it."""

from pathlib import Path

import pytest

from tests.study.claims.ledgers import copy, make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ledger")
    assert make(out) == 0
    return out


@pytest.fixture
def ledger(whole: Path, tmp_path: Path) -> Path:
    """The folder ``out`` of a complete ledger."""
    return copy(whole, tmp_path)
