"""Is a gain there on training images already? Planted in training, in the gap, in both, in none."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis.findings.curves import arm_curves
from analysis.findings.secondary.generalisation import DESCRIPTION, NO_CHANGE, UNDIVIDED, Generalisation, generalisation
from analysis.records.tables import StudyData
from analysis.report.sections.learning import generalisation as section
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=tuple(range(8)), epochs=4)
CELL = Cell(32, 0.01)
WOBBLE = np.array([0, 2, -1, 1, -2, 2, -1, -1]) / 1000
"""Of a seed, of mean zero, so that differences have a spread."""


def study_with(path: Path, on_training: Callable[[Run], float], on_test: Callable[[Run], float]) -> StudyData:
    """A study of these accuracies in every epoch, whose losses are twice the error rates."""
    study = planted(path, DESIGN, lambda run, epoch: on_test(run))
    records, of_split = study.records.copy(), {"train": on_training, "test": on_test}
    columns = (records[name] for name in ("batch_size", "lr", "seed", "arm", "split"))
    accuracy = [
        of_split[split](Run(Cell(size, lr), seed=seed, arm=arm))
        for size, lr, seed, arm, split in zip(*columns, strict=True)
    ]
    return replace(study, records=records.assign(accuracy=accuracy, loss=2 * (1 - np.array(accuracy))))


def found(path: Path, training_gain: float, gap_gain: float, noise: float = 1.0) -> Generalisation:
    """Of an arm that gains so much on training images, and so much more on test images."""

    def gain(run: Run, of_gap: bool) -> float:
        wobble = noise * (WOBBLE[run.seed] + of_gap * WOBBLE[(run.seed + 3) % 8])
        return (training_gain + of_gap * gap_gain + wobble) if run.arm == "bn" else 0

    study = study_with(path, lambda run: 0.9 + gain(run, False), lambda run: 0.85 + gain(run, True))
    (one,) = generalisation(study, arm_curves(study, 0.95), 0.95)
    assert one.cell == CELL
    return one


@pytest.mark.parametrize(
    ("training_gain", "gap_gain", "verdict"),
    [
        (0.03, 0.0, "optimisation"),
        (0.03, 0.02, "optimisation and generalisation"),
        (0.03, -0.01, "optimisation, against generalisation"),
        (0.0, 0.02, "generalisation"),
        (-0.01, 0.03, "generalisation, against optimisation"),
        (-0.03, 0.0, "optimisation"),
        (-0.03, 0.01, "optimisation, against generalisation"),
        (0.01, -0.01, NO_CHANGE),
        (0.0, 0.0, NO_CHANGE),
    ],
)
def test_the_gain_is_found_where_it_was_planted(
    training_gain: float, gap_gain: float, verdict: str, tmp_path: Path
) -> None:
    one = found(tmp_path / "s", training_gain, gap_gain)
    gains = (one.test_gain.estimate, one.training_gain.estimate, one.gap_gain.estimate)
    assert gains == pytest.approx((training_gain + gap_gain, training_gain, gap_gain))
    assert one.verdict == verdict
    assert verdict in section.VERDICTS


def test_a_gain_of_which_neither_part_is_told_from_zero_is_not_divided(tmp_path: Path) -> None:
    """What a seed loses in training its gap gives back: the sum is sure, the parts are not."""
    swing = np.array([40, -39, 38, -41, 42, -40, 39, -39]) / 1000

    def gain(run: Run, of_gap: bool) -> float:
        return 0.004 + (WOBBLE[run.seed] if of_gap else swing[run.seed]) if run.arm == "bn" else 0

    study = study_with(tmp_path / "s", lambda run: 0.9 + gain(run, False), lambda run: 0.85 + gain(run, True))
    (one,) = generalisation(study, arm_curves(study, 0.95), 0.95)
    assert one.test_gain.low > 0
    assert one.training_gain.low < 0 < one.training_gain.high
    assert one.gap_gain.low < 0 < one.gap_gain.high
    assert one.verdict == UNDIVIDED


def test_intervals_are_paired_over_the_seeds(tmp_path: Path) -> None:
    one = found(tmp_path / "s", 0.03, 0.02)
    d = 0.02 + np.roll(WOBBLE, -3)
    low, high = stats.t.interval(0.95, 7, d.mean(), stats.sem(d))
    assert (one.gap_gain.low, one.gap_gain.high) == pytest.approx((low, high))
    measures = {(measure.metric, measure.images): measure for measure in one.measures}
    assert len(measures) == 6
    assert measures["loss", "test"].difference.estimate == pytest.approx(-2 * 0.05)
    assert measures["loss", "gap"].difference.estimate == pytest.approx(-2 * 0.02)
    assert measures["error rate", "train"].of_baseline.estimate == pytest.approx(0.1)
    assert measures["error rate", "test"].of_arm.estimate == pytest.approx(0.1)
    assert measures["error rate", "gap"].of_arm.estimate == pytest.approx(0.1 - 0.07)


def test_without_a_spread_or_with_few_seeds_there_is_no_verdict(tmp_path: Path) -> None:
    assert found(tmp_path / "flat", 0.03, 0.02, noise=0).verdict == DESCRIPTION
    few = planted(tmp_path / "few", replace(DESIGN, seeds=(0, 1, 2, 3, 4)), lambda run, _: 0.8 + 0.02 * run.seed)
    (one,) = generalisation(few, arm_curves(few, 0.95), 0.95)
    assert (one.n, one.verdict) == (5, DESCRIPTION)


def test_the_last_three_epochs_count_and_a_diverged_run_guesses_throughout(tmp_path: Path) -> None:
    def accuracy(run: Run, epoch: int) -> float | None:
        if run.arm == "no_bn" and run.seed == 2 and epoch == 4:
            return None
        return 0.1 if epoch < 2 else (300 + epoch) / 360

    study = planted(tmp_path / "s", DESIGN, accuracy, lost={Run(32, 0.01, seed=5, arm="bn")})
    (one,) = generalisation(study, arm_curves(study, 0.95), 0.95)
    assert (one.n, one.n_diverged_baseline, one.n_diverged_arm) == (7, 1, 0)
    measures = {(measure.metric, measure.images): measure for measure in one.measures}
    learned = 1 - 303 / 360
    assert measures["error rate", "test"].of_arm.estimate == pytest.approx(learned)
    assert measures["error rate", "test"].of_baseline.estimate == pytest.approx((6 * learned + 0.9) / 7)
    assert measures["loss", "test"].of_baseline.estimate == pytest.approx((6 * learned + math.log(10)) / 7)
    assert "Diverged, and counted as guessing: 0 of 7 runs with BN and 1 of 7 runs without BN." in _words(one)


def test_an_arm_without_a_pair_in_the_setting_has_nothing_to_say(tmp_path: Path) -> None:
    lost = {Run(32, 0.01, seed=seed, arm="bn") for seed in DESIGN.seeds}
    study = planted(tmp_path / "s", DESIGN, lambda run, _: 0.8, lost=lost)
    assert generalisation(study, arm_curves(study, 0.95), 0.95) == []


def test_the_words_say_no_more_than_the_verdict(tmp_path: Path) -> None:
    words = _words(found(tmp_path / "s", 0.03, 0.0))
    assert "+3.00 [+2.87, +3.13] on training images already (optimisation)" in words
    assert "a matter of optimisation: no change of the gap in accuracy is told apart from zero" in words
    assert "matter of" not in _words(found(tmp_path / "none", 0.0, 0.0))


def _words(one: Generalisation) -> str:
    return section.evidence(one)[0].text  # type: ignore[union-attr]
