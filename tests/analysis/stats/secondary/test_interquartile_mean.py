"""Oracles: the mean of the middle half spelled out on copies, and coverage by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.secondary.interquartile_mean import interquartile_mean

samples = st.integers(0, 2**32 - 1).flatmap(
    lambda seed: st.integers(1, 13).map(lambda n: np.random.default_rng(seed).normal(size=n))
)


@given(samples)
def test_it_is_the_mean_of_the_middle_half_of_four_copies_of_every_seed(d: np.ndarray) -> None:
    """Of 4 n numbers n are cut at either end, whatever n is; scipy cuts whole numbers alone."""
    assert interquartile_mean(d).estimate == pytest.approx(stats.trim_mean(np.repeat(d, 4), 0.25))


def test_a_collapsed_quarter_does_not_move_it_and_a_third_does() -> None:
    sound = np.arange(12.0)
    three, four = sound.copy(), sound.copy()
    three[:3], four[:4] = -1000, -1000
    assert interquartile_mean(three).estimate == interquartile_mean(sound).estimate
    assert interquartile_mean(four).estimate < interquartile_mean(sound).estimate - 100


def test_its_error_is_the_jackknife_s() -> None:
    d = np.random.default_rng(1).normal(size=9)
    left = [stats.trim_mean(np.repeat(np.delete(d, i), 4), 0.25) for i in range(9)]
    error = math.sqrt(8 / 9 * np.sum((np.array(left) - np.mean(left)) ** 2))
    found = interquartile_mean(d, 0.9)
    assert found.high - found.estimate == pytest.approx(stats.t.ppf(0.95, 3.5) * error)


@given(samples)
def test_swapped_arms_mirror_it_and_the_order_of_seeds_does_not_matter(d: np.ndarray) -> None:
    there, back, shuffled = interquartile_mean(d), interquartile_mean(-d), interquartile_mean(d[::-1])
    for one, other in ((there.low, -back.high), (there.estimate, -back.estimate), (there.low, shuffled.low)):
        assert one == pytest.approx(other, nan_ok=True)


def test_few_pairs_or_no_spread_have_a_reason() -> None:
    assert math.isnan(interquartile_mean([]).estimate)
    few = interquartile_mean([1.0, 2.0, 3.0])
    assert (few.estimate, math.isnan(few.low)) == (2.0, True)
    assert few.reason == "3 pairs: the interval of an interquartile mean needs 6"
    flat = interquartile_mean([0.5] * 8)
    assert (flat.low, flat.high, flat.reason) == (0.5, 0.5, "all differences are equal: the spread is zero")


@pytest.mark.parametrize("n", [6, 10, 20])
def test_its_interval_covers(n: int) -> None:
    """Normal differences, of which one in ten collapses."""
    rng, studies = np.random.default_rng(n), 1000
    law = np.where(rng.random(10**6) < 0.1, -50, rng.normal(size=10**6))
    truth = interquartile_mean_of(law)
    drawn = rng.choice(law, (studies, n))
    covered = [found.low <= truth <= found.high for found in map(interquartile_mean, drawn)]
    assert np.mean(covered) > 0.95 - 3.3 * math.sqrt(0.05 * 0.95 / studies)


def interquartile_mean_of(law: np.ndarray) -> float:
    return float(np.sort(law)[len(law) // 4 : -len(law) // 4].mean())


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_no_size_of_the_differences_is_too_small_or_too_large(scale: float) -> None:
    d = np.array([1.0, 4.0, 2.0, 8.0, 5.0, 7.0, 1.5])
    found, sized = interquartile_mean(d), interquartile_mean(scale * d)
    assert sized.low / scale == pytest.approx(found.low)
    assert sized.high / scale == pytest.approx(found.high)
