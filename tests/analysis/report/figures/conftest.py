import pytest

from analysis.findings.results import Results, analyse
from tests.analysis.planted import planted
from tests.analysis.report.figures import study


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All that there is to draw of the small study."""
    path = tmp_path_factory.mktemp("results") / "s"
    return analyse(planted(path, study.DESIGN, study.accuracy), study.ALPHA, study.MARGIN)
