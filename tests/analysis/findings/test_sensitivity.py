"""What would change the answer: the same records, asked in other ways."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.findings import contrasts
from analysis.findings.sensitivity import Sensitivity, sensitivity
from analysis.records.pairs import pair
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import Accuracy, planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(8)), epochs=4)
WOBBLE = (0, 3, 1, 4, 2, 6, 5, 7)
GAIN = {Cell(32, 0.01): 4, Cell(64, 0.01): 6, Cell(32, 0.1): 8, Cell(64, 0.1): 100}
"""Images of 360."""


def score(run: Run, epoch: int) -> float:
    return (200 + (GAIN[run.cell] + WOBBLE[run.seed] % 3 if run.arm == "bn" else 0)) / 360


def found(path: Path, accuracy: Accuracy) -> Sensitivity:
    study = planted(path, DESIGN, accuracy)
    stated = contrasts.overall(contrasts.compute_contrasts(study, 0.05, 0.002), "bn")
    return sensitivity(pair(study, "bn", "last3"), pair(study, "bn", "final"), stated)


def estimates(of: Sensitivity) -> dict[str, float]:
    return {way.what: 360 * way.interval.estimate for way in of.ways}


def test_each_specification_asks_what_it_says(tmp_path: Path) -> None:
    of = found(tmp_path / "s", score)
    wobble = np.mean([w % 3 for w in WOBBLE])
    says = estimates(of)
    assert says["as stated"] == pytest.approx(np.mean(list(GAIN.values())) + wobble)
    assert says["the median over the cells instead of the mean"] == pytest.approx(7 + wobble)
    assert says["the last epoch instead of the last three"] == pytest.approx(says["as stated"])
    assert [way.verdict for way in of.ways] == ["better"] * len(of.ways)
    assert of.others == []
    assert of.n_without_failures == 4


def test_the_least_difference_is_where_the_t_test_just_rejects(tmp_path: Path) -> None:
    of = found(tmp_path / "s", score)
    d = np.array([w % 3 for w in WOBBLE]) / 360
    moved = d - d.mean() + of.least_difference
    assert stats.ttest_1samp(moved, 0).pvalue == pytest.approx(0.05)


def test_cells_with_a_failure_and_pairs_with_a_divergence_are_left_out_where_it_is_said(tmp_path: Path) -> None:
    def failing(run: Run, epoch: int) -> float | None:
        if run.arm == "no_bn" and run.cell == Cell(64, 0.1) and run.seed < 3:
            return None if epoch else 0.1
        return score(run, epoch)

    of = found(tmp_path / "s", failing)
    says = estimates(of)
    wobble = np.mean([w % 3 for w in WOBBLE])
    assert says["only the 3 cells in which no run failed"] == pytest.approx(6 + wobble)
    of_seeds = [
        np.mean([gain + WOBBLE[seed] % 3 for cell, gain in GAIN.items() if seed >= 3 or cell != Cell(64, 0.1)])
        for seed in DESIGN.seeds
    ]
    assert says["only pairs of which neither diverged"] == pytest.approx(np.mean(of_seeds))
    assert [way.same_quantity for way in of.ways if way.what.startswith("only")] == [False, False]


def test_a_verdict_that_rests_on_one_seed_is_told(tmp_path: Path) -> None:
    """Seven seeds gain, the eighth loses much: the t test rejects only without it, or only with the others."""
    gains = (9, 9, 9, 9, 9, 9, 1, 1)

    def leaning(run: Run, epoch: int) -> float:
        return (200 + (gains[run.seed] if run.arm == "bn" else 5)) / 360

    of = found(tmp_path / "s", leaning)
    left_out = next(way for way in of.ways if way.what.startswith("without the seed"))
    assert (left_out.n, left_out.test.pvalue > of.ways[0].test.pvalue) == (7, True)
    d = np.array(gains) - 5
    assert left_out.test.pvalue == pytest.approx(max(stats.ttest_1samp(np.delete(d, i), 0).pvalue for i in range(8)))


def test_without_pairs_nothing_is_said(tmp_path: Path) -> None:
    lost = {run for run in DESIGN.runs if run.cell.batch_size == 64}
    study = planted(tmp_path / "s", DESIGN, score, lost=lost)
    stated = contrasts.overall(contrasts.compute_contrasts(study, 0.05, 0.002), "bn")
    of = sensitivity(pair(study, "bn", "last3"), pair(study, "bn", "final"), stated)
    assert math.isnan(of.least_difference)
    assert {way.verdict for way in of.ways} == {"not testable"}
