"""The planted ledger's study, read once."""

import pytest

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from tests.analysis.report.claims.planted_ledger import results_of, study_with_claims


@pytest.fixture(scope="session")
def planted_study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    return study_with_claims(tmp_path_factory.mktemp("claims"))


@pytest.fixture(scope="session")
def exchanged_study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    """The same with its arms exchanged."""
    return study_with_claims(tmp_path_factory.mktemp("exchanged"), exchange=True)


@pytest.fixture(scope="session")
def planted_results(planted_study: StudyData) -> Results:
    return results_of(planted_study)
