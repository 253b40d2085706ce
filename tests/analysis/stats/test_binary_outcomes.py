"""Oracles: scipy's binomial test, the papers' formulas by hand, every completion of the failed runs' scores."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from analysis.stats.binary_outcomes import count_sign_flip, mcnemar, risk_difference, survivors, worst_rank
from analysis.stats.intervals import t_interval
from analysis.stats.paired_tests import wilcoxon

flags = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12).map(lambda rows: np.array(rows).T)
CHANCE = 0.1


def discordant(only_baseline: int, only_arm: int, alike: int = 4) -> tuple[NDArray, NDArray]:
    """Flags of so many pairs; of the ``alike`` ones half failed in both arms."""
    pairs = [(True, False)] * only_baseline + [(False, True)] * only_arm
    pairs += [(k % 2 == 0, k % 2 == 0) for k in range(alike)]
    of_baseline, of_arm = np.array(pairs, dtype=bool).reshape(-1, 2).T
    return of_baseline, of_arm


def a_sixth_diverges(n: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Section 3.8's example: arms of one law, but the arm diverges for 16 % of the seeds and then scores chance."""
    of_baseline, of_arm = rng.normal(0.88, 0.02, (2, n))
    diverged = rng.random(n) < 0.16
    return of_baseline, np.where(diverged, CHANCE, of_arm), np.zeros(n, dtype=bool), diverged


@pytest.mark.parametrize("only_arm", range(7))
@pytest.mark.parametrize("only_baseline", range(7))
def test_mcnemar_is_the_binomial_test_of_the_discordant_pairs(only_baseline: int, only_arm: int) -> None:
    result = mcnemar(*discordant(only_baseline, only_arm))
    total = only_baseline + only_arm
    assert result.pvalue == pytest.approx(stats.binomtest(only_arm, total).pvalue if total else 1.0, rel=1e-12)
    assert (result.statistic, result.n, result.reason) == (only_arm, total + 4, None)
    assert (result.n_extreme, result.n_total) == (None, None)


@pytest.mark.parametrize(("only_baseline", "only_arm"), [(0, 0), (0, 6), (1, 7), (3, 4), (5, 5)])
def test_the_mid_p_counts_the_observed_split_by_half(only_baseline: int, only_arm: int) -> None:
    """Oracle: both tails of the coin summed in whole numbers."""
    total, distance = only_baseline + only_arm, abs(only_arm - only_baseline)
    weights = {k: math.comb(total, k) for k in range(total + 1)}
    farther = sum(w for k, w in weights.items() if abs(2 * k - total) > distance)
    as_far = sum(w for k, w in weights.items() if abs(2 * k - total) == distance)
    test = mcnemar(*discordant(only_baseline, only_arm), mid=True)
    assert test.pvalue == pytest.approx((farther + as_far / 2) / 2**total if distance else 1.0, rel=1e-12)
    assert test.method == "McNemar, mid-p"


def test_pairs_that_agree_say_nothing_to_mcnemar() -> None:
    few, many = (mcnemar(*discordant(1, 6, alike)) for alike in (0, 40))
    assert few.pvalue == many.pvalue
    assert (few.n, many.n) == (7, 47)


def test_risk_difference_by_hand() -> None:
    """b = 6 pairs in which only the arm failed, c = 1 in which only the baseline did, n = 18: p12 = .35, p21 = .1."""
    interval = risk_difference(*discordant(1, 6, alike=11))
    half = 1.959963984540054 * math.sqrt((0.45 - 0.25**2) / 20)
    assert interval.estimate == pytest.approx(5 / 18, rel=1e-12)
    assert (interval.low, interval.high) == pytest.approx((0.25 - half, 0.25 + half), rel=1e-12)
    wider = risk_difference(*discordant(1, 6, alike=11), level=0.99)
    assert (wider.high - wider.low) / (2 * half) == pytest.approx(2.5758293035489 / 1.959963984540054, rel=1e-12)


def test_where_nothing_failed_the_risk_difference_is_zero_and_not_certain() -> None:
    interval = risk_difference(np.zeros(10, dtype=bool), np.zeros(10, dtype=bool))
    assert interval.estimate == 0
    assert -interval.low == interval.high == pytest.approx(1.959963984540054 * math.sqrt(2 / 12 / 12), rel=1e-12)


@given(flags)
def test_swapping_the_arms_flips_the_signs_and_keeps_p(failed: NDArray) -> None:
    a, b = failed
    assert mcnemar(a, b).pvalue == mcnemar(b, a).pvalue
    assert mcnemar(a, b, mid=True).pvalue == mcnemar(b, a, mid=True).pvalue
    assert count_sign_flip(3 * a, 2 * b).statistic == -count_sign_flip(2 * b, 3 * a).statistic
    there, back = risk_difference(a, b), risk_difference(b, a)
    assert (there.estimate, there.low, there.high) == (-back.estimate, -back.high, -back.low)
    scores = np.linspace(0.1, 0.9, len(a)), np.linspace(0.7, 0.2, len(a)) ** 2
    one, other = survivors(*scores, a, b), survivors(*scores[::-1], b, a)
    assert (one.low, one.high) == (-other.high, -other.low)
    assert repr(one.interval.estimate) == repr(0.0 - other.interval.estimate)
    assert repr(worst_rank(*scores, a, b).pvalue) == repr(worst_rank(*scores[::-1], b, a).pvalue)


@given(flags)
def test_a_risk_difference_never_leaves_what_is_possible(failed: NDArray) -> None:
    interval = risk_difference(*failed, level=0.999)
    assert -1 <= interval.low < interval.high <= 1
    assert mcnemar(*failed, mid=True).pvalue <= mcnemar(*failed).pvalue <= 1


def test_over_cells_takes_the_seed_as_the_unit() -> None:
    """Six seeds whose arm fails in more cells than the baseline: 2 of 64 patterns, however many the cells."""
    test = count_sign_flip([0, 1, 0, 0, 2, 0], [1, 3, 1, 2, 3, 9])
    assert (test.n_extreme, test.n_total, test.statistic) == (2, 64, 16 / 6)
    assert count_sign_flip([1, 2, 0], [1, 2, 0]).pvalue == 1


def test_worst_rank_puts_divergence_beyond_every_score() -> None:
    """The pairs: only the arm diverged, only the baseline, both, neither twice."""
    of_baseline, of_arm = [0.9, math.nan, 0.1, 0.5, 0.5], [0.1, 0.2, math.nan, 0.99, 0.4]
    diverged_baseline, diverged_arm = [False, True, True, False, False], [True, False, True, False, False]
    result = worst_rank(of_baseline, of_arm, diverged_baseline, diverged_arm)
    assert result == wilcoxon([-math.inf, math.inf, 0, 0.49, -0.1])


def test_worst_rank_without_divergence_is_wilcoxon_s_test() -> None:
    of_baseline, of_arm = np.random.default_rng(0).random((2, 9))
    none = np.zeros(9, dtype=bool)
    expected = stats.wilcoxon(of_arm - of_baseline, method="exact").pvalue
    assert worst_rank(of_baseline, of_arm, none, none).pvalue == pytest.approx(expected, rel=1e-12)


def test_survivors_drop_every_pair_with_a_divergence_and_say_how_many() -> None:
    of_baseline, of_arm = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0.8, 0.8, 0.9, 0.5, 0.3])
    result = survivors(of_baseline, of_arm, [True, False, False, False, True], [False, False, False, False, True], 0.9)
    assert (result.n, result.n_dropped, result.reason) == (3, 2, None)
    assert result.interval == t_interval((of_arm - of_baseline)[1:4], 0.9)


def test_the_bounds_are_the_least_and_the_greatest_of_every_completion() -> None:
    """One pair lost to each arm, one to both, one kept: scores of 0 or 1 in the four gaps, sixteen ways."""
    means = [
        np.mean([arm - 0.9, 0.4 - baseline, both_arm - both_baseline, 0.8 - 0.5])
        for arm, baseline, both_arm, both_baseline in itertools.product((0, 1), repeat=4)
    ]
    result = survivors(
        [0.9, math.nan, 0.1, 0.5], [0.1, 0.4, 0.1, 0.8], [False, True, True, False], [True, False, True, False]
    )
    assert (result.low, result.high) == pytest.approx((min(means), max(means)), rel=1e-12)


def test_without_divergence_the_bounds_are_the_mean_itself() -> None:
    none = np.zeros(3, dtype=bool)
    result = survivors([0.5, 0.25, 0.75], [0.75, 0.75, 0.5], none, none)
    assert result.low == result.high == result.interval.estimate
    assert result.n_dropped == 0


def test_dropping_the_diverged_erases_what_the_other_four_find() -> None:
    """Section 3.8: the arm diverges for a sixth of 60 seeds and equals the baseline on the others."""
    of_baseline, of_arm, none, diverged = a_sixth_diverges(60, np.random.default_rng(38))
    dropped = survivors(of_baseline, of_arm, none, diverged)
    assert dropped.interval.low < 0 < dropped.interval.high
    assert abs(dropped.interval.estimate) < 0.01
    composite = t_interval(of_arm - of_baseline)
    assert composite.high < -0.03
    assert dropped.low < composite.estimate < dropped.high
    assert mcnemar(none, diverged).pvalue < 0.01
    assert risk_difference(none, diverged).low > 0
    assert worst_rank(of_baseline, of_arm, none, diverged).pvalue < 0.01


def test_no_pairs_give_no_number_and_the_reason() -> None:
    for test in (mcnemar([], []), mcnemar([], [], mid=True), count_sign_flip([], []), worst_rank([], [], [], [])):
        assert math.isnan(test.pvalue)
        assert "0 " in (test.reason or "")
    nothing = risk_difference([], [])
    assert math.isnan(nothing.estimate)
    assert math.isnan(nothing.low)
    assert nothing.reason == "0 pairs"
    lost = survivors([], [], [], [])
    assert (lost.n, lost.n_dropped) == (0, 0)
    assert math.isnan(lost.low)
    assert math.isnan(lost.high)


def test_where_no_pair_survives_there_are_bounds_and_no_interval() -> None:
    result = survivors([0.5, 0.75], [math.nan, math.nan], [False, False], [True, True])
    assert (result.n, result.n_dropped, result.low, result.high) == (0, 2, -0.625, 0.375)
    assert math.isnan(result.interval.low)
    assert "0 pairs" in (result.reason or "")


def test_what_is_not_the_same_pairs_is_refused() -> None:
    yes, no = [True, True], [False, False]
    with pytest.raises(ValueError, match="failed_baseline is True or False for each pair, this is float64"):
        mcnemar([1.0, 0.0], yes)
    with pytest.raises(ValueError, match="failed_baseline and failed_arm belong to the same pairs, these are 2 and 3"):
        risk_difference(yes, [True] * 3)
    with pytest.raises(ValueError, match=r"counts_arm is one row of pairs, this has the shape \(2, 2\)"):
        count_sign_flip([1, 2], [[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="these are 2 flags and 3 scores"):
        worst_rank([0.1] * 3, [0.2] * 3, yes, no)
    with pytest.raises(ValueError, match="pair 1 has not"):
        survivors([0.1, math.nan], [0.2, 0.3], no, no)


@pytest.mark.slow
def test_over_many_studies_dropping_finds_nothing_and_the_composite_the_planted_loss() -> None:
    """D11: 1,000 studies of 80 seeds. The planted composite difference is 0.16 (0.1 - 0.88) = -0.125.

    Of the tests that find it, worst ranks are the weakest: by the normal law z is 2.26, a power of 0.62.
    """
    rng, studies, estimates, rejected = np.random.default_rng(11), 1000, [], []
    for _ in range(studies):
        of_baseline, of_arm, none, diverged = a_sixth_diverges(80, rng)
        dropped, composite = survivors(of_baseline, of_arm, none, diverged), t_interval(of_arm - of_baseline)
        estimates.append((dropped.interval.estimate, composite.estimate))
        tests = (worst_rank(of_baseline, of_arm, none, diverged), mcnemar(none, diverged))
        missed = dropped.interval.low > 0 or dropped.interval.high < 0
        rejected.append((missed, composite.high < 0, *(test.pvalue <= 0.05 for test in tests)))
    (of_dropped, of_composite), error = np.mean(estimates, axis=0), np.std(estimates, axis=0) / math.sqrt(studies)
    assert abs(of_dropped) <= 3.3 * error[0]
    assert abs(of_composite - 0.16 * (CHANCE - 0.88)) <= 3.3 * error[1]
    by_dropping, by_composite, by_rank, by_mcnemar = np.mean(rejected, axis=0)
    assert abs(by_dropping - 0.05) <= 3.3 * math.sqrt(0.05 * 0.95 / studies)
    assert by_composite > 0.9
    assert by_rank > 0.55
    assert by_mcnemar > 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("p12", "p21"), [(0.05, 0.05), (0.16, 0.0), (0.3, 0.1)])
def test_coverage_of_the_risk_difference(p12: float, p21: float) -> None:
    """Bonett & Price report a coverage near the level and seldom far below it, failures in one arm alone included."""
    rng, n, studies = np.random.default_rng(12), 20, 4000
    kind = rng.choice(3, p=[p12, p21, 1 - p12 - p21], size=(studies, n))
    intervals = [risk_difference(row == 1, row == 0) for row in kind]
    covered = np.mean([interval.low <= p12 - p21 <= interval.high for interval in intervals])
    assert covered >= 0.94 - 3.3 * math.sqrt(0.05 * 0.95 / studies)
