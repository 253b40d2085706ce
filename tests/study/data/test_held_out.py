"""What tuning scores on: training images that are held out. The oracle of a trial is the plain torch.nn loop."""

from pathlib import Path

import numpy as np
import pytest
import torch

from study.data.dataset import Dataset, Split
from study.data.held_out import hold_out
from study.engine import reference
from study.engine.lockstep import training
from study.spec.datasets import DATASETS
from study.spec.factors import Cell
from study.spec.tuning.trial_design import TrialDesign
from study.tuning.loop import TrialJob, score
from study.tuning.search import Score
from tests.study.values import cohort_of

DESIGN = TrialDesign("digits", batch_sizes=(64,), lrs=(0.01,), seeds=(2**30, 2**30 + 1), epochs=2, hidden=(12, 9))


def rows(images: torch.Tensor) -> list[bytes]:
    """The images, so that each can be found again."""
    return [image.numpy().tobytes() for image in images]


@pytest.mark.parametrize("name", sorted(DATASETS))
def test_a_sixth_of_the_training_images_is_held_out_of_mnist_as_many_as_it_has_to_test(name: str) -> None:
    whole, facts = DATASETS[name], TrialDesign(name, batch_sizes=(2,)).data
    if "mnist" in name:
        assert (facts.n_train, facts.n_test) == (50_000, 10_000)
    assert (facts.n_train + facts.n_test, facts.n_test) == (whole.n_train, whole.n_train // 6)
    assert (facts.n_features, facts.n_classes) == (whole.n_features, whole.n_classes)


def test_the_facts_are_those_of_what_was_held_out(digits: Dataset) -> None:
    held = hold_out(digits)
    assert len(held.train.labels) == DESIGN.data.n_train
    assert len(held.test.labels) == DESIGN.data.n_test
    assert DESIGN.steps_per_epoch(Cell(64, 0.01)) == 1198 // 64


def test_every_training_image_is_in_one_part_with_its_label_and_no_test_image_in_any(digits: Dataset) -> None:
    held = hold_out(digits)
    parts = [
        (row, int(label)) for split in (held.train, held.test)
        for row, label in zip(rows(split.images), split.labels, strict=True)
    ]  # fmt: skip
    whole = zip(rows(digits.train.images), map(int, digits.train.labels), strict=True)
    assert sorted(parts) == sorted(whole)
    assert not set(rows(held.train.images)) & set(rows(held.test.images))
    assert not {row for row, _ in parts} & set(rows(digits.test.images))


def test_another_test_set_changes_nothing(digits: Dataset) -> None:
    blank = Split(torch.zeros_like(digits.test.images), torch.zeros_like(digits.test.labels))
    other = hold_out(Dataset(digits.name, digits.train, blank, digits.sha256))
    for one, two in ((hold_out(digits).train, other.train), (hold_out(digits).test, other.test)):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)


def test_each_class_is_held_out_in_proportion(digits: Dataset) -> None:
    held, whole = (np.bincount(labels) for labels in (hold_out(digits).test.labels, digits.train.labels))
    assert np.abs(held - whole / 6).max() < 1


def test_the_same_images_are_held_out_every_time_whatever_else_was_drawn(digits: Dataset) -> None:
    first = hold_out(digits)
    np.random.seed(1)  # noqa: NPY002  what scikit-learn would fall back to
    torch.manual_seed(1)
    assert torch.equal(hold_out(digits).test.images, first.test.images)
    assert first.test.labels[:12].tolist() == [5, 1, 1, 3, 6, 7, 1, 4, 9, 3, 2, 9]


def test_a_trial_has_the_numbers_of_the_plain_loop_on_what_is_held_out(digits64: Dataset) -> None:
    """In float64, where two loops do not part: counts are equal, losses to 1e-9."""
    held = hold_out(digits64)
    cohort = cohort_of(64, ("bn", "no_bn"), DESIGN.lrs, DESIGN.seeds)
    history = training.train(DESIGN, cohort, held)
    for i, run in enumerate(cohort.runs):
        *_, (network, _) = reference.train(DESIGN, run, held)
        loss, n_correct = reference.evaluate(network, held.test.images, held.test.labels)
        found = score(run, history, i, len(held.test.labels))
        assert found == Score(run.seed, 2, pytest.approx(loss, rel=1e-9), n_correct, 239, None)
        assert 0.2 < found.accuracy < 1


def test_a_trial_that_diverges_says_at_which_epoch_and_has_no_numbers(digits: Dataset) -> None:
    held, cohort = hold_out(digits), cohort_of(64, ("no_bn",), (1e20,), DESIGN.seeds)
    history = training.train(DESIGN, cohort, held)
    found = [score(run, history, i, 239) for i, run in enumerate(cohort.runs)]
    assert found == [Score(seed, 2, None, None, 239, 1) for seed in DESIGN.seeds]
    assert [of_seed.accuracy for of_seed in found] == [0.0, 0.0]


def test_a_cohort_of_trials_is_kept_nowhere(digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    held, cohort = hold_out(digits), cohort_of(64, ("bn", "no_bn"), (0.01,), DESIGN.seeds)
    job = TrialJob(DESIGN, tmp_path, "cpu", "torch-2/cpu/float32", "digits", held.sha256, tmp_path)
    found = job.commit(cohort, training.train(DESIGN, cohort, held), held)
    assert [of_seed.seed for of_seed in found] == [run.seed for run in cohort.runs]
    assert list(tmp_path.iterdir()) == []
