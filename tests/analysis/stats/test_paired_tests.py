"""Oracles: Student's sleep data (R's `sleep`, t.test(extra ~ group, paired = TRUE)), enumeration by hand, scipy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from analysis.stats.effect_sizes import cohen_dz
from analysis.stats.intervals import t_interval
from analysis.stats.paired_tests import as_differences, equivalence, paired_t, sign_flip, wilcoxon

GROUP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
GROUP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
SLEEP = np.subtract(GROUP_1, GROUP_2)

samples = st.lists(st.integers(-300, 300).map(lambda k: k / 100), min_size=2, max_size=8)


def test_paired_t_on_the_sleep_data() -> None:
    result = paired_t(SLEEP)
    assert result.statistic == pytest.approx(-4.06212768338204, rel=1e-12)
    assert result.pvalue == pytest.approx(0.00283289019738427, rel=1e-12)
    assert (result.df, result.n, result.reason) == (9, 10, None)


def test_t_interval_on_the_sleep_data() -> None:
    interval = t_interval(SLEEP)
    assert (interval.low, interval.high) == pytest.approx((-2.45988576327698, -0.700114236723018), rel=1e-12)
    inner = t_interval(SLEEP, level=0.9)
    assert (inner.low, inner.high) == pytest.approx((-2.29300526702928, -0.866994732970716), rel=1e-12)
    assert interval.estimate == pytest.approx(-1.58)


def test_sign_flip_on_the_sleep_data_is_the_fraction_4_of_1024() -> None:
    result = sign_flip(SLEEP)
    assert (result.n_extreme, result.n_total, result.pvalue) == (4, 1024, 0.00390625)


def test_d_z_on_the_sleep_data() -> None:
    assert cohen_dz(SLEEP).estimate == pytest.approx(-1.28455756259105, rel=1e-12)


@given(samples | samples.map(lambda d: [*d, -sum(d)]))
def test_sign_flip_is_the_enumeration_in_whole_numbers(d: list[float]) -> None:
    """Hundredths as integers have no rounding, so ties are ties, sums of zero among them."""
    whole = [round(100 * value) for value in d]
    sums = [sum(map(int.__mul__, signs, whole)) for signs in itertools.product((1, -1), repeat=len(whole))]
    result = sign_flip(d)
    assert result.n_extreme == sum(abs(value) >= abs(sum(whole)) for value in sums)
    assert result.n_total == 2 ** len(whole)


@given(samples)
def test_swapping_the_arms_flips_the_sign_and_nothing_else(d: list[float]) -> None:
    there, back = np.array(d), -np.array(d)
    for test in (paired_t, sign_flip):
        assert repr(test(there).pvalue) == repr(test(back).pvalue)
    one, other = t_interval(there), t_interval(back)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


@given(samples, st.randoms(use_true_random=False))
def test_the_order_of_the_pairs_is_nothing(d: list[float], random) -> None:
    shuffled = random.sample(d, len(d))
    assert sign_flip(shuffled).n_extreme == sign_flip(d).n_extreme
    assert paired_t(shuffled).pvalue == pytest.approx(paired_t(d).pvalue, rel=1e-9, nan_ok=True)


@given(samples)
def test_the_interval_excludes_zero_where_the_t_test_rejects(d: list[float]) -> None:
    test, interval = paired_t(d), t_interval(d)
    if not math.isnan(test.statistic) and abs(test.pvalue - 0.05) > 1e-9:
        assert (interval.low > 0 or interval.high < 0) == (test.pvalue < 0.05)


@pytest.mark.parametrize("n", range(2, 13))
def test_no_sample_goes_below_the_floor_of_2_in_2_to_the_n(n: int) -> None:
    result = sign_flip(np.arange(1, n + 1))
    assert (result.n_extreme, result.pvalue) == (2, 2 / 2**n)


def test_beyond_16_pairs_the_flips_are_random_seeded_by_the_data_and_near_the_truth() -> None:
    """Oracle: for differences of one size, sums are binomial, so p is known."""
    d = np.array([1.0] * 16 + [-1.0] * 6)
    result, again = sign_flip(d), sign_flip(d[::-1])
    exact = 2 * stats.binom(22, 0.5).cdf(6)
    assert result == again
    assert sign_flip(-d).pvalue == result.pvalue
    assert result.n_total == 100_000
    assert result.pvalue == pytest.approx(exact, abs=4 * math.sqrt(exact / 1e5))
    assert sign_flip(np.ones(40)).pvalue == pytest.approx(1e-5)


def test_degenerate_samples_say_why_they_have_no_number() -> None:
    assert sign_flip(np.zeros(5)).pvalue == 1
    assert paired_t(np.zeros(5)).pvalue == 1
    assert (t_interval(np.zeros(5)).low, t_interval(np.zeros(5)).high) == (0, 0)
    constant = np.full(6, 0.1 + 0.2)
    assert math.isnan(paired_t(constant).pvalue)
    assert paired_t(constant).reason == "all differences are equal: the spread is zero"
    assert sign_flip(constant).pvalue == 2 / 64
    assert math.isnan(cohen_dz(constant).estimate)
    for n in (0, 1):
        for result in (
            paired_t(constant[:n]),
            sign_flip(constant[:n]),
            t_interval(constant[:n]),
            cohen_dz(constant[:n]),
        ):
            assert result.reason
            assert str(n) in result.reason
    assert math.isnan(sign_flip([1.0]).pvalue)


def test_what_is_no_row_of_finite_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="number 1 is not"):
        as_differences([1.0, math.nan])
    with pytest.raises(ValueError, match="these have the shape"):
        as_differences([[1.0, 2.0]])


def test_wilcoxon_on_the_sleep_data_and_with_ties_and_zeros() -> None:
    assert (wilcoxon(SLEEP).n_extreme, wilcoxon(SLEEP).n_total) == (2, 512)
    assert wilcoxon([1] * 6).pvalue == 0.03125
    assert wilcoxon([0, 0, 1, 2, 3, -4]).pvalue == 0.875
    assert wilcoxon([0.9 - 0.8, 0.3 - 0.2, 0.2 - 0.1, -(0.4 - 0.3)]).pvalue == 0.625  # ties, whatever their last bits


@given(samples)
def test_wilcoxon_is_the_enumeration_of_signed_midranks(d: list[float]) -> None:
    result, moved = wilcoxon(d), np.array([value for value in d if value])
    if len(moved) < 2:
        assert result.reason
        return
    ranks = stats.rankdata(np.abs(moved.round(6)))
    observed = abs((np.sign(moved) * ranks).sum())
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((1, -1), repeat=len(moved))]
    assert result.n_extreme == sum(value >= observed - 1e-9 for value in sums)


def test_wilcoxon_beyond_enumeration_is_scipy_s_exact_law() -> None:
    d = np.random.default_rng(1).normal(0.4, 1, 45)
    assert wilcoxon(d).pvalue == pytest.approx(stats.wilcoxon(d, method="exact").pvalue, rel=1e-9)


def test_infinite_differences_are_the_largest_ranks() -> None:
    d = [math.inf, math.inf, 1, 2, -1, 3]
    assert wilcoxon(d).pvalue == wilcoxon([9, 9, 1, 2, -1, 3]).pvalue
    with pytest.raises(ValueError, match="number 0 is not"):
        wilcoxon([math.nan, 1.0])
    with pytest.raises(ValueError, match="number 0 is not"):
        sign_flip([math.inf, 1.0])


def test_equivalence_on_the_sleep_data() -> None:
    near, far = equivalence(SLEEP, 0.5), equivalence(SLEEP, 3)
    assert near.pvalue == pytest.approx(0.989240756621613, rel=1e-10)
    assert near.statistic == pytest.approx(-2.7766442392738, rel=1e-10)
    assert far.pvalue == pytest.approx(0.002655570292658671, rel=1e-10)


@given(samples, st.floats(0.01, 5), st.floats(0.01, 5))
def test_a_wider_margin_is_never_harder_to_keep_within(d: list[float], one: float, more: float) -> None:
    narrow, wide = equivalence(d, one), equivalence(d, one + more)
    assert math.isnan(narrow.pvalue) or wide.pvalue <= narrow.pvalue


@given(samples, st.floats(0.01, 5))
def test_equivalence_at_alpha_is_the_inner_interval_within_the_margin(d: list[float], margin: float) -> None:
    test, inner = equivalence(d, margin), t_interval(d, 0.9)
    if test.reason is None and abs(test.pvalue - 0.05) > 1e-9:
        assert (test.pvalue < 0.05) == (-margin < inner.low and inner.high < margin)
