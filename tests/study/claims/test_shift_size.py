"""How far corruptions shift the first layer; the oracles are an optimal assignment and a plain product in float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from study.claims.measuring import Measured
from study.claims.probes import shift_size
from study.data.dataset import Dataset
from study.inference.corruptions import corrupt
from study.spec.claims.experiments import PROBES, STUDIES
from study.spec.datasets import DATASETS
from study.spec.inference.conditions import SEVERITIES, STRENGTHS, Condition
from study.store.weights import Networks
from tests.study.claims.sub_studies import DIGITS, TWO_SEEDS, context, trained


def values(seed: int, *shape: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def test_the_distance_is_that_of_the_optimal_assignment() -> None:
    one, other = values(0, 1, 1, 12), values(1, 1, 1, 12)
    cost = np.square(one[0, 0, :, None] - other[0, 0])
    least = cost[linear_sum_assignment(cost)].mean()
    assert shift_size.shift(one, other)[0] == pytest.approx(np.sqrt(least) / one.std(), rel=1e-5)


def test_a_move_of_two_standard_deviations_is_two_and_none_is_none() -> None:
    one = values(0, 3, 4, 50)
    assert shift_size.shift(one, one + 2 * one.std(-1, keepdims=True)) == pytest.approx(2, rel=1e-5)
    assert shift_size.shift(one, one).tolist() == [0, 0, 0]


def test_a_unit_that_is_constant_is_left_out() -> None:
    one = values(0, 1, 2, 50)
    one[0, 1] = 0.5
    assert shift_size.shift(one, one + 1)[0] == pytest.approx(1 / one[0, 0].std(), rel=1e-5)


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("studies"), "post")


@pytest.fixture(scope="module")
def noisy(studies: Path, digits: Dataset) -> list[Measured]:
    return [*shift_size.measure("gaussian_noise", context("shift-size", digits, studies))]


def test_units_are_the_corruptions_of_pictures() -> None:
    assert PROBES["shift-size"].units(DIGITS, TWO_SEEDS) == [*STRENGTHS]
    assert PROBES["shift-size"].units(DATASETS["sklearn:wine"], TWO_SEEDS) == []


def test_every_severity_arm_and_seed_has_a_row(noisy: list[Measured]) -> None:
    found = {(row.condition, row.arm, row.seed) for row in noisy}
    expected = {
        (f"gaussian_noise_{severity}", arm, seed)
        for severity in SEVERITIES
        for arm in ("bn", "no_bn")
        for seed in range(2)
    }
    assert found == expected
    assert len(noisy) == len(expected)
    assert {(row.measure, row.layer, row.n) for row in noisy} == {("shift", 1, 360)}


def test_a_row_is_that_of_the_first_layer_s_weights(noisy: list[Measured], studies: Path, digits: Dataset) -> None:
    design = STUDIES["post"].design(DIGITS, TWO_SEEDS)
    networks, test = Networks(studies / "post", design), digits.test
    changed = corrupt(Condition("gaussian_noise", 3), test.images, test.labels)
    for run in design.runs:
        weight = torch.from_numpy(networks.read(run)["linears.0.weight"]).double()
        clean, other = ((images.double() @ weight.T).sort(0).values for images in (test.images, changed))
        expected = ((clean - other).square().mean(0).sqrt() / clean.std(0, unbiased=False)).mean()
        (found,) = (
            row.value for row in noisy
            if (row.condition, row.arm, row.seed) == ("gaussian_noise_3", run.arm, run.seed)
        )  # fmt: skip
        assert found == pytest.approx(float(expected), rel=1e-4)


def test_more_noise_shifts_more_and_the_arms_differ(noisy: list[Measured]) -> None:
    shifts = {(row.arm, row.seed, row.condition): row.value for row in noisy}
    for arm in ("bn", "no_bn"):
        of_arm = [shifts[arm, 0, f"gaussian_noise_{severity}"] for severity in SEVERITIES]
        assert of_arm == sorted(of_arm)
        assert of_arm[0] > 0
    assert shifts["bn", 0, "gaussian_noise_5"] != shifts["no_bn", 0, "gaussian_noise_5"]
