"""A study beside others: paired by seed in common settings, each arm at its best whatever the grids."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import analysis
from analysis.errors import AnalysisError
from analysis.findings.comparison import Comparison, compared, less
from analysis.findings.results import analyse
from analysis.findings.tuning import tuned
from analysis.records.tables import StudyData, load
from analysis.stats.intervals import Interval
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING, Cell
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_hill, plant_tuned, planted, points

WOBBLE = (0, 3, 1, 4, 2, 6, 5, 7)


def design(n_seeds: int, **changes: object) -> Design:
    options: dict = {"batch_sizes": (32, 64), "lrs": (0.01, 0.1), "epochs": 3} | changes
    return Design("digits", seeds=tuple(range(n_seeds)), **options)


def gaining(images: int):  # type: ignore[no-untyped-def]
    def score(run: Run, epoch: int) -> float:
        return (200 + (images + (WOBBLE[run.seed] * images) % 7 if run.arm == "bn" else 0)) / 360

    return score


def beside(study: StudyData, *others: StudyData) -> list[Comparison]:
    return compared(study, others, tuned(study, 0.05, 0.002), 0.05, 0.002)


def test_the_difference_of_differences_is_paired_by_seed_over_common_cells(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", design(8), gaining(30))
    there = planted(tmp_path / "there", design(6, lrs=(0.1, 0.5), hidden=(16,)), gaining(10))
    (found,) = beside(here, there)
    assert [side.cell for side in found.sides] == [None, Cell(32, 0.1), Cell(64, 0.1)]
    assert (found.study, found.name) == ("here", "there")
    assert found.differs == ["hidden layers 32-32 in here and 16 in there"]
    whole = found.sides[0]
    d = np.array([20 + (WOBBLE[s] * 30) % 7 - (WOBBLE[s] * 10) % 7 for s in range(6)]) / 360
    assert (whole.here.n, whole.there.n, found.n_common) == (8, 6, 6)
    assert whole.difference.estimate == pytest.approx(d.mean())
    assert whole.test.pvalue == pytest.approx(stats.ttest_1samp(d, 0).pvalue)
    low, high = stats.t.interval(0.95, 5, d.mean(), stats.sem(d))
    assert (whole.difference.low, whole.difference.high) == pytest.approx((low, high))
    assert not found.leads_with_best


def test_data_sets_and_epochs_that_differ_are_named_with_their_studies(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", design(2, epochs=2), gaining(30))
    there = planted(tmp_path / "there", Design("mnist", seeds=(0, 1), batch_sizes=(32,), epochs=1), gaining(10))
    (found,) = beside(here, there)
    assert found.differs == [
        "data set scikit-learn's digits in here and MNIST in there",
        "epochs 2 in here and 1 in there",
    ]


def test_grids_without_a_common_cell_are_compared_at_their_best(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", design(7), gaining(30))
    there = planted(tmp_path / "there", design(8, batch_sizes=(128,), lrs=(0.5, 1.0)), gaining(10))
    (found,) = beside(here, there)
    assert found.best is not None
    assert (found.sides, found.n_common, found.leads_with_best) == ([], 0, True)
    for best, study in ((found.best.here, here), (found.best.there, there)):
        part = analyse(study, 0.05, 0.002).answers["bn"].best
        assert part is not None
        assert (best.source, best.cells, best.unit, best.interval) == (
            "cross-fitted",
            part.cells,
            part.unit,
            part.difference,
        )
    ends = found.best.here.interval, found.best.there.interval
    assert found.best.difference.estimate == pytest.approx(ends[0].estimate - ends[1].estimate)
    assert found.best.difference.low == ends[0].low - ends[1].high
    assert found.best.difference.high == ends[0].high - ends[1].low


def test_a_tuned_study_beside_a_grid_leads_with_what_was_tuned(tmp_path: Path) -> None:
    of_tuned = load(plant_tuned(tmp_path / "tuned", in_gains, on_a_hill, points(8)))
    grid = planted(tmp_path / "grid", design(6), gaining(30))
    (found,), (turned,) = beside(of_tuned, grid), beside(grid, of_tuned)
    assert found.best is not None
    assert turned.best is not None
    assert [found.best.here.source, found.best.there.source] == ["tuned", "cross-fitted"]
    assert found.best.here.interval == tuned(of_tuned, 0.05, 0.002)[0].after.interval
    assert [side.cell for side in found.sides] == [None, REFERENCE_SETTING]
    assert found.leads_with_best
    assert turned.leads_with_best
    assert turned.best.difference.estimate == -found.best.difference.estimate
    assert (turned.best.difference.low, turned.best.difference.high) == (
        -found.best.difference.high,
        -found.best.difference.low,
    )


def test_the_one_cell_of_a_study_is_its_best_and_common_to_both_says_all(tmp_path: Path) -> None:
    one = planted(tmp_path / "one", design(6, batch_sizes=(32,), lrs=(0.1,)), gaining(30))
    same = planted(tmp_path / "same", design(7, batch_sizes=(32,), lrs=(0.1,)), gaining(10))
    far = planted(tmp_path / "far", design(6, batch_sizes=(128,)), gaining(10))
    in_both, apart = beside(one, same, far)
    assert in_both.best is None
    assert apart.best is not None
    assert apart.best.here.source == "cell"
    assert apart.best.here.interval == in_both.sides[1].here


def test_several_studies_are_compared_one_by_one(tmp_path: Path) -> None:
    here = planted(tmp_path / "here", design(6), gaining(30))
    others = [planted(tmp_path / name, design(6), gaining(k)) for name, k in (("a", 5), ("b", 10), ("c", 20))]
    every = beside(here, *others)
    assert [found.name for found in every] == ["a", "b", "c"]
    assert every == [found for other in others for found in beside(here, other)]


def test_equal_names_in_two_folders_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    here, there = (planted(tmp_path / at / "s", design(6), gaining(k)) for at, k in (("new", 30), ("old", 10)))
    (found,) = beside(here, there)
    assert (found.study, found.name) == ("new/s", "old/s")


def test_a_study_without_a_common_arm_is_refused(tmp_path: Path) -> None:
    study = planted(tmp_path / "s", design(6), gaining(10))
    alone = planted(tmp_path / "alone", design(6, arms=("no_bn",)), gaining(10))
    with pytest.raises(
        AnalysisError, match=r"compare 'alone': no arm stands against 'no_bn' in both studies \(bn in 's' "
    ):
        beside(study, alone)


def test_a_study_with_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    study = planted(tmp_path / "s", design(2), gaining(10))
    lost = {Run(128, 0.01, seed=seed, arm="bn") for seed in (0, 1)}
    far = planted(tmp_path / "far", design(2, batch_sizes=(128,)), gaining(10), lost=lost)
    with pytest.raises(AnalysisError, match="compare 'far': it has no setting in common with 's', and one of both"):
        beside(study, far)


def test_a_study_with_itself_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = planted(tmp_path / "s", design(2), gaining(10))
    monkeypatch.setattr("analysis.findings.results.compute_contrasts", lambda *of: pytest.fail("it was computed"))
    with pytest.raises(AnalysisError, match="a study is not compared with itself"):
        analysis.analyse(study, other=load(study.path))


def test_one_other_study_or_several_are_accepted(tmp_path: Path) -> None:
    small = design(2, batch_sizes=(32,), lrs=(0.01,), epochs=1)
    here, *others = (planted(tmp_path / name, small, gaining(k)) for name, k in (("h", 30), ("a", 5), ("b", 10)))
    assert [found.name for found in analysis.analyse(here, other=others[0]).comparisons] == ["a"]
    page = analysis.write_report(here.path, compare=[other.path for other in others])
    written = json.loads((page.parent / "report.json").read_text("utf-8"))
    assert [(found["study"], found["name"]) for found in written["comparisons"]] == [("h", "a"), ("h", "b")]


@pytest.mark.parametrize("correlation", [-1.0, -0.5, 0.0, 0.5])
def test_the_interval_of_a_difference_covers_whatever_the_studies_share(correlation: float) -> None:
    """20,000 pairs of normal estimates with known errors: 95 % exactly where they move against one another."""
    rng, z = np.random.default_rng(0), stats.norm.isf(0.025)
    errors = rng.standard_normal((20_000, 2))
    errors[:, 1] = correlation * errors[:, 0] + math.sqrt(1 - correlation**2) * errors[:, 1]
    sides = [Interval("z", 9, e, e - z, e + z, 0.95) for e in errors.T]  # type: ignore[arg-type]
    found = less(*sides)
    covered = (np.array(found.low) <= 0) & (np.array(found.high) >= 0)
    expected = 1 - 2 * stats.norm.sf(2 * z / math.sqrt(2 - 2 * correlation))
    assert np.mean(covered) == pytest.approx(expected, abs=0.006)
    assert expected >= 0.95 - 1e-9
