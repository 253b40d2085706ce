"""Lines by layer and step, answers of the cats, accuracy by depth, images left out: what was planted comes out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.findings.claims.cats import answers, pictures
from analysis.findings.claims.curves import Line, lines
from analysis.findings.claims.depth import affine_panels, depth_panels
from analysis.findings.claims.left_out import left_out
from analysis.findings.claims.measured import measured
from analysis.records.claims import ClaimsData
from analysis.records.tables import StudyData
from analysis.stats.intervals import simultaneous
from study.spec.claims.experiments import QUICK
from study.spec.datasets import DATASETS
from study.spec.design import Design
from tests.analysis.claims_study import in_memory
from tests.analysis.planted import planted
from tests.analysis.report.claims import planted_ledger


def of_layers(values: np.ndarray, arm: str = "bn") -> pd.DataFrame:
    """Measurements of ``values`` (seeds, layers, steps)."""
    rows = [
        {"experiment": "drift-relu", "measure": "drift", "condition": "", "arm": arm, "mode": "", "seed": seed,
         "layer": layer + 1, "step": step, "value": value, "n": None}
        for (seed, layer, step), value in np.ndenumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def of_arm(lines: Sequence[Line], arm: str) -> Line | None:
    return next((line for line in lines if line.arm == arm), None)


def test_a_line_by_layer_averages_the_steps_of_a_seed_first_and_its_band_is_that_of_the_seeds() -> None:
    values = np.random.default_rng(0).random((8, 4, 5))
    (line,) = lines(of_layers(values), "drift-relu", "drift", "layer", 0.95)
    expected = simultaneous(values.mean(2), 0.95)
    assert line.at == [1, 2, 3, 4]
    assert np.allclose(line.mean, values.mean((0, 2)))
    assert np.allclose(line.low, [point.low for point in expected])
    assert np.allclose(line.high, [point.high for point in expected])
    assert line.n == 8


def test_a_line_by_step_averages_the_layers_and_needs_none() -> None:
    values = np.random.default_rng(0).random((8, 4, 5))
    (line,) = lines(of_layers(values), "drift-relu", "drift", "step", 0.95)
    assert np.allclose(line.mean, values.mean((0, 1)))
    (loss,) = lines(of_layers(values[:, :1]).assign(layer=None), "drift-relu", "drift", "step", 0.95)
    assert np.allclose(loss.mean, values[:, 0].mean(0))


def test_a_seed_without_a_value_is_left_out_of_the_whole_line() -> None:
    values = np.random.default_rng(0).random((8, 4, 5))
    values[3, 2] = np.nan
    (line,) = lines(of_layers(values), "drift-relu", "drift", "layer", 0.95)
    assert line.n == 7
    assert np.allclose(line.mean, np.delete(values, 3, 0).mean((0, 2)))
    values[5, 1, 0] = np.nan  # a layer without live units at one step has no mean over the steps
    (line,) = lines(of_layers(values), "drift-relu", "drift", "layer", 0.95)
    assert line.n == 6


def test_each_arm_has_its_own_line_and_arms_exchanged_exchange_theirs() -> None:
    plain, turned = (
        lines(planted_ledger.measurements(exchange), "drift-relu", "drift", "layer", 0.95)
        for exchange in (None, planted_ledger.EXCHANGED)
    )
    assert {line.arm for line in plain} == {"no_bn", "bn", "noisy"}
    mine, theirs = of_arm(plain, "bn"), of_arm(turned, "no_bn")
    assert mine
    assert theirs
    assert mine.mean == theirs.mean
    assert of_arm(plain, "layer") is None


def test_what_was_not_measured_has_no_line() -> None:
    assert lines(planted_ledger.measurements().iloc[:0], "drift-relu", "drift", "layer", 0.95) == []


def test_the_answers_are_those_of_an_arm_a_mode_and_a_background() -> None:
    table = planted_ledger.measurements()
    found = answers(table, "cats-answers", "as_other", 0.95)
    keys = [(of.arm, of.mode) for of in found]
    assert keys[:4] == [("no_bn", "none"), ("bn", "running"), ("bn", "population"), ("bn", "batch_1000")]
    rows = table[(table.measure == "as_other") & (table.arm == "no_bn") & (table.condition == "absent")]
    own = rows[rows.experiment == "cats-answers"].value
    assert found[0].shares["absent"].estimate == pytest.approx(own.mean())


def test_pictures_are_as_many_dogs_as_cats_of_every_background_there_is() -> None:
    table = planted_ledger.pictures()
    found = pictures(table, 5)
    assert found
    assert list(found.labels) == [0, 1, 8, 9]
    assert {image.shape for images in found.by_condition.values() for image in images} == {(28, 28)}
    half = pictures(table[(table.condition != "swapped") | (table.label < 5)], 5)
    assert half
    assert "swapped" not in half.by_condition
    assert pictures(None, 5) is None


def test_accuracy_by_depth_is_that_of_each_activation_arm_and_first_weights(tmp_path: Path) -> None:
    claims = _claims(planted_ledger.studies(tmp_path))
    panels = {(panel.activation, panel.weights): panel for panel in depth_panels(claims, 0.95)}
    assert list(panels)[:3] == [("relu", "torch"), ("tanh", "torch"), ("sigmoid", "torch")]
    assert {weights for _, weights in panels} == {"torch", "kaiming", "xavier"}
    none = of_arm(panels["tanh", "torch"].lines, "no_bn")
    assert none
    assert none.at == [2, 5, 10]
    assert none.mean[-1] == pytest.approx(0.955 - 0.078 * 8 + 0.0025, abs=1e-4)
    assert [len(panel.lines) for panel in affine_panels(claims, 0.95)] == [4, 4, 4]
    assert depth_panels(_claims(), 0.95) == affine_panels(_claims(), 0.95) == []


def _claims(studies: Mapping[str, StudyData] | None = None) -> ClaimsData:
    return in_memory("c", DATASETS["mnist"], QUICK, planted_ledger.measurements(), studies=studies)


def test_the_images_left_out_change_an_accuracy_by_what_they_are_wrong(tmp_path: Path) -> None:
    design = Design("mnist", batch_sizes=(32,), lrs=(0.01,), seeds=range(2), epochs=1)
    found = left_out(planted(tmp_path / "s", design, lambda run, epoch: 0.95))
    assert found
    assert (found.n_images, found.n_test, found.n_runs) == (16, 10_000, 4)
    assert found.largest == pytest.approx(9_500 / 9_984 - 0.95)  # all wrong ones are the last of the planted images
    whole = Design("mnist", batch_sizes=(16,), lrs=(0.01,), seeds=range(2), epochs=1)
    assert left_out(planted(tmp_path / "t", whole, lambda run, epoch: 0.95)) is None


def test_measurements_in_short_are_means_over_seeds() -> None:
    values = np.random.default_rng(0).random((8, 4, 5))
    (found,) = measured(of_layers(values), 0.95)
    assert found.value.n == 8
    assert found.value.estimate == pytest.approx(values.mean())
    (one,) = measured(of_layers(values[:1, :1, :1]).assign(seed=None), 0.95)
    assert (one.value.n, one.value.estimate) == (1, pytest.approx(values[0, 0, 0]))


def test_gradient_ics_in_short_has_the_geometric_mean_as_its_rows_have() -> None:
    values = np.random.default_rng(0).lognormal(size=(8, 4, 5))
    (found,) = measured(of_layers(values).assign(measure="gradient_l2"), 0.95)
    assert found.value.estimate == pytest.approx(np.exp(np.log(values).mean()))
    assert found.value.low < found.value.estimate < found.value.high


def test_splits_of_the_same_images_have_no_interval() -> None:
    (found,) = measured(of_layers(np.full((5, 1, 1), 0.5)).assign(experiment="two-sample", measure="auc"), 0.95)
    assert (found.value.n, found.value.estimate, np.isnan(found.value.low)) == (5, 0.5, True)
