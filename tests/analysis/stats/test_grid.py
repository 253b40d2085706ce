"""Oracles: planted effects and rates, means spelled out, a bootstrap spelled out seed by seed."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.stats import grid
from analysis.stats.families import simultaneous_inference
from analysis.stats.grid import Axis, BestRate, LargestRate, Share, best_rate, largest_rate, level_differences

SIZES, LRS = (32, 128, 512), (0.001, 0.01, 0.1)

grids = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(7, 3, 3)))
failures = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((2, 7, 3, 3)) < 0.6)
scores = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(80, 100, (2, 7, 3)) / 100)


# differences between levels

AXES = [Axis("batch size", SIZES), Axis("rate", LRS)]


def test_a_leap_between_two_levels_is_told_from_none_between_others() -> None:
    """Nothing from rate 0.001 to 0.01, and ten beyond: a line through the three would rise by five at every step."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=(10, 3, 3))
    smaller, larger = level_differences(noise + np.array([0.0, 0.0, 10.0]), AXES)[2:]
    assert (smaller.name, smaller.lower, smaller.upper) == ("rate", 0.001, 0.01)
    assert smaller.interval.low < 0 < smaller.interval.high
    assert larger.interval.low > 9.5
    assert (larger.test.n_extreme, larger.test.n_total) == (1, 1025)


@given(grids)
def test_each_difference_is_between_the_means_over_the_other_factor_and_all_are_one_family(
    D: NDArray[np.float64],
) -> None:
    columns = [D[:, i + 1].mean(1) - D[:, i].mean(1) for i in range(2)]
    columns += [D[:, :, i + 1].mean(1) - D[:, :, i].mean(1) for i in range(2)]
    result = level_differences(D, AXES, level=0.9)
    for difference, member in zip(result, simultaneous_inference(np.column_stack(columns), 0.9), strict=True):
        ends = (member.interval.low, member.interval.high)
        assert (difference.interval.low, difference.interval.high) == pytest.approx(ends)
        assert difference.test.pvalue == member.test.pvalue
        assert difference.interval.level == 0.9


def test_of_names_every_two_are_compared_and_of_one_level_none() -> None:
    D = np.arange(6.0)[:, None, None] + np.array([[0.0, 1.0, 5.0]] * 2)
    names = Axis("activation", ("relu", "tanh", "sigmoid"), ordered=False)
    result = level_differences(D, [Axis("batch size", (32, 64)), names])
    assert [(d.lower, d.upper, d.interval.estimate) for d in result] == [
        (32, 64, 0), ("relu", "tanh", 1), ("relu", "sigmoid", 5), ("tanh", "sigmoid", 4),
    ]  # fmt: skip
    assert [d.name for d in level_differences(D[:, :1], [Axis("batch size", (32,)), names])] == ["activation"] * 3
    assert level_differences(D[:, :1, :1], [Axis("batch size", (32,)), Axis("rate", (0.1,))]) == []


@given(grids, st.permutations(range(7)))
def test_differences_between_levels_flip_with_the_arms_and_know_no_order_of_seeds(
    D: NDArray[np.float64], order: list[int]
) -> None:
    there, back, shuffled = (level_differences(d, AXES) for d in (D, -D, D[order]))
    assert repr(there) == repr(level_differences(D, AXES))
    for one, other, same in zip(there, back, shuffled, strict=True):
        assert (one.interval.low, one.interval.high) == pytest.approx((-other.interval.high, -other.interval.low))
        assert one.test.pvalue == other.test.pvalue == same.test.pvalue
        assert (one.interval.low, one.interval.high) == pytest.approx((same.interval.low, same.interval.high))


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3])
def test_a_constant_effect_differs_by_zero_not_its_rounding(constant: float) -> None:
    for difference in level_differences(np.full((6, 3, 3), constant), AXES):
        interval = difference.interval
        assert (interval.low, interval.estimate, interval.high, difference.test.pvalue) == (0, 0, 0, 1)


def test_a_seed_without_all_its_cells_has_no_difference_between_levels() -> None:
    D = np.random.default_rng(2).normal(size=(7, 3, 3))
    D[3, 0, 0] = math.nan
    assert level_differences(D, AXES) == level_differences(np.delete(D, 3, axis=0), AXES)
    for n in (0, 1):
        for difference in level_differences(D[:n], AXES):
            assert difference.interval.n == n
            assert math.isnan(difference.interval.low)
            assert math.isnan(difference.test.pvalue)


# largest rates


def never(*bears: int) -> NDArray[np.bool_]:
    """(1, batch sizes, 3) failures of one seed: at every rate beyond the first ``bears``, by batch size."""
    return np.array([[[i >= k for i in range(3)] for k in bears]])


def test_the_planted_largest_rates_are_found() -> None:
    """Seed 1: tenfold and a hundredfold; seed 2: none against tenfold; seed 3: equal; seed 4: a tenth."""
    baseline = np.concatenate([never(1, 1), never(0, 1), never(2, 2), never(3, 3)])
    arm = np.concatenate([never(2, 3), never(1, 1), never(2, 2), never(2, 2)])
    result = largest_rate(baseline, arm, LRS)
    assert result.interval.estimate == (1.5 + 0.5 + 0 - 1) / 4
    assert (result.interval.n, result.n_runs) == (4, 8)
    assert (result.n_none, result.n_none_baseline, result.n_none_arm) == (1, 1, 0)
    assert result.shares == (
        Share(None, 1 / 8, 0.0),
        Share(0.001, 3 / 8, 2 / 8),
        Share(0.01, 2 / 8, 5 / 8),
        Share(0.1, 2 / 8, 1 / 8),
    )


def test_the_largest_rate_that_works_counts_even_where_a_smaller_one_fails() -> None:
    odd = np.array([[[True, True, False]]] * 6)
    result = largest_rate(np.zeros_like(odd), odd, LRS)
    assert result.interval.estimate == 0
    assert [share.of_arm for share in result.shares] == [0, 0, 0, 1]


@pytest.mark.parametrize(("lrs", "step"), [((0.1,), 10.0), ((0.01, 0.04), 4.0), ((0.1, 0.2, 2.0), 2.0)])
def test_no_rate_at_all_is_one_step_of_the_grid_below_the_smallest(lrs: tuple[float, ...], step: float) -> None:
    failed = np.ones((6, 2, len(lrs)), dtype=bool)
    works = failed.copy()
    works[:, :, 0] = False
    result = largest_rate(failed, works, lrs)
    assert result.interval.estimate == pytest.approx(math.log10(step))
    assert (result.n_none_baseline, result.n_none_arm) == (12, 0)
    both = largest_rate(failed, failed, lrs)
    assert (both.interval.estimate, both.sign_flip.pvalue, both.n_none) == (0, 1, 24)


@given(failures, st.permutations(range(7)))
def test_largest_rates_flip_with_the_arms_and_know_no_order_of_seeds(
    failed: NDArray[np.bool_], order: list[int]
) -> None:
    there: LargestRate = largest_rate(*failed, LRS)
    back, shuffled = largest_rate(*failed[::-1], LRS), largest_rate(*failed[:, order], LRS)
    assert repr(there) == repr(largest_rate(*failed, LRS))
    assert there.interval.estimate == -back.interval.estimate
    assert (there.interval.low, there.interval.high) == (-back.interval.high, -back.interval.low)
    assert there.sign_flip.pvalue == back.sign_flip.pvalue == shuffled.sign_flip.pvalue
    assert [(row.lr, row.of_arm, row.of_baseline) for row in back.shares] == [
        (row.lr, row.of_baseline, row.of_arm) for row in there.shares
    ]
    assert there.shares == shuffled.shares
    assert there.interval.low == pytest.approx(shuffled.interval.low)


def test_few_seeds_have_largest_rates_and_no_interval() -> None:
    one = largest_rate(never(1, 1), never(3, 3), LRS)
    assert one.interval.estimate == 2
    assert math.isnan(one.interval.low)
    assert str(one.interval.reason).startswith("1 pair")
    none = largest_rate(never(1)[:0], never(1)[:0], LRS)
    assert (none.n_runs, none.shares) == (0, ())
    assert str(none.interval.reason).startswith("0 pairs")


# best rates


def test_the_planted_best_rates_are_found() -> None:
    rng = np.random.default_rng(0)
    baseline = np.array([0.5, 0.9, 0.1]) + rng.normal(scale=0.01, size=(10, 3))
    arm = np.array([0.5, 0.6, 0.9]) + rng.normal(scale=0.01, size=(10, 3))
    result = best_rate(baseline, arm, LRS)
    assert (result.best_baseline, result.best_arm) == (0.01, 0.1)
    assert (result.interval.low, result.interval.estimate, result.interval.high) == (1, 1, 1)
    assert result.interval.reason == "the interval has no width: all but a few resamples find the same shift"
    assert result.shares == (Share(0.001, 0, 0), Share(0.01, 1, 0), Share(0.1, 0, 1))
    assert result.ties is None


def test_the_bootstrap_repeats_the_choice_in_every_resample() -> None:
    """Oracle: one resample after the other, a mean for each rate; shares within 4 standard errors, same ends."""
    rng = np.random.default_rng(5)
    baseline, arm = rng.normal(size=(2, 8, 3)) + np.array([[[0.0, 0.3, 0.2]], [[0.0, 0.1, 0.5]]])
    result = best_rate(baseline, arm, LRS)
    drawn = rng.integers(0, 8, (4000, 8))
    choices = np.array([[baseline[seeds].mean(0).argmax(), arm[seeds].mean(0).argmax()] for seeds in drawn])
    for i, row in enumerate(result.shares):
        for share, oracle in ((row.of_baseline, choices[:, 0] == i), (row.of_arm, choices[:, 1] == i)):
            assert abs(share - oracle.mean()) < 4 * math.sqrt(0.25 / 4000 + 0.25 / 9999)
    shift = choices[:, 1] - choices[:, 0]
    assert np.unique(shift).size > 3
    ends = np.quantile(shift, [0.025, 0.975], method="inverted_cdf")
    assert (result.interval.low, result.interval.high) == pytest.approx(ends)


def test_both_sides_are_drawn_together() -> None:
    """Both choose alike in every resample where the arm scores what the baseline does, so the shift is zero."""
    noise = np.random.default_rng(3).normal(size=(8, 3))
    scores = noise - noise.mean(axis=0)
    result = best_rate(scores, scores + 1, LRS)
    assert all(0.05 < row.of_arm < 0.95 for row in result.shares)
    assert (result.interval.low, result.interval.high) == (0, 0)
    assert [row.of_arm for row in result.shares] == [row.of_baseline for row in result.shares]


def test_the_percentile_ends_are_the_250th_resamples_from_either_side() -> None:
    shift = np.array([0.0, *range(1, 10_000)])
    result = grid._percentile(shift, 6, 0.95)
    assert (result.low, result.high) == (250, 9_750)
    inner = grid._percentile(shift, 6, 0.9)
    assert (inner.low, inner.high) == (500, 9_500)


@given(scores, st.permutations(range(7)))
def test_best_rates_flip_with_the_arms_and_know_no_order_of_seeds(of: NDArray[np.float64], order: list[int]) -> None:
    there: BestRate = best_rate(*of, LRS)
    back = best_rate(*of[::-1], LRS)
    assert repr(there) == repr(best_rate(*of, LRS)) == repr(best_rate(*of[:, order], LRS))
    assert (there.best_baseline, there.best_arm) == (back.best_arm, back.best_baseline)
    assert there.interval.estimate == -back.interval.estimate
    assert (there.interval.low, there.interval.high) == (-back.interval.high, -back.interval.low)
    assert there.shares == tuple(Share(row.lr, row.of_arm, row.of_baseline) for row in back.shares)


def test_ties_take_the_smaller_rate_and_say_so() -> None:
    """The same accuracies in another order of seeds: the sums differ by rounding alone, and are a tie."""
    column = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    tied = np.column_stack([column - 0.05, column, column[::-1]])
    better = tied + np.array([0, 0, 0.01])
    result = best_rate(tied, better, LRS)
    assert (result.best_baseline, result.best_arm) == (0.01, 0.1)
    assert (result.n_tied_baseline, result.n_tied_arm) == (2, 1)
    assert result.ties == "2 rates are equally good for the baseline: the smallest is taken"
    failed = best_rate(np.full((6, 3), 0.1), np.full((6, 3), 0.1), LRS)
    assert (failed.best_baseline, failed.best_arm, failed.interval.estimate) == (0.001, 0.001, 0)
    assert failed.ties == (
        "3 rates are equally good for the baseline and 3 rates are equally good for the arm: the smallest is taken"
    )


def test_below_6_seeds_there_is_a_choice_and_no_interval() -> None:
    of = np.random.default_rng(4).normal(size=(2, 5, 3))
    for n in range(1, 6):
        result = best_rate(*of[:, :n], LRS)
        assert result.best_arm == LRS[of[1, :n].mean(axis=0).argmax()]
        assert math.isnan(result.interval.low)
        assert result.interval.reason == f"{n} seeds: too few to resample, the fewest are 6"
        assert result.shares == ()
    none = best_rate(*of[:, :0], LRS)
    assert (none.best_baseline, none.best_arm, none.interval.reason) == (None, None, "0 seeds")


def test_a_seed_without_all_its_scores_is_left_out_on_both_sides() -> None:
    of = np.random.default_rng(6).normal(size=(2, 8, 3))
    of[1, 2, 0] = math.nan
    result = best_rate(*of, LRS)
    assert result.interval.n == 7
    assert repr(result) == repr(best_rate(*np.delete(of, 2, axis=1), LRS))


def test_one_rate_has_no_shift() -> None:
    result = best_rate(np.ones((6, 1)), np.zeros((6, 1)), (0.01,))
    assert (result.interval.low, result.interval.estimate, result.interval.high) == (0, 0, 0)
    assert result.shares == (Share(0.01, 1, 1),)
    assert result.ties is None


# what is refused


def test_levels_and_shapes_that_cannot_be_a_grid_are_refused() -> None:
    D = np.zeros((6, 3, 3))
    with pytest.raises(ValueError, match=r"rates ascend from above zero, such as \(1, 10\), these are \(0, 1, 2\)"):
        best_rate(D[:, 0], D[:, 0], (0, 1, 2))
    with pytest.raises(ValueError, match=r"each of \(3, 3\) levels, these have the shape \(3, 3\)"):
        level_differences(D[0], AXES)
    with pytest.raises(ValueError, match=r"these have the shape \(5, 3\)"):
        best_rate(D[:, 0], D[:5, 0], LRS)
    with pytest.raises(ValueError, match=r"\(seeds, other factors, 3 rates\), these have the shape \(6, 3\)"):
        largest_rate(D[:, 0] > 0, D[:, 0] > 0, LRS)
    with pytest.raises(ValueError, match=r"both sides have the same runs, these have \(6, 3\) and \(5, 3\)"):
        largest_rate(D > 0, D[:5] > 0, LRS)
