"""Oracles: planted times, epochs counted by hand, the step function of Kaplan and Meier integrated."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.stats.multiple_tests import max_t
from analysis.stats.time_to_event import THRESHOLDS, TimeToAccuracy, first_epoch, time_to_accuracy

E = 10
LATE = math.inf

histories = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(85, 99, (2, 7, 3, 5)) / 100)


def reaching(times: Sequence[Sequence[float]], threshold: float = 0.9) -> NDArray[np.float64]:
    """Accuracies (seeds, cells, E) that first reach ``threshold`` after these epochs, LATE never."""
    return np.where(np.arange(1, E + 1) >= np.array(times)[..., None], threshold, 0.1)


def compare(times_of_baseline: Sequence[Sequence[float]], times_of_arm: Sequence[Sequence[float]]) -> TimeToAccuracy:
    [result] = time_to_accuracy(reaching(times_of_baseline), reaching(times_of_arm), thresholds=(0.9,))
    return result


# one run


def test_the_first_epoch_is_counted_from_1_and_is_the_first_one_above() -> None:
    curves = [[0.9, 0.1, 0.1], [0.1, 0.9, 0.95], [0.1, 0.2, 0.9], [0.1, 0.2, 0.89]]
    assert first_epoch(curves, 0.9).tolist()[:3] == [1, 2, 3]
    assert math.isnan(first_epoch(curves, 0.9)[3])
    assert first_epoch(np.array(9_700) / [10_000.0], 0.97) == 1  # images over images: at the threshold is there


def test_a_run_that_diverges_after_the_threshold_has_not_reached_it() -> None:
    nan = math.nan
    assert np.isnan(first_epoch([[0.1, 0.95, nan], [0.1, 0.95, -math.inf], [nan, nan, nan]], 0.9)).all()


@given(st.lists(st.integers(1, E) | st.just(LATE), min_size=1, max_size=6))
def test_planted_times_are_found(times: list[float]) -> None:
    epochs = first_epoch(reaching([times])[0], 0.9)
    assert [LATE if math.isnan(T) else T for T in epochs] == times


# two arms


def test_the_difference_is_that_of_the_planted_times() -> None:
    """Seed means of min(T, 10): 3, 6.5, 2, 4, 5, 3 against 2, 3, 2, 6, 2, 2.5."""
    baseline = [[2, 4], [3, LATE], [2, 2], [4, 4], [5, 5], [3, 3]]
    arm = [[1, 3], [2, 4], [2, 2], [2, LATE], [2, 2], [2, 3]]
    result = compare(baseline, arm)
    assert result.interval.estimate == pytest.approx((-1 - 3.5 + 0 + 2 - 3 - 0.5) / 6)
    assert (result.n_runs, result.n_reached_baseline, result.n_reached_arm) == (12, 11, 11)
    assert (result.median_baseline, result.median_arm) == (3.5, 2)
    assert (result.n_faster, result.n_slower, result.n_tied) == (8, 1, 3)
    assert (result.threshold, result.epochs, result.interval.n, result.reason) == (0.9, 10, 6, None)
    assert (result.sign_flip.n_extreme, result.sign_flip.n_total) == (
        20,
        64,
    )  # 5 subsets of 2, 7, 4, 6, 1 add up to at most 4; their mirrors; the zero
    assert result.adjusted.pvalue == result.sign_flip.pvalue


def test_the_restricted_mean_is_the_area_under_kaplan_and_meiers_curve() -> None:
    """Survival before each epoch of runs that end at 2, 2, 5 and never: 1, 1, 1/2, 1/2, 1/2, then 1/4."""
    result = compare([[1.0]] * 4, [[2], [2], [5], [LATE]])
    area = 1 + 1 + 3 * 0.5 + 5 * 0.25
    assert result.interval.estimate == area - 1


def test_the_median_is_not_reached_where_half_of_the_runs_did_not() -> None:
    fast = [[1.0]] * 4
    assert compare(fast, [[3], [5], [8], [LATE]]).median_arm == 6.5
    assert compare(fast, [[3], [5], [LATE], [LATE]]).median_arm is None
    assert compare(fast[:3], [[3], [LATE], [8]]).median_arm == 8
    assert compare(fast[:3], [[3], [LATE], [LATE]]).median_arm is None


def test_reaching_it_in_the_last_epoch_beats_never_though_the_restricted_times_are_equal() -> None:
    result = compare([[LATE]] * 6, [[E]] * 6)
    assert (result.interval.estimate, result.n_faster, result.n_slower, result.n_tied) == (0, 6, 0, 0)
    assert compare([[LATE], [3]], [[LATE], [3]]).n_tied == 2


def test_thresholds_are_adjusted_for_each_other() -> None:
    rng = np.random.default_rng(0)
    times = [(rng.integers(1, 8, (7, 2)), rng.integers(1, 6, (7, 2))) for _ in THRESHOLDS]
    baseline, arm = (
        np.max([reaching(np.array(pair[side]) + 2 * i, t) for i, (t, pair) in enumerate(planted)], axis=0)
        for side in (0, 1)
        for planted in [list(zip(THRESHOLDS, times, strict=True))]
    )
    results = time_to_accuracy(baseline, arm)
    assert [one.threshold for one in results] == [0.9, 0.95, 0.97]
    d = [
        np.subtract(*(np.nan_to_num(first_epoch(side, t), nan=E).mean(axis=1) for side in (arm, baseline)))
        for t in THRESHOLDS
    ]
    assert [one.interval.estimate for one in results] == pytest.approx([column.mean() for column in d])
    assert [one.adjusted.pvalue for one in results] == [test.pvalue for test in max_t(np.column_stack(d))]
    assert any(one.adjusted.pvalue > one.sign_flip.pvalue for one in results)


def test_a_threshold_that_nobody_reached_has_no_number_and_is_no_part_of_the_family() -> None:
    rng = np.random.default_rng(1)
    sides = [reaching(rng.integers(1, 8, (6, 2)).tolist()) for _ in range(2)]
    low, high = time_to_accuracy(*sides, thresholds=(0.9, 0.95))
    assert [low] == time_to_accuracy(*sides, thresholds=(0.9,))
    assert high.reason == high.sign_flip.reason == high.adjusted.reason == "not reached by any run"
    numbers = (high.interval.estimate, high.interval.low, high.sign_flip.pvalue, high.adjusted.pvalue)
    assert all(math.isnan(number) for number in numbers)
    assert (high.median_baseline, high.median_arm, high.n_reached_arm, high.n_tied) == (None, None, 0, 12)


@given(histories, st.permutations(range(7)))
def test_swapping_the_arms_flips_the_signs_and_the_order_of_seeds_is_nothing(
    of: NDArray[np.float64], order: list[int]
) -> None:
    there, back, shuffled = time_to_accuracy(*of), time_to_accuracy(*of[::-1]), time_to_accuracy(*of[:, order])
    assert repr(there) == repr(time_to_accuracy(*of))
    for one, other, same in zip(there, back, shuffled, strict=True):
        assert one.interval.estimate == -other.interval.estimate
        assert (one.interval.low, one.interval.high) == (-other.interval.high, -other.interval.low)
        assert (one.n_faster, one.n_slower, one.n_tied) == (other.n_slower, other.n_faster, other.n_tied)
        assert (one.median_baseline, one.n_reached_arm) == (other.median_arm, other.n_reached_baseline)
        assert one.n_faster + one.n_slower + one.n_tied == one.n_runs
        for test in ("sign_flip", "adjusted"):
            assert getattr(one, test).pvalue == getattr(other, test).pvalue == getattr(same, test).pvalue
        assert one.interval.low == pytest.approx(same.interval.low)
        assert (one.median_arm, one.n_faster) == (same.median_arm, same.n_faster)


def test_degenerate_studies_say_why_they_have_no_interval() -> None:
    one = compare([[3, 4]], [[1, 2]])
    assert one.interval.estimate == -2
    assert math.isnan(one.interval.low)
    assert str(one.reason).startswith("1 pair")
    equal = compare([[3]] * 6, [[3]] * 6)
    assert (equal.interval.low, equal.interval.high, equal.sign_flip.pvalue, equal.adjusted.pvalue) == (0, 0, 1, 1)
    nothing = np.zeros((0, 2, E))
    assert {result.reason for result in time_to_accuracy(nothing, nothing)} == {"not reached by any run"}
    assert time_to_accuracy(reaching([[1]]), reaching([[1]]), thresholds=()) == []


def test_what_is_not_two_sides_of_the_same_runs_is_refused() -> None:
    side = reaching([[1, 2]])
    with pytest.raises(ValueError, match=r"of the same runs, these have \(1, 2, 10\) and \(1, 1, 10\)"):
        time_to_accuracy(side, side[:, :1])
    with pytest.raises(ValueError, match=r"are \(seeds, cells, epochs\)"):
        time_to_accuracy(side[0], side[0])
