"""Oracles: the sleep data, inversion of scipy's noncentral t, and Clopper & Pearson by their definition."""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.effect_sizes import cohen_dz, hedges_gz, prob_better
from tests.analysis.stats.test_paired_tests import SLEEP

samples = st.lists(st.integers(-30, 30).map(float), min_size=3, max_size=12)


def test_d_z_and_g_z_on_the_sleep_data() -> None:
    d_z, g_z = cohen_dz(SLEEP), hedges_gz(SLEEP)
    assert d_z.estimate == pytest.approx(-1.28455756259105, rel=1e-12)
    assert (d_z.low, d_z.high) == pytest.approx((-2.1180165139816, -0.414627756380457), rel=1e-10)
    assert g_z.estimate == pytest.approx(-1.1739249035142, rel=1e-12)
    j = 0.913874891792552
    assert (g_z.low, g_z.high) == pytest.approx((j * d_z.low, j * d_z.high), rel=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 50])
@pytest.mark.parametrize("shift", [0.0, 0.3, 2.0])
def test_the_interval_of_d_z_inverts_the_noncentral_t(n: int, shift: float) -> None:
    d = np.random.default_rng(n).normal(shift, 1, n)
    effect = cohen_dz(d, 0.9)
    t = stats.ttest_1samp(d, 0).statistic
    assert stats.nct.cdf(t, n - 1, effect.low * math.sqrt(n)) == pytest.approx(0.95, abs=1e-8)
    assert stats.nct.cdf(t, n - 1, effect.high * math.sqrt(n)) == pytest.approx(0.05, abs=1e-8)


def test_large_effects_have_intervals_too() -> None:
    d = np.random.default_rng(0).normal(60, 1, 10)
    effect = cohen_dz(d)
    assert 0 < effect.low < effect.estimate < effect.high < 3 * effect.estimate


@given(samples)
def test_swapping_the_arms_mirrors_every_effect(d: list[float]) -> None:
    there, back = np.array(d), -np.array(d)
    for effect in (cohen_dz, hedges_gz):
        one, other = effect(there), effect(back)
        assert (one.estimate, one.low, one.high) == pytest.approx(
            (-other.estimate, -other.high, -other.low), nan_ok=True
        )
    assert prob_better(there).estimate + prob_better(back).estimate == pytest.approx(1)


def test_prob_better_counts_a_tie_as_half_a_win_and_half_a_loss() -> None:
    effect = prob_better([0.1 + 0.2 - 0.3, 1, 2, 3, 4, 5, 6, -1, 0, 0])
    assert effect.estimate == (6 + 1.5) / 10
    assert (effect.low, effect.high) == pytest.approx(
        (stats.beta.ppf(0.025, 7.5, 3.5), stats.beta.ppf(0.975, 8.5, 2.5))
    )
    assert effect.reason == "1 of 10 values is below 1e-09 of the largest: it counts as zero"


@pytest.mark.parametrize("wins", [0, 1, 3, 7])
def test_without_ties_prob_better_has_the_interval_of_a_proportion(wins: int) -> None:
    effect, exact = prob_better([1.0] * wins + [-1.0] * (7 - wins)), stats.binomtest(wins, 7).proportion_ci(0.95)
    assert (effect.low, effect.high) == pytest.approx((exact.low, exact.high), abs=1e-12)


def coverage(n: int, p_win: float, p_tie: float, ends: Callable[[int, int, int], tuple[float, float]]) -> float:
    """How often ``ends`` of (wins, ties, n) hold P(win) + P(tie) / 2, over all outcomes of ``n`` pairs."""
    law, truth = stats.multinomial(n, [p_win, p_tie, 1 - p_win - p_tie]), p_win + p_tie / 2
    total = 0.0
    for wins in range(n + 1):
        for ties in range(n + 1 - wins):
            low, high = ends(wins, ties, n)
            inside = low - 1e-12 <= truth <= high + 1e-12
            total += inside * float(law.pmf([wins, ties, n - wins - ties]))
    return total


@cache
def ends_of_prob_better(wins: int, ties: int, n: int) -> tuple[float, float]:
    effect = prob_better([1.0] * wins + [0.0] * ties + [-1.0] * (n - wins - ties))
    return effect.low, effect.high


def ends_given_the_ties(wins: int, ties: int, n: int) -> tuple[float, float]:
    """The negative control: as if the share of ties were known."""
    if ties == n:
        return 0.5, 0.5
    exact = stats.binomtest(wins, n - ties).proportion_ci(0.95)
    return (exact.low * (n - ties) + ties / 2) / n, (exact.high * (n - ties) + ties / 2) / n


@pytest.mark.parametrize("n", [3, 10])
def test_prob_better_covers_with_ties_in_every_law_of_wins_and_ties(n: int) -> None:
    laws = [(p_win, p_tie) for p_tie in (0.0, 0.1, 0.3, 0.6, 0.9) for p_win in np.linspace(0, 1 - p_tie, 5)]
    assert min(coverage(n, *law, ends_of_prob_better) for law in laws) >= 0.95
    assert min(coverage(n, *law, ends_given_the_ties) for law in laws) < 0.7


def test_degenerate_samples_say_why() -> None:
    assert prob_better([]).reason == "0 pairs"
    all_tied = prob_better([0.0, 0.0])
    assert (all_tied.estimate, all_tied.low + all_tied.high, all_tied.reason) == (0.5, pytest.approx(1), None)
    assert cohen_dz([3.0, 3.0, 3.0]).reason == "all differences are equal: the spread is zero"
    assert math.isnan(hedges_gz([1.0]).estimate)
    assert hedges_gz([1.0, 2.0]).reason == "2 pairs: J is 0"


@pytest.mark.parametrize("t", [0.0, 0.001, 0.03, 2.0, 24.9, 25.1, 300.0, 1e5])
@pytest.mark.parametrize("n", [2, 5, 10, 100])
def test_the_interval_of_an_effect_of_any_size_is_where_the_noncentral_t_says(n: int, t: float) -> None:
    """Its ends are noncentralities whose law has t at either 0.5 % point: by quadrature over chi, which is exact enough
    for every t; scipy's own noncentral t has no digits left beyond a few hundred."""
    d = np.linspace(-1, 1, n)
    d = d / d.std(ddof=1) + t / math.sqrt(n)
    effect = cohen_dz(d, level=0.99)
    s = np.sqrt(stats.chi2.ppf((np.arange(200_000) + 0.5) / 200_000, n - 1) / (n - 1))
    for end, p in ((effect.low, 0.995), (effect.high, 0.005)):
        below = stats.norm.cdf(t * s - end * math.sqrt(n)).mean()
        assert below == pytest.approx(p, abs=2e-4)
