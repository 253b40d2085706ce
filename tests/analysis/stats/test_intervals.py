"""Oracles: the sleep data, enumeration in exact fractions, R's rule for signed ranks, and duality with the tests."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.intervals import bootstrap_t, fieller, hodges_lehmann, sign_flip_interval, simultaneous, t_interval
from analysis.stats.paired_tests import sign_flip
from analysis.stats.sign_flips import is_exact
from tests.analysis.stats.test_paired_tests import SLEEP

samples = st.lists(st.integers(-300, 300).map(lambda k: k / 100), min_size=6, max_size=9)


def test_the_sign_flip_interval_on_the_sleep_data() -> None:
    interval = sign_flip_interval(SLEEP)
    assert (interval.low, interval.high) == pytest.approx((-2.4666666666666667, -0.8333333333333333), rel=1e-12)
    assert interval.level == 0.951171875


def test_five_pairs_have_no_95_percent_sign_flip_interval_and_one_at_93_75() -> None:
    d = [1, 2, 4, 7, 11]
    none = sign_flip_interval(d)
    assert (none.low, none.high) == (-math.inf, math.inf)
    assert none.reason == "5 pairs: the exact test has no 95 % interval"
    interval = sign_flip_interval(d, 0.9375)
    assert (interval.low, interval.high, interval.level) == (1, 11, 0.9375)


@given(samples, st.sampled_from([0.8, 0.9, 0.95]))
def test_the_sign_flip_interval_holds_what_the_test_does_not_reject(d: list[float], level: float) -> None:
    """Oracle: enumeration in fractions of a hundredth, at values in and between the subset means."""
    whole = [Fraction(round(100 * value)) for value in d]
    interval = sign_flip_interval(d, level)
    if math.isinf(interval.low):
        return
    for theta in (interval.low, interval.high, interval.low - 0.011, interval.high + 0.011, float(np.mean(d))):
        at = Fraction(theta).limit_denominator(10**6) * 100
        shifted = [value - at for value in whole]
        sums = [abs(sum(s * v for s, v in zip(signs, shifted, strict=True))) for signs in _signs(len(d))]
        p = Fraction(sum(value >= abs(sum(shifted)) for value in sums), len(sums))
        inside = interval.low - 1e-9 <= theta <= interval.high + 1e-9
        assert inside == (p > Fraction(1 - level).limit_denominator(1000))


def _signs(n: int) -> list[tuple[int, ...]]:
    return list(itertools.product((1, -1), repeat=n))


def test_beyond_16_pairs_the_interval_excludes_zero_exactly_where_the_test_rejects() -> None:
    for d in np.random.default_rng(3).normal(0.45, 1, (40, 25)):
        p, interval = sign_flip(d).pvalue, sign_flip_interval(d)
        assert (interval.low > 0 or interval.high < 0) == (p <= 0.05)
        assert sign_flip_interval(d, 1 - p - 2e-5).low > 0 or d.mean() < 0


@given(samples)
def test_every_interval_mirrors_when_the_arms_are_swapped(d: list[float]) -> None:
    for make in (sign_flip_interval, hodges_lehmann, bootstrap_t):
        there, back = make(np.array(d)), make(-np.array(d))
        assert (there.low, there.high) == pytest.approx((-back.high, -back.low), nan_ok=True)


@given(samples, st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_no_interval_depends_on_the_order_of_the_seeds(d: list[float], random) -> None:
    shuffled = random.sample(d, len(d))
    for make in (sign_flip_interval, hodges_lehmann, bootstrap_t):
        one, other = make(d), make(shuffled)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12, nan_ok=True)


@given(samples)
@settings(max_examples=40)
def test_scaling_and_shifting_the_differences_scales_and_shifts_the_intervals(d: list[float]) -> None:
    for make in (t_interval, sign_flip_interval, hodges_lehmann):
        one, other = make(d), make(100 * np.array(d) + 7)
        if one.reason is None:
            assert (100 * one.low + 7, 100 * one.high + 7) == pytest.approx((other.low, other.high), abs=1e-6)


def test_hodges_lehmann_follows_the_rule_of_r_s_wilcox_test() -> None:
    """qsignrank(0.025, n): 3 at n = 7, 9 at n = 10 (R tables); the ends are the 3rd and the 9th Walsh averages."""
    for n, k in ((7, 3), (10, 9), (20, 53)):
        d = np.arange(1, n + 1) ** 2.0
        walsh = sorted((d[i] + d[j]) / 2 for i in range(n) for j in range(i, n))
        interval = hodges_lehmann(d)
        assert (interval.low, interval.high) == (walsh[k - 1], walsh[-k])
        assert interval.level >= 0.95
    assert hodges_lehmann(SLEEP).estimate == pytest.approx(-1.3)


def test_hodges_lehmann_excludes_zero_where_the_signed_rank_test_rejects() -> None:
    rng = np.random.default_rng(5)
    for d in rng.normal(0.6, 1, (200, 9)):
        interval, p = hodges_lehmann(d), stats.wilcoxon(d, method="exact").pvalue
        assert (interval.low > 0 or interval.high < 0) == (p <= 1 - interval.level + 1e-12)


def test_the_bootstrap_t_has_the_quantiles_of_all_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: all 6^6 resamples of six numbers; 9,999 random ones come within the error of a quantile."""
    d = np.array([1.0, 2.0, 4.0, 7.0, 11.0, 12.0])
    every = d[np.array(list(itertools.product(range(6), repeat=6)))]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (every.mean(1) - d.mean()) / (every.std(1, ddof=1) / math.sqrt(6))
    t = t[~np.isnan(t)]
    error = d.std(ddof=1) / math.sqrt(6)
    interval = bootstrap_t(d, 0.8)
    truth = [d.mean() - error * q for q in np.quantile(t, [0.92, 0.88, 0.12, 0.08])]
    assert truth[0] <= interval.low <= truth[1]
    assert truth[2] <= interval.high <= truth[3]


def test_below_six_pairs_there_is_no_bootstrap() -> None:
    assert bootstrap_t([1, 2, 4, 7, 11]).reason == "5 pairs: the bootstrap needs 6"


def test_simultaneous_intervals_use_the_quantile_of_the_largest_t_by_enumeration() -> None:
    D = np.random.default_rng(1).normal(0.3, 1, (7, 4)).round(2)
    centred = D - D.mean(0)
    largest = []
    for signs in _signs(7):
        flipped = centred * np.array(signs)[:, None]
        largest.append(np.abs(stats.ttest_1samp(flipped, 0).statistic).max())
    critical = np.quantile(largest, 0.95, method="inverted_cdf")
    for column, interval in zip(D.T, simultaneous(D), strict=True):
        half = critical * column.std(ddof=1) / math.sqrt(7)
        assert (interval.low, interval.high) == pytest.approx((column.mean() - half, column.mean() + half), rel=1e-9)


def test_a_cell_that_lacks_seeds_keeps_its_own_n_and_the_family_keeps_the_cell() -> None:
    D = np.random.default_rng(2).normal(1, 1, (9, 3))
    D[:2, 1] = np.nan
    D[:6, 2] = np.nan
    one, two, three = simultaneous(D)
    assert (one.n, two.n, three.n) == (9, 7, 3)
    assert two.estimate == pytest.approx(np.nanmean(D[:, 1]))
    assert three.reason == "3 pairs: simultaneous intervals need 5"
    assert math.isnan(three.low)


def test_constant_and_empty_columns_say_so() -> None:
    D = np.column_stack([np.full(8, 0.25), np.arange(8.0), np.full(8, np.nan)])
    constant, usual, empty = simultaneous(D)
    assert (constant.low, constant.high) == (0.25, 0.25)
    assert constant.reason == "all differences are equal: the spread is zero"
    assert usual.low < 3.5 < usual.high
    assert math.isnan(empty.estimate)
    assert is_exact(16)
    assert not is_exact(17)


# --- ratios


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.8, 0.95]))
@settings(max_examples=60)
def test_fieller_holds_the_ratios_that_the_paired_t_test_does_not_reject(seed: int, level: float) -> None:
    """Oracle: trying them. r is within where t does not reject that y - r x has mean zero."""
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 1, 8)
    y = 0.5 * x + rng.normal(0.3, 0.7, 8)
    interval = fieller(y, x, level)
    if interval.reason:
        assert stats.ttest_1samp(x, 0).pvalue >= 1 - level
        return
    assert interval.estimate == pytest.approx(y.mean() / x.mean())
    width = interval.high - interval.low
    for r in (
        *np.linspace(interval.low - width, interval.high + width, 41),
        interval.low + width / 1e6,
        interval.high - width / 1e6,
    ):
        p = stats.ttest_1samp(y - r * x, 0).pvalue
        assert (interval.low <= r <= interval.high) == (p >= 1 - level)


def test_fieller_covers_the_ratio_as_often_as_it_says() -> None:
    """4,000 samples of seven correlated normal pairs whose denominator is always told from zero."""
    rng, truth, n = np.random.default_rng(0), 0.6, 7
    shared = rng.normal(0, 1, (4000, n))
    x = 5.0 + 0.7 * shared + rng.normal(0, 0.6, shared.shape)
    y = 5.0 * truth + 0.5 * shared + rng.normal(0, 0.6, shared.shape)
    covered = [interval.low <= truth <= interval.high for interval in map(fieller, y, x)]
    assert abs(np.mean(covered) - 0.95) < 3 * math.sqrt(0.95 * 0.05 / 4000)


@pytest.mark.parametrize(
    ("y", "x", "why"),
    [
        ([1.0], [2.0], "1 pair: no estimate of the spread"),
        ([], [], "0 pairs: no estimate of the spread"),
        ([1.0, 2.0, 1.5], [2.0, 2.0, 2.0], "all differences are equal: the spread is zero"),
        ([1.0, 2.0, 1.5], [0.0, 0.0, 0.0], "all differences are zero: the spread is zero"),
        ([1.0, 2.0, 1.5], [1.0, -1.0, 0.5], "the denominator is not told from zero, so the ratio may be anything"),
    ],
)
def test_a_ratio_without_an_interval_says_why(y: list[float], x: list[float], why: str) -> None:
    interval = fieller(y, x)
    assert interval.reason == why
    assert math.isnan(interval.low)


def test_a_thing_is_all_of_itself_and_twice_it_is_twice_as_much() -> None:
    x = [2.1, 3.9, 3.2, 2.3]
    for times in (1, 2, -1, 0):
        interval = fieller(times * np.array(x), x)
        assert (interval.estimate, interval.low, interval.high) == pytest.approx((times, times, times), abs=1e-9)
    with pytest.raises(ValueError, match="a ratio takes pairs, these are 3 and 4 values"):
        fieller(x[:3], x)
