"""Unequal classes: chance, the learning threshold, and balanced accuracy. The oracle is scikit-learn on predictions."""

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from analysis.errors import AnalysisError
from analysis.findings.secondary.balanced_accuracy import balanced_accuracies
from analysis.records import labels as label_records
from analysis.records.tables import StudyData, load
from analysis.stats.intervals import t_interval
from study import run
from study.spec.design import Design
from study.spec.factors import Cell
from tests.study.data.tables import save, table

RATES = (0.003, 0.03)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    """A study of a table of two classes, 43 examples in 7 of the one."""
    folder = tmp_path_factory.mktemp("own")
    path = save(folder / "credit risk.npz", table(160, 50))
    options = ["--batch-sizes", "16", "--lrs", *map(str, RATES), "--seeds", "3", "--epochs", "3", "--no-ablation"]
    out = ["--dataset", str(path), "--out", str(folder), "--workers", "1", "--quiet"]
    assert run.main([*options, *out]) == 0
    return load(folder / "credit_risk")


def test_guessing_scores_the_share_of_the_largest_class_and_who_learns_more(study: StudyData) -> None:
    assert study.chance == 43 / 50
    assert study.learning_threshold == pytest.approx(43 / 50 + 7 / 50 / 9)
    assert study.guessing_loss == pytest.approx(math.log(2))
    guessing = replace(study, runs=study.runs, records=study.records.assign(accuracy=43 / 50))
    assert guessing.outcomes.failed.all()
    assert not replace(study, records=study.records.assign(accuracy=0.88)).outcomes.failed.any()


@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist", "kmnist", "digits"])
def test_ten_classes_have_the_chance_and_the_threshold_that_they_had(dataset: str, study: StudyData) -> None:
    ten = replace(study, design=Design(dataset))
    assert (ten.chance, ten.learning_threshold, ten.guessing_loss) == (0.1, (1 + 8 * 0.1) / 9, -math.log(0.1))


def test_balanced_accuracy_is_scikit_learn_s(study: StudyData) -> None:
    """Of the predictions that the kept bits say: of two classes, the other one where the answer is wrong."""
    truth = label_records.test_labels(study)
    assert truth is not None
    found = balanced_accuracies(study, 0.95)
    assert [one.cell for one in found] == [None, Cell(16, RATES[0]), Cell(16, RATES[1])]
    sides = {}
    for cell, arm in product(found[1:], ("no_bn", "bn")):
        correct = study.correctness(arm, cell.cell)
        predicted = np.where(correct == 1, truth, 1 - truth)
        sides[cell.cell, arm] = np.array([balanced_accuracy_score(truth, of_seed) for of_seed in predicted])
    for one in found[1:]:
        of_baseline, of_arm = sides[one.cell, "no_bn"], sides[one.cell, "bn"]
        assert (one.of_baseline, one.of_arm, one.n) == (
            pytest.approx(of_baseline.mean()), pytest.approx(of_arm.mean()), 3
        )  # fmt: skip
        assert one.difference.low == pytest.approx(t_interval(of_arm - of_baseline).low)
    assert found[0].of_arm == pytest.approx(np.mean([one.of_arm for one in found[1:]]))


def test_a_diverged_run_guesses(study: StudyData) -> None:
    runs = study.runs.copy()
    runs.loc[(runs.arm == "bn") & (runs.seed == 1), "test_correct"] = None
    one = next(found for found in balanced_accuracies(replace(study, runs=runs), 0.95) if found.cell == Cell(16, 0.03))
    before = next(found for found in balanced_accuracies(study, 0.95) if found.cell == Cell(16, 0.03))
    correct, truth = study.correctness("bn", Cell(16, 0.03)), label_records.test_labels(study)
    lost = balanced_accuracy_score(truth, np.where(correct[1] == 1, truth, 1 - truth))
    assert one.of_arm == pytest.approx(before.of_arm + (0.5 - lost) / 3)


def test_equal_classes_and_studies_without_labels_have_none(study: StudyData, small_study: Path) -> None:
    assert balanced_accuracies(load(small_study), 0.95) == []
    (path := study.path / "labels.parquet").rename(study.path / "kept")
    try:
        assert balanced_accuracies(study, 0.95) == []
    finally:
        (study.path / "kept").rename(path)


def test_labels_of_other_data_are_refused(study: StudyData) -> None:
    data = study.design.own_data
    assert data is not None
    other = replace(study, design=replace(study.design, own_data=replace(data, counts=(8, 42))))
    with pytest.raises(AnalysisError, match=r"labels.parquet does not hold the labels of credit risk; repeat"):
        balanced_accuracies(other, 0.95)
