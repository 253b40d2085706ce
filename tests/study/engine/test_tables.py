"""Both engines on tables: dense features of any size and sign, one feature, constant ones. The oracle is the plain
torch.nn loop in float64."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from study.data import own_file
from study.data.dataset import Dataset, load
from study.engine import reference
from study.engine.kernel import training as kernel
from study.engine.kernel.images import NONZERO, ROWS, prepare
from study.engine.kernel.library import load as load_kernel
from study.engine.lockstep import training
from study.spec.design import Design
from study.spec.runs import Run
from tests.study.data.tables import save, table
from tests.study.values import cohort_of

LRS, SEEDS = (0.01,), (0, 1)
FEATURES = (1, 3, 37)


def design_and_data(features: int, folder: Path) -> tuple[Design, Dataset]:
    """A table with a constant feature, where there are several, of which half are whole numbers with many zeros."""
    arrays = table(90, 33, features)
    for name in ("X_train", "X_test"):
        arrays[name][:, 1:2] = -4.0
        arrays[name][:, 2::2] = np.trunc(arrays[name][:, 2::2] / 10)
    data = own_file.describe(save(folder / "x.npz", arrays))
    design = Design(
        "x", batch_sizes=(16,), lrs=LRS, seeds=SEEDS, epochs=3, hidden=(33, 5), own_data=data
    )  # fmt: skip
    return design, load(data, folder)


@pytest.mark.parametrize("features", FEATURES)
def test_torch_s_engine_trains_a_table_as_the_plain_loop_does(features: int, tmp_path: Path) -> None:
    """In float64, where two loops do not part but by Adam, which scales gradients of nearly zero up: counts are equal,
    losses to 1e-7."""
    design, data = design_and_data(features, tmp_path)
    double, cohort = data.to("cpu", torch.float64), cohort_of(16, ("bn", "no_bn"), LRS, SEEDS)
    history = training.train(design, cohort, double)
    for i, run in enumerate(cohort.runs):
        *_, (network, _) = reference.train(design, run, double)
        for split, of in enumerate((double.train, double.test)):
            loss, n_correct = reference.evaluate(network, of.images, of.labels)
            assert history.loss[i, -1, split] == pytest.approx(loss, rel=1e-7)
            assert history.n_correct[i, -1, split] == n_correct


@pytest.mark.parametrize("features", FEATURES)
def test_the_kernel_trains_a_table_as_the_plain_loop_does_in_either_form(
    features: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To what float32 keeps over 15 steps; both forms to the bit."""
    design, data = design_and_data(features, tmp_path)
    design = replace(design, lrs=(1e-3,))
    double, cohort = data.to("cpu", torch.float64), cohort_of(16, ("bn", "no_bn"), (1e-3,), SEEDS)
    found = []
    for form in (ROWS, NONZERO):
        prepared = prepare(load_kernel(), data, design.widths, form)
        monkeypatch.setattr(kernel, "prepared", lambda *_, prepared=prepared: prepared)
        (history,) = training.train_together(design, [cohort], data, make=kernel.Training)
        found.append(history)
    assert (found[0].loss == found[1].loss).all()
    for i, run in enumerate(cohort.runs):
        *_, (network, _) = reference.train(design, run, double)
        loss, _ = reference.evaluate(network, double.test.images, double.test.labels)
        assert found[0].loss[i, -1, 1] == pytest.approx(loss, rel=1e-2)


def test_a_table_of_few_values_has_codes_negative_ones_too(tmp_path: Path) -> None:
    """Both forms are really tried: whole numbers, most of them zero, are taken as entries."""
    chance = np.random.default_rng(0)
    rows = chance.integers(-2, 3, (90, 12)) * chance.integers(0, 2, (90, 12))
    labels = np.arange(90) % 3
    path = save(tmp_path / "x.npz", {}, X_train=rows, y_train=labels, X_test=rows, y_test=labels)
    data = own_file.describe(path)
    assert prepare(load_kernel(), load(data, tmp_path), (12, 32, 3), NONZERO).form == NONZERO


def test_a_single_run_of_a_table_is_fitted_in_memory(tmp_path: Path) -> None:
    import study

    design, _ = design_and_data(3, tmp_path)
    history = study.fit(design, Run(16, 0.01, seed=0, arm="bn"), engine="torch")
    assert history.test_correct.shape == (1, 33)


@pytest.mark.parametrize("n_classes", [255, 256, 300])
def test_more_classes_than_a_byte_holds_are_counted_as_the_plain_loop_counts_them(
    n_classes: int, tmp_path: Path
) -> None:
    labels = np.arange(2 * n_classes) % n_classes
    rows = labels[:, None] % [7, 11, 13] + 0.5
    path = save(tmp_path / "x.npz", {}, X_train=rows, y_train=labels, X_test=rows, y_test=labels)
    design = Design(own_file.describe(path), batch_sizes=(64,), lrs=(0.05,), seeds=(0,), epochs=4)
    data, cohort = load(design.data, tmp_path).to("cpu", torch.float64), cohort_of(64, ("bn",), (0.05,), (0,))
    history = training.train(design, cohort, data)
    *_, (network, _) = reference.train(design, cohort.runs[0], data)
    loss, n_correct = reference.evaluate(network, data.test.images, data.test.labels)
    assert n_correct > 5
    assert history.n_correct[0, -1, 1] == n_correct
    assert history.loss[0, -1, 1] == pytest.approx(loss, rel=1e-7)
