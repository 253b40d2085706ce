"""The parts of the answer: what each is made of, and that none waits for another."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings.answer import Answer, LevelShare, answers
from analysis.findings.contrasts import compute_contrasts
from analysis.findings.results import analyse
from analysis.records.frames import from_frame
from analysis.records.tables import load
from analysis.stats.intervals import proportion
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_hill, plant_tuned, planted, points

DESIGN = Design("digits", batch_sizes=(32,), lrs=(0.001, 0.01, 0.1), seeds=tuple(range(10)), epochs=1)
JITTER = np.random.default_rng(2).integers(-2, 3, (10, 3))
NOISY = np.random.default_rng(4).normal(0, 0.01, (8, 2))


def images(run: Run) -> int:
    """Batch norm gains 2 images at rate 0.001, 9 at 0.01 and much at 0.1, where three runs without it do not learn."""
    column = DESIGN.lrs.index(run.cell.lr)
    if run.arm == "no_bn":
        fails = column == 2 and run.seed in (1, 4, 7)
        return 36 if fails else (340, 330, 240)[column]
    return (342, 339, 340)[column] + int(JITTER[run.seed, column])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    study = planted(tmp_path_factory.mktemp("results") / "s", DESIGN, lambda run, epoch: images(run) / 360)
    return analyse(study, 0.05, 0.002).answers["bn"]


def test_each_arm_is_at_its_best_in_cells_that_other_seeds_chose(found: Answer) -> None:
    best = found.best
    assert best
    assert best.cells == {"no_bn": Cell(32, 0.001), "bn": Cell(32, 0.001)}
    assert (best.source, best.n, best.unit) == ("cross-fitted", 10, "seeds")
    assert best.mean_arm - best.mean_baseline == pytest.approx(best.difference.estimate)
    assert best.mean_baseline == pytest.approx(340 / 360)


def test_the_tutorials_setting_is_its_cells_member_of_the_family(found: Answer) -> None:
    setting = found.setting
    assert setting
    assert set(setting.cells.values()) == {Cell(32, 0.01)}
    assert setting.difference.method == "sup-t"
    assert setting.difference.estimate == pytest.approx((9 + JITTER[:, 1].mean()) / 360)
    assert (setting.verdict, setting.qualified) == ("better", True)


def test_where_an_arm_does_not_learn_the_runs_are_counted_with_limits(found: Answer) -> None:
    (only,) = found.not_learning
    assert (only.cell, only.n, only.n_baseline, only.n_arm) == (Cell(32, 0.1), 10, 7, 10)
    assert only.of_baseline == proportion(7, 10)
    assert only.of_arm.high == 1.0
    assert only.of_arm.low == pytest.approx(0.025 ** (1 / 10))


def test_the_mean_comes_with_what_it_is_made_of(found: Answer) -> None:
    assert found.mean
    by_level = {share.level: share.share for share in found.shares if share.factor == "lr"}
    assert sum(by_level.values()) == pytest.approx(1)
    # 100 images a sound seed and 304 a failed one, at rate 0.1
    total = 10 * (2 + 9) + 7 * 100 + 3 * 304 + JITTER.sum()
    assert by_level[0.1] == pytest.approx((7 * 100 + 3 * 304 + JITTER[:, 2].sum()) / total)
    assert LevelShare("batch_size", 32, pytest.approx(1.0)) in found.shares  # type: ignore[arg-type]
    assert found.mean.difference.estimate == pytest.approx(total / 10 / 3 / 360)


def test_the_answer_is_qualified_where_its_first_part_is(found: Answer) -> None:
    assert found.first is found.best
    assert found.qualified == found.first.qualified


def test_tuned_against_tuned_stands_in_the_place_of_the_best_cells(tmp_path: Path) -> None:
    answer = analyse(load(plant_tuned(tmp_path / "t", in_gains, on_a_hill, points(8))), 0.05, 0.002).answers["bn"]
    assert answer.best
    assert answer.best.source == "tuned"
    assert answer.best.difference.estimate == pytest.approx(7 / 360, abs=1e-3)
    assert answer.setting
    assert answer.mean is None  # the design has the one cell of the setting
    assert math.isfinite(answer.setting.difference.low)


def test_a_part_that_decides_does_not_wait_for_the_mean(tmp_path: Path) -> None:
    """Much worse at rate 0.1, so that the mean hurts, while the setting and each arm's best help."""

    def score(run: Run, epoch: int) -> float:
        return (images(run) - 150 * (run.arm == "bn" and run.cell.lr == 0.1)) / 360

    answer = analyse(planted(tmp_path / "s", DESIGN, score), 0.05, 0.002).answers["bn"]
    assert answer.setting
    assert answer.mean
    assert answer.setting.verdict == "better"
    assert answer.mean.verdict in ("worse", "mixed")
    assert answer.cells["worse"] == 1


def test_a_frame_whose_chance_is_known_has_failures_and_tipping_rates() -> None:
    """The opposite: where nothing is known of guessing, a collapse is a score like any other."""
    rows = [
        {"seed": seed, "arm": arm, "lr": lr, "score": 0.1 if (arm, seed, lr) == ("a", 0, 0.1) else score + seed / 1000}
        for seed in range(8)
        for arm, score in (("a", 0.9), ("b", 0.92 + 0.001 * (seed % 3)))
        for lr in (0.1, 0.2)
    ]
    of = {"unit": "seed", "arm": "arm", "baseline": "a", "factors": ["lr"], "outcome": "score"}
    frame = from_frame(pd.DataFrame(rows), **of, chance=0.1, limits=(0.0, 1.0))  # type: ignore[arg-type]
    known = answers(frame, 0.05, 0.002)["b"]
    assert [(cell.n_baseline, cell.n_arm, cell.n) for cell in known.not_learning] == [(7, 8, 8)]
    assert known.mean
    assert known.mean.n_failed_baseline == 1
    assert all(contrast.tipping for contrast in compute_contrasts(frame, 0.05, 0.002)[1:])
    frame = from_frame(pd.DataFrame(rows), **of)  # type: ignore[arg-type]
    assert answers(frame, 0.05, 0.002)["b"].not_learning == []
    assert not any(contrast.tipping for contrast in compute_contrasts(frame, 0.05, 0.002))


def test_the_bounds_at_best_hold_whatever_the_missing_run_would_have_scored() -> None:
    """Where it is missing it may decide between two cells that are close."""
    rows = [
        {"seed": seed, "arm": arm, "lr": lr, "score": 0.9 + NOISY[seed, column] + 0.02 * (arm == "b")}
        for seed in range(8)
        for arm in "ab"
        for column, lr in enumerate((0.1, 0.2))
    ]
    of = {"unit": "seed", "arm": "arm", "baseline": "a", "factors": ["lr"], "outcome": "score", "limits": (0.0, 1.0)}
    lost = next(i for i, row in enumerate(rows) if (row["seed"], row["arm"], row["lr"]) == (3, "b", 0.2))
    frame = pd.DataFrame(rows)
    best = answers(from_frame(frame.drop(lost), **of), 0.05, 0.002)["b"].best  # type: ignore[arg-type]
    assert best
    assert best.bounds
    inside = []
    for score in np.linspace(0, 1, 21):
        frame.loc[lost, "score"] = score
        found = answers(from_frame(frame, **of), 0.05, 0.002)["b"].best  # type: ignore[arg-type]
        assert found
        inside.append(found.difference.estimate)
    assert best.bounds.low <= min(inside) + 1e-12
    assert max(inside) - 1e-12 <= best.bounds.high
    assert best.bounds.high < max(inside) + 0.01
