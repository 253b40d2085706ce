"""Accuracy by epoch on held-out and on test images: of one training, which neither of them changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from study.claims.probes import best_epoch
from study.claims.probes.best_epoch import measure, with_held_out
from study.data.dataset import Dataset
from study.data.held_out import hold_out
from study.engine import registry
from study.engine.lockstep.training import train_together
from study.spec.claims.experiments import EXTENTS, PROBES, Extent
from study.spec.cohorts import Cohort
from study.spec.history import History
from tests.study.claims.probes.conftest import DIGITS, TWO_SEEDS, ContextOf

Values = dict[tuple[str, str, int | None, int | None], float]


@pytest.fixture(scope="module")
def values(context_of: ContextOf) -> Values:
    (unit,) = PROBES["best-epoch"].units(DIGITS, TWO_SEEDS)
    rows = measure(unit, context_of("best-epoch"))
    return {(row.measure, row.arm, row.seed, row.step): row.value for row in rows}


def trained(context_of: ContextOf, data: Dataset) -> tuple[Cohort, History]:
    design = best_epoch._design(context_of("best-epoch"), range(2))
    cohort = Cohort(tuple(design.cells), tuple(design.arms), (0, 1))
    name, _ = registry.choose("auto", design, "cpu", tf32=False, of_study=None)
    (history,) = train_together(design, [cohort], data, make=registry.trainer_factory(name))
    return cohort, history


def shares(context_of: ContextOf, data: Dataset) -> dict[tuple[str, int, int], float]:
    """The accuracy on a data set's test images by arm, seed and epoch, from a training of its own."""
    cohort, history = trained(context_of, data)
    right = history.n_correct[..., 1] / len(data.test.labels)
    return {(run.arm, run.seed, e): right[i, e] for i, run in enumerate(cohort.runs) for e in range(1, 11)}


@pytest.mark.parametrize("extent", [*EXTENTS.values(), replace(TWO_SEEDS, best_epoch=23)])
def test_units_have_every_seed_once(extent: Extent) -> None:
    groups = [
        range(int(a), int(b) + 1) for a, b in (unit.split("-") for unit in PROBES["best-epoch"].units(DIGITS, extent))
    ]
    assert [seed for group in groups for seed in group] == [*range(extent.best_epoch)]


def test_each_accuracy_is_that_of_a_training_tested_on_these_images_alone(
    values: Values, context_of: ContextOf, digits: Dataset
) -> None:
    parted = hold_out(digits)
    tested = Dataset(parted.name, parted.train, digits.test, parted.sha256)
    for name, data in (("held_out_accuracy", parted), ("test_accuracy", tested)):
        of_name = {key[1:]: value for key, value in values.items() if key[0] == name}
        assert of_name == pytest.approx(shares(context_of, data), abs=1e-12)


def test_the_bits_of_a_training_do_not_depend_on_the_test_images(context_of: ContextOf, digits: Dataset) -> None:
    (_, one), (_, other) = (trained(context_of, data) for data in (with_held_out(digits), hold_out(digits)))
    pairs = zip(one.weights, other.weights, strict=True)
    assert all(np.array_equal(a[name], b[name], equal_nan=True) for a, b in pairs for name in a)
    assert np.array_equal(one.loss[..., 0], other.loss[..., 0])


def test_a_training_that_saw_the_held_out_images_is_another(
    values: Values, context_of: ContextOf, digits: Dataset
) -> None:
    """Planted: trained on all of them."""
    seen = Dataset(digits.name, digits.train, hold_out(digits).test, digits.sha256)
    accuracy = shares(context_of, seen)
    held_out = {key[1:]: value for key, value in values.items() if key[0] == "held_out_accuracy"}
    assert np.mean([accuracy[key] - held_out[key] for key in accuracy if key[2] == 10]) > 0.01


def test_torchs_engine_is_asked_by_the_same_contract(
    values: Values, context_of: ContextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bits differ, the accuracy hardly: where there is no compiler, the probe measures the same."""
    choose = registry.choose
    monkeypatch.setattr(registry, "choose", lambda _, *arguments, **others: choose("torch", *arguments, **others))
    rows = measure("0-0", context_of("best-epoch"))
    assert len(rows) == 2 * 2 * 10
    assert max(abs(row.value - values[row.measure, row.arm, row.seed, row.step]) for row in rows) < 0.1


def test_a_seed_has_the_same_rows_in_another_group(values: Values, context_of: ContextOf) -> None:
    rows = measure("1-1", context_of("best-epoch"))
    alone = {(row.measure, row.arm, row.seed, row.step): row.value for row in rows}
    assert alone == {key: value for key, value in values.items() if key[2] == 1}


def test_no_held_out_image_trains(digits: Dataset) -> None:
    data, parted = with_held_out(digits), hold_out(digits)
    n = len(parted.test.labels)
    assert torch.equal(data.test.images[:n], parted.test.images)
    assert torch.equal(data.test.images[n:], digits.test.images)
    rows = torch.cat([data.train.images, data.test.images[:n]])
    assert torch.equal(rows.sum(0), digits.train.images.sum(0))
    assert len(rows) == DIGITS.n_train
