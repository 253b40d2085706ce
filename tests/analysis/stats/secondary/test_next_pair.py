"""Oracles: posterior draws of a normal law, and how often the next of many pairs is worse."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.stats.secondary.next_pair import next_pair


def test_the_predictive_probability_is_that_of_draws_from_the_posterior() -> None:
    rng, d, draws = np.random.default_rng(0), np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]), 400_000
    variance = 9 * d.var(ddof=1) / rng.chisquare(9, draws)
    mean = rng.normal(d.mean(), np.sqrt(variance / 10))
    share = (rng.normal(mean, np.sqrt(variance)) < 0).mean()
    assert next_pair(d).p_worse == pytest.approx(share, abs=4 * math.sqrt(share / draws))


def test_what_it_calls_one_in_twenty_happens_once_in_twenty() -> None:
    """Differences moved so that the prediction is 5 %: the next one is below zero as often."""
    rng, studies, n = np.random.default_rng(1), 4000, 8
    drawn = rng.normal(size=(studies, n + 1))
    seen, following = drawn[:, :n], drawn[:, n]
    moved = -seen.mean(1) - seen.std(1, ddof=1) * math.sqrt(1 + 1 / n) * stats.t.ppf(0.05, n - 1)
    assert next_pair(seen[0] + moved[0]).p_worse == pytest.approx(0.05)
    assert np.mean(following + moved < 0) == pytest.approx(0.05, abs=3.3 * math.sqrt(0.05 * 0.95 / studies))


def test_pairs_that_are_worse_are_counted_with_a_limit_and_ties_are_not() -> None:
    found = next_pair([-1.0, 0.0, 1.0, 2.0, 3.0])
    assert found.n_worse == 1
    assert stats.binom.cdf(1, 5, found.limit_worse) == pytest.approx(0.05)
    assert next_pair([-1.0, -2.0]).limit_worse == 1


def test_ten_clean_pairs_exclude_a_collapse_only_above_a_quarter_however_small_the_prediction() -> None:
    clean = next_pair(0.0186 + 0.003 * np.linspace(-1, 1, 10))
    assert clean.p_worse < 1e-4
    assert clean.limit_worse == pytest.approx(1 - 0.05**0.1)


def test_without_a_spread_or_a_pair_there_is_a_reason() -> None:
    assert next_pair([]).reason == "0 pairs: no estimate of the spread"
    assert next_pair([0.1]).reason == "1 pair: no estimate of the spread"
    flat = next_pair([0.2] * 6)
    assert (math.isnan(flat.p_worse), flat.n_worse) == (True, 0)
    assert flat.reason == "all differences are equal: the spread is zero"


def test_swapped_arms_give_the_other_probability() -> None:
    d = np.random.default_rng(2).normal(size=7)
    assert next_pair(d).p_worse + next_pair(-d).p_worse == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_no_size_of_the_differences_is_too_small_or_too_large(scale: float) -> None:
    d = np.array([1.0, 4.0, -2.0, 8.0, 5.0, 7.0, 1.5])
    assert next_pair(scale * d).p_worse == pytest.approx(next_pair(d).p_worse)
