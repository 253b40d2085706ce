"""Exports that several tests read; each is made once a process."""

import pytest

from tests.analysis.report.exported import Exported, Make, made


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The export of a study by its name; read it, never write to it."""
    known: dict[str, Exported] = {}

    def of(name: str) -> Exported:
        if name not in known:
            known[name] = made(name, tmp_path_factory.mktemp("studies") / "s")
        return known[name]

    return of
