"""Two studies side by side, paired by the seeds that both have."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.errors import AnalysisError
from analysis.findings.comparison import compare
from analysis.report import __main__ as report
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import plant, planted

WOBBLE = (0, 3, 1, 4, 2, 6, 5, 7)


def design(n_seeds: int, **changes: object) -> Design:
    options: dict = {"batch_sizes": (32, 64), "lrs": (0.01, 0.1), "epochs": 3} | changes
    return Design("digits", seeds=tuple(range(n_seeds)), **options)


def gaining(images: int):  # type: ignore[no-untyped-def]
    def score(run: Run, epoch: int) -> float:
        return (200 + (images + (WOBBLE[run.seed] * images) % 7 if run.arm == "bn" else 0)) / 360

    return score


def test_a_study_differs_from_itself_by_nothing(tmp_path: Path) -> None:
    study = planted(tmp_path / "s", design(6), gaining(10))
    found = compare(study, study, "bn", 0.95)
    assert found.n_common == 6
    assert {(side.difference.estimate, side.test.pvalue) for side in found.sides} == {(0.0, 1.0)}
    assert found.differs == []


def test_the_difference_of_differences_is_paired_by_seed_over_common_cells(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", design(8), gaining(30))
    there = planted(tmp_path / "there", design(6, lrs=(0.1, 0.5), hidden=(16,)), gaining(10))
    found = compare(here, there, "bn", 0.95)
    assert [side.cell for side in found.sides] == [None, Cell(32, 0.1), Cell(64, 0.1)]
    assert found.differs == ["hidden 32-32 here and 16 there"]
    whole = found.sides[0]
    d = np.array([20 + (WOBBLE[s] * 30) % 7 - (WOBBLE[s] * 10) % 7 for s in range(6)]) / 360
    assert (whole.here.n, whole.there.n, found.n_common) == (8, 6, 6)
    assert whole.difference.estimate == pytest.approx(d.mean())
    assert whole.test.pvalue == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    low, high = stats.t.interval(0.95, 5, d.mean(), stats.sem(d))
    assert (whole.difference.low, whole.difference.high) == pytest.approx((low, high))


def test_studies_without_a_common_cell_or_arm_are_refused(tmp_path: Path) -> None:
    study = planted(tmp_path / "s", design(6), gaining(10))
    far = planted(tmp_path / "far", design(6, batch_sizes=(128,)), gaining(10))
    alone = planted(tmp_path / "alone", design(6, arms=("no_bn",)), gaining(10))
    with pytest.raises(AnalysisError, match="'s' and 'far' have no cell of batch size and rate in common"):
        compare(study, far, "bn", 0.95)
    with pytest.raises(AnalysisError, match="'alone' has no pairs of 'bn' and 'no_bn'"):
        compare(study, alone, "bn", 0.95)


def test_the_command_sets_them_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = plant(tmp_path / "here", design(6), gaining(30))
    there = plant(tmp_path / "there", design(7), gaining(10))
    assert report.main([str(here), "--compare", str(there)]) == 0
    page = (here / "report.html").read_text()
    assert "Beside another study" in page
    assert "this study" in (here / "figures" / "compared-bn.svg").read_text()
    assert (here / "tables" / "compared-bn.csv").exists()
    assert report.main([str(here)]) == 0
    assert "Beside another study" not in (here / "report.html").read_text()
    assert report.main([str(here), "--compare", str(tmp_path / "nowhere")]) == 2
    assert "nowhere holds no study" in capsys.readouterr().err
