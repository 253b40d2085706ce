"""How many runs end above an accuracy: no threshold decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.findings import results
from analysis.findings.accuracy_shares import accuracy_levels, accuracy_shares
from analysis.records.tables import StudyData
from analysis.report.document import Paragraph
from analysis.report.sections.robustness import robustness
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(10)), epochs=3)


def score(run: Run, epoch: int) -> float | None:
    """Without batch norm, at batch size 32 and rate 0.1, one seed diverges, two stay at chance, three end at half."""
    if run.arm == "no_bn" and run.cell == Cell(32, 0.1) and run.seed < 6:
        return (None if epoch else 0.1) if run.seed == 0 else 36 / 360 if run.seed < 3 else 180 / 360
    return (330 + run.seed + 10 * (run.arm == "bn")) / 360


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    return planted(tmp_path_factory.mktemp("results") / "s", DESIGN, score)


def test_all_runs_count_and_a_diverged_one_ends_at_chance(study: StudyData) -> None:
    with_bn, without = accuracy_shares(study, accuracy_levels(study), 0.95)
    assert (with_bn.n_runs, without.n_runs) == (40, 40)
    assert without.accuracies[:7] == pytest.approx([0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 330 / 360])
    assert [one.n_reaching for one in with_bn.reaching][:2] == [40, 40]
    assert [one.n_reaching for one in without.reaching][:2] == [37, 34]


def test_the_share_at_the_learning_threshold_is_that_of_the_runs_that_did_not_fail(study: StudyData) -> None:
    outcomes = study.outcomes
    for of in accuracy_shares(study, accuracy_levels(study), 0.95):
        learned = ~outcomes.failed[outcomes.arm == of.arm]
        assert of.reaching[0].n_reaching == learned.sum()
        assert of.reaching[0].share.estimate == pytest.approx(learned.mean())
    assert study.learning_threshold == pytest.approx(0.2)


def test_the_other_levels_follow_the_best_mean_of_the_study(study: StudyData) -> None:
    best = np.mean([340 + seed for seed in range(10)]) / 360
    assert [level.accuracy for level in accuracy_levels(study)[1:]] == pytest.approx([0.9 * best, 0.99 * best])


def test_where_nothing_learns_a_share_of_the_best_is_no_level(tmp_path: Path) -> None:
    failed = planted(tmp_path / "s", DESIGN, lambda run, epoch: 40 / 360)
    assert [level.what for level in accuracy_levels(failed)] == ["learns"]
    (usable,) = results.analyse(failed, 0.05, 0.002).of_arms["bn"].usable_rates
    assert usable.found.n_none == usable.found.n_runs * 2


def sentences(path: Path, worst: tuple[int, int]) -> str:
    """What the page says of usable rates where the baseline's runs at rate 0.01 and at rate 0.1 end at ``worst``."""

    def failing(run: Run, epoch: int) -> float:
        bad = worst[run.cell.lr == 0.1] if run.arm == "no_bn" else 340
        return (bad + run.seed % 3) / 360

    study = planted(path, replace(DESIGN, seeds=tuple(range(6))), failing)
    section = robustness.section(study, results.analyse(study, 0.05, 0.002))
    return " ".join(block.text for block in (*section.blocks, *section.details) if isinstance(block, Paragraph))


def test_the_page_says_how_many_times_as_high_and_where_that_cannot_be_known(tmp_path: Path) -> None:
    higher = sentences(tmp_path / "higher", (340, 36))
    assert "tolerates learning rates 10 times as high" in higher
    assert "We tried none above 0.1." in higher
    everywhere = sentences(tmp_path / "everywhere", (340, 340))
    assert "A run learns if it ends at 20.0 % or more. Such runs reach the highest learning rate" in everywhere
    assert "times as high" not in everywhere
    nowhere = sentences(tmp_path / "nowhere", (36, 36))
    assert "12 without BN and 0 with BN have no such run at any learning rate that we tried" in nowhere
    assert "times as high" not in nowhere


def test_one_rate_has_no_largest(tmp_path: Path) -> None:
    one = Design("digits", batch_sizes=(32, 64), lrs=(0.1,), seeds=tuple(range(6)), epochs=1)
    assert results.analyse(planted(tmp_path / "s", one, score), 0.05, 0.002).of_arms["bn"].usable_rates == []
