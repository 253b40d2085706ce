import pytest

from analysis.findings.modes.inference_modes import Modes
from analysis.findings.results import Results, analyse
from tests.analysis.planted import planted
from tests.analysis.report.figures import modes_study, study


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All that there is to draw of the small study."""
    path = tmp_path_factory.mktemp("results") / "s"
    return analyse(planted(path, study.DESIGN, study.accuracy), study.ALPHA, study.MARGIN)


@pytest.fixture(scope="session")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Modes:
    """What the analysis finds of networks that have predicted in many ways."""
    return modes_study.modes_of(tmp_path_factory.mktemp("results") / "modes")
