"""Oracles: Wilcoxon's test of the shifted sample at every Walsh average and between every two, by brute force."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.stats.intervals import hodges_lehmann
from analysis.stats.paired_tests import tied_ranks, wilcoxon


def pvalue(d: NDArray) -> float:
    p = wilcoxon(d).pvalue
    return 1.0 if math.isnan(p) else p


def tied_samples(seed: int, n_samples: int) -> list[NDArray]:
    """Whole numbers, few or many of them equal, some zero."""
    rng = np.random.default_rng(seed)
    spreads = [(-3, 9), (-1, 4), (0, 5), (-2, 3)]
    samples = [rng.integers(*spreads[i % 4], rng.integers(5, 11)).astype(float) for i in range(n_samples)]
    return [d for d in samples if np.ptp(d)]


def everywhere(d: NDArray) -> NDArray:
    """Every Walsh average, a value between every two, and one beyond either end."""
    walsh = np.unique((d[:, None] + d) / 2)
    return np.sort(np.concatenate([walsh, (walsh[1:] + walsh[:-1]) / 2, [walsh[0] - 1, walsh[-1] + 1]]))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_with_ties_the_ends_are_the_outermost_shifts_that_the_exact_test_does_not_reject(level: float) -> None:
    for d in tied_samples(1, 60):
        interval = hodges_lehmann(d, level)
        shifts = everywhere(d)
        kept = np.flatnonzero([pvalue(d - mu) > (1 - level) * (1 + 1e-10) for mu in shifts])
        if kept[0] == 0:
            assert math.isinf(interval.low)
            continue
        is_average = np.isin(shifts, (d[:, None] + d) / 2)
        first, last = kept[0] - (not is_average[kept[0]]), kept[-1] + (not is_average[kept[-1]])
        assert (interval.low, interval.high) == pytest.approx((shifts[first], shifts[last]), abs=1e-6)
        assert interval.level >= level - 1e-9


def test_inside_the_interval_the_exact_test_rejects_at_most_where_ties_make_it_rise_and_fall() -> None:
    inside = rejected = 0
    for d in tied_samples(2, 60):
        interval = hodges_lehmann(d)
        within = [mu for mu in everywhere(d) if interval.low < mu < interval.high]
        inside += len(within)
        rejected += sum(pvalue(d - mu) <= 0.05 for mu in within)
    assert rejected < 0.005 * inside


def test_zero_is_in_the_interval_where_the_test_does_not_reject_with_ties_and_zeros() -> None:
    agree = [
        (interval.low > 0 or interval.high < 0) == (pvalue(d) <= 0.05)
        for d in tied_samples(3, 400)
        for interval in [hodges_lehmann(d)]
    ]
    assert np.mean(agree) > 0.99


def test_an_end_that_is_zero_makes_way_where_the_test_rejects_zero() -> None:
    """Zeros are dropped at zero: 6 of one sign reject, and of what is left at 0.01 the test rejects nothing."""
    d = np.array([0.0, 0, 0, 1, 2, 3, 4, 5, 6])
    assert wilcoxon(d).pvalue == 2 / 64
    assert pvalue(d - 0.01) > 0.05
    interval = hodges_lehmann(d)
    assert 0 < interval.low < 1e-6
    assert pvalue(d - interval.low) > 0.05
    assert hodges_lehmann(-d).high == -interval.low


def test_the_rule_without_ties_undercovers_or_overcovers_the_conditional_law() -> None:
    """The negative control: the k-th averages of the law without ties are not where the exact p crosses."""
    wrong = 0
    for d in tied_samples(1, 60):
        walsh, n = np.sort(((d[:, None] + d) / 2)[np.triu_indices(len(d))]), len(d)
        k = {6: 1, 7: 3, 8: 4, 9: 6, 10: 9}.get(n)
        if k:
            wrong += hodges_lehmann(d).low != pytest.approx(walsh[k - 1], abs=1e-6)
    assert wrong >= 2


def test_ranks_tie_relative_to_what_is_ranked() -> None:
    assert tied_ranks(np.array([1e-9, 1.0, 1.05e-9, 1.0 + 1e-12])).tolist() == [1, 3.5, 2, 3.5]
    assert tied_ranks(np.array([np.inf, 1.0, np.inf])).tolist() == [2.5, 1, 2.5]
    assert tied_ranks(np.array([])).tolist() == []
