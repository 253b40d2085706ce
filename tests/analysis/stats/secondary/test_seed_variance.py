"""Oracles: the covariances of every two images, and simulated networks whose true accuracy is known."""

import math

import numpy as np
import pytest

from analysis.stats.secondary.seed_variance import seed_variance


def test_beyond_the_noise_are_the_covariances_of_every_two_other_images() -> None:
    correct = (np.random.default_rng(0).random((6, 40)) < 0.3 + 0.6 * np.random.default_rng(1).random((6, 1))) * 1.0
    covariances = np.cov(correct.T)
    found = seed_variance(correct)
    assert found.observed == pytest.approx(covariances.mean())
    assert found.binomial == pytest.approx(np.trace(covariances) / 40**2)
    assert found.beyond == pytest.approx((covariances.sum() - np.trace(covariances)) / 40**2)


@pytest.mark.parametrize("sd", [0.0, 0.004, 0.02])
def test_the_planted_spread_of_true_accuracies_is_found_and_that_of_the_test_set_is_not_in_it(sd: float) -> None:
    rng, studies, n, images = np.random.default_rng(3), 300, 10, 2000
    unclipped = []
    for _ in range(studies):
        found = seed_variance(rng.random((n, images)) < rng.normal(0.9, sd, (n, 1)))
        unclipped.append(found.observed - found.binomial)
        assert found.beyond == max(0.0, unclipped[-1])
    error = np.std(unclipped) / math.sqrt(studies)
    assert np.mean(unclipped) == pytest.approx(sd**2, abs=3.3 * error)


def test_below_zero_it_is_zero_and_says_so() -> None:
    """Every network is right on half of the images, each on others: their accuracies are equal."""
    found = seed_variance([[1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 0, 0]])
    assert (found.observed, found.beyond) == (0, 0)
    assert found.binomial > 0
    assert str(found.reason).endswith("estimated below zero: taken as zero")


def test_one_seed_has_no_variance_and_what_is_no_table_is_refused() -> None:
    one = seed_variance([[1, 0]])
    assert (math.isnan(one.observed), one.reason) == (True, "1 seed: no spread")
    with pytest.raises(ValueError, match="a row per seed and a column per image"):
        seed_variance([1, 0])
    with pytest.raises(ValueError, match="finite"):
        seed_variance([[1, math.nan], [1, 0]])
