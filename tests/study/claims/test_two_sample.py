"""Classifiers that tell two sets of images apart; the oracles are all pairs, planted shifts and planted nulls."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kstest, mannwhitneyu

from study.claims.measuring import Context
from study.claims.probes import two_sample
from study.claims.probes.two_sample import delong, permutation_p, tell_apart
from study.data.dataset import Dataset, Split, load
from study.spec.claims.experiments import PROBES, QUICK
from study.spec.datasets import DATASETS
from tests.study.claims.sub_studies import DIGITS, context


def scores(shift: float, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, n).round(1)  # with ties


def test_the_auc_and_its_error_are_those_of_all_pairs() -> None:
    """DeLong et al. 1988, equations 1 and 6, as they are written."""
    positive, negative = scores(0.5, 30), scores(0, 40, 1)
    psi = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    auc, se = delong(positive, negative)
    assert auc == pytest.approx(psi.mean())
    assert auc == pytest.approx(mannwhitneyu(positive, negative).statistic / 1200)
    assert se**2 == pytest.approx(psi.mean(1).var(ddof=1) / 30 + psi.mean(0).var(ddof=1) / 40)


def test_exchanged_sets_have_the_other_auc() -> None:
    positive, negative = scores(0.5, 30), scores(0, 40, 1)
    (one, se), (other, same) = delong(positive, negative), delong(negative, positive)
    assert one + other == pytest.approx(1)
    assert se == pytest.approx(same)


def test_the_p_of_a_permutation_is_the_share_of_all_choices_up_to_its_error() -> None:
    """The positive scores have the ranks 2.5, 6 and 7. Of the 35 choices of three of 1, 2.5, 2.5, 4, 5, 6, 7 five have
    at least their sum: 4 5 7, 4 6 7, 5 6 7, and 2.5 6 7 twice."""
    positive, negative = np.array([1.0, 4, 5]), np.array([0.0, 1, 2, 3])
    assert permutation_p(positive, negative, np.random.default_rng(0)) == pytest.approx(5 / 35, abs=0.02)


def test_p_is_never_zero_and_one_where_all_scores_are_equal() -> None:
    rng = np.random.default_rng(0)
    assert permutation_p(np.arange(30.0) + 30, np.arange(30.0), rng) == 1 / (1 + two_sample.PERMUTATIONS)
    assert permutation_p(np.zeros(5), np.zeros(7), rng) == 1
    assert permutation_p(np.arange(30.0), np.arange(30.0) + 30, rng) == 1


def noise(n: int, seed: int) -> torch.Tensor:
    return torch.rand(n, 20, generator=torch.Generator().manual_seed(seed))


def test_one_pixel_that_was_changed_is_seen() -> None:
    """Planted: the same images in both sets."""
    images = noise(400, 0)
    changed = images.clone()
    changed[:, 7] += 1.5
    told = tell_apart(images, changed, 0, "planted")
    assert (told.auc, told.p, told.n) == (1, 1 / (1 + two_sample.PERMUTATIONS), 400)


def test_sets_of_one_distribution_are_not_told_apart() -> None:
    told = [tell_apart(noise(200, seed), noise(200, 100 + seed), seed, "null") for seed in range(3)]
    assert min(one.p for one in told) > 0.01
    assert all(abs(one.auc - 0.5) < 3 * one.se for one in told)


def test_a_split_draws_its_own_and_torch_s_generator_is_left_alone() -> None:
    state = torch.get_rng_state()
    one, again, other = (tell_apart(noise(60, 0), noise(60, 1), split, "a") for split in (0, 0, 1))
    assert one == again != other
    assert one != tell_apart(noise(60, 0), noise(60, 1), 0, "b")
    assert torch.equal(torch.get_rng_state(), state)


# --- the sets


@pytest.fixture
def numbered() -> Context:
    """A data set whose images are the numbers of their rows, negative in the test file."""

    def split(rows: torch.Tensor) -> Split:
        return Split(rows[:, None].float().expand(-1, 64).contiguous(), (rows.abs() % 10).long())

    images = Dataset("digits", split(torch.arange(1, 201)), split(-torch.arange(1, 101)), {})
    return Context(DIGITS, QUICK, images, Path(), PROBES["two-sample"].settings)


def rows_of(condition: str, of: Context, seed: int = 0) -> list[list[int]]:
    stream = torch.Generator().manual_seed(seed)
    sets = two_sample._sets(condition, of, lambda n: torch.randperm(n, generator=stream))
    return [one[:, 0].long().tolist() for one in sets]


def test_the_sets_have_one_size_no_image_in_common_and_come_from_where_they_say(numbered: Context) -> None:
    where = {
        "train-test": (range(1, 201), range(-100, 0)),
        "halves": (range(-50, 0), range(-100, -50)),
        "random-training": (range(1, 201),) * 2,
        "random-test": (range(-100, 0),) * 2,
    }
    for condition, (first, second) in where.items():
        one, other = rows_of(condition, numbered)
        assert len(one) == len({*one}) == len(other) == len({*other}), condition
        assert not {*one} & {*other}
        assert {*one} <= {*first}
        assert {*other} <= {*second}
        assert rows_of(condition, numbered, 1) != [one, other]
        assert one != sorted(one, key=abs)


def test_of_a_corruption_the_second_set_alone_is_corrupted_with_the_labels_of_its_images(digits: Dataset) -> None:
    half = Dataset("digits", digits.train, digits.test, {})
    of = Context(DIGITS, QUICK, half, Path())
    stream = torch.Generator().manual_seed(0)
    order = torch.randperm(360, generator=torch.Generator().manual_seed(0))
    plain, changed = two_sample._sets("background_1", of, lambda n: torch.randperm(n, generator=stream))
    rows, others = order[:180], order[180:]
    assert torch.equal(plain, digits.test.images[rows])
    level = 0.1 * digits.test.labels[others, None] / 9
    torch.testing.assert_close(changed, digits.test.images[others] + level * (1 - digits.test.images[others]))


def test_sets_are_bounded(numbered: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "LARGEST", 30)
    for condition in ("train-test", "halves", "random-training", "random-test"):
        assert [len(one) for one in rows_of(condition, numbered)] == [30, 30]


# --- the probe


def test_units_are_every_pair_and_corruption_with_the_extent_s_splits() -> None:
    units = PROBES["two-sample"].units(DIGITS, QUICK)
    assert len(units) == len({*units}) == (4 + 13) * QUICK.splits
    assert units[0] == "train-test-0"
    assert "gaussian_blur_1-0" in units
    assert len(PROBES["two-sample"].units(replace(DIGITS, image=None), QUICK)) == 4 * QUICK.splits


def test_a_unit_has_three_measures_and_translated_digits_are_told_apart(digits: Dataset) -> None:
    rows = two_sample.measure("translate_1-2", context("two-sample", digits, Path()))
    assert [(row.measure, row.condition, row.seed, row.n) for row in rows] == [
        (name, "translate_1", 2, 180) for name in ("auc", "auc_se", "p")
    ]
    auc, se, p = (row.value for row in rows)
    assert (auc > 0.6, 0 < se < 0.1, p < 0.001) == (True, True, True)
    assert [*rows] == [*two_sample.measure("translate_1-2", context("two-sample", digits, Path()))]


@pytest.mark.slow
def test_under_a_null_p_is_uniform_and_delong_covers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_sample, "PERMUTATIONS", 199)
    told = [tell_apart(noise(100, 2 * seed), noise(100, 2 * seed + 1), seed, "null") for seed in range(400)]
    p = np.array([one.p for one in told])
    jittered = p - np.random.default_rng(0).uniform(0, 1 / 200, len(p))  # p has steps of 1 / 200
    assert kstest(jittered, "uniform").pvalue > 0.001
    covers = np.mean([abs(one.auc - 0.5) < 1.96 * one.se for one in told])
    assert abs(covers - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 400)


@pytest.mark.slow
def test_random_halves_of_digits_look_alike_and_the_halves_of_mnist_s_test_file_do_not(
    digits: Dataset, mnist_dir: Path
) -> None:
    of_digits = context("two-sample", digits, Path())
    null = [two_sample.measure(f"random-training-{split}", of_digits) for split in range(5)]
    assert min(rows[2].value for rows in null) > 0.01
    of_mnist = replace(of_digits, data=DATASETS["mnist"], images=load("mnist", mnist_dir))
    auc, se, p = (row.value for row in two_sample.measure("halves-0", of_mnist))
    assert 0.75 < auc < 0.84
    assert (se < 0.01, p < 0.001) == (True, True)
