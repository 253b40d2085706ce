"""Oracles: bets made one by one, simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.evalues import sign_e_process, with_failures
from tests.analysis import adding_seeds

samples = st.lists(st.integers(-300, 300).map(lambda k: k / 100), min_size=1, max_size=30)


@given(samples)
def test_the_arms_may_be_swapped(d: list[float]) -> None:
    assert sign_e_process(-np.array(d)) == pytest.approx(sign_e_process(d), rel=1e-9)


@given(samples, samples)
def test_later_seeds_change_no_earlier_evidence_whatever_their_size(first: list[float], then: list[float]) -> None:
    assert sign_e_process([*first, *then, 1e300])[: len(first)] == pytest.approx(sign_e_process(first), rel=1e-9)


@given(samples)
def test_sign_e_process_is_the_wealth_of_a_bettor_on_signs(d: list[float]) -> None:
    """Start with 1; before each difference stake on "positive" the share (k + 1/2) / (m + 1), at even odds."""
    wealth, k, m, path = 1.0, 0, 0, []
    for value in d:
        if value:
            share = (k + 0.5) / (m + 1)
            wealth *= 2 * (share if value > 0 else 1 - share)
            k, m = k + (value > 0), m + 1
        path.append(wealth)
    assert sign_e_process(d) == pytest.approx(path, rel=1e-9)


def test_no_difference_so_far_is_no_evidence() -> None:
    assert sign_e_process([]).shape == (0,)
    assert sign_e_process(np.zeros(4)).tolist() == [1, 1, 1, 1]
    assert sign_e_process([0.0, 0.0, 1.0])[:2].tolist() == [1, 1]
    assert sign_e_process([-3.0])[0] == pytest.approx(1.0)


def test_evidence_beyond_the_largest_float_is_infinite_and_none_is_nan() -> None:
    evidence = sign_e_process(np.ones(3000))
    assert evidence[-1] == math.inf
    assert (np.diff(evidence[:50]) > 0).all()


def test_a_failed_run_is_worse_than_a_sound_one_and_two_failed_ones_tie() -> None:
    d = with_failures([0.5, 0.3, -0.2, 0.0, 0.4, 0.4], [0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 1, 0])
    assert d.tolist() == [0.5, -0.3, 0.2, 1e-9, 0.0, 0.4]


def at_most(share: float, repeats: int) -> float:
    """The share and 3.3 standard errors of its Monte-Carlo estimate."""
    return share + 3.3 * math.sqrt(share * (1 - share) / repeats)


@pytest.mark.slow
def test_peeking_with_t_rejects_a_fifth_of_null_studies() -> None:
    """The negative control: 4,000 studies without an effect, a look after each of the seeds 3 to 20."""
    d = np.random.default_rng(1939).normal(size=(4000, 20))
    rejected = [stats.ttest_1samp(d[:, :n], 0.0, axis=1).pvalue <= 0.05 for n in range(3, 21)]
    assert np.any(rejected, axis=0).mean() > 0.20


@pytest.mark.slow
def test_the_sign_e_value_errs_in_at_most_a_twentieth_with_ties_lognormal_noise_and_collapses_in_both_arms() -> None:
    repeats = 4000
    errors = adding_seeds.error(repeats, 1)
    assert all(0.005 < error <= at_most(0.05, repeats) for error in errors.values()), errors
    assert adding_seeds.gaussian_error(repeats, 1) > 0.4  # the negative control


@pytest.mark.slow
def test_the_sign_e_value_needs_more_seeds_the_fewer_pairs_are_better() -> None:
    needed = adding_seeds.seeds_needed(1000, 1)
    assert needed[1.0] == (7, 7)
    medians = [median for median, _ in needed.values()]
    assert medians == sorted(medians)
    assert 20 < needed[0.75][0] < 40
