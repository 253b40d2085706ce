"""Oracles: planted slopes and rates, numpy's least squares, a bootstrap spelled out seed by seed."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from analysis.stats import grid
from analysis.stats.grid import Axis, BestRate, LargestRate, Share, Slope, best_rate, interaction, largest_rate
from analysis.stats.multiple_tests import max_t

SIZES, LRS = (32, 128, 512), (0.001, 0.01, 0.1)

grids = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).normal(size=(7, 3, 3)))
failures = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random((2, 7, 3, 3)) < 0.6)
scores = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(80, 100, (2, 7, 3)) / 100)


def planted(level: float, size: float, rate: float, both: float) -> NDArray[np.float64]:
    """Differences (3, 3) with these slopes at the middle of the grid: batch size 128, rate 0.01."""
    x, z = np.array([[-2.0], [0.0], [2.0]]), np.array([-1.0, 0.0, 1.0])
    return level + size * x + rate * z + both * x * z


# slopes


def axes(sizes: Sequence[float], lrs: Sequence[float]) -> list[Axis]:
    return [
        Axis("batch size", "doubling of the batch size", np.log2(sizes).tolist()),
        Axis("rate", "tenfold rate", np.log10(lrs).tolist()),
    ]


def slopes(D: ArrayLike, sizes: Sequence[float], lrs: Sequence[float], level: float = 0.95) -> list[Slope]:
    return interaction(D, axes(sizes, lrs), level)


def test_planted_slopes_are_found_exactly() -> None:
    D = [planted(0.3, 0.01 * k, 0.1, -0.02 * k) for k in (1, 2, 3, 4, 5, 6)]
    size, rate, both = slopes(D, SIZES, LRS)
    assert [slope.name for slope in (size, rate, both)] == ["batch size", "rate", "batch size x rate"]
    assert [slope.unit for slope in (size, rate)] == ["per doubling of the batch size", "per tenfold rate"]
    assert both.unit == "per doubling of the batch size and tenfold rate"
    assert size.interval.estimate == pytest.approx(0.035)
    assert rate.interval.estimate == pytest.approx(0.1)
    assert both.interval.estimate == pytest.approx(-0.07)
    assert rate.interval.reason == "all differences are equal: the spread is zero"
    assert (size.sign_flip.n_extreme, size.sign_flip.n_total) == (2, 64)
    assert size.t_test.statistic == pytest.approx(3.5 / math.sqrt(3.5 / 6))


@given(grids)
def test_slopes_are_the_least_squares_fit_of_each_seed(D: NDArray[np.float64]) -> None:
    """On an uneven grid; with columns centred at its middle."""
    sizes, lrs = (8, 64, 100), (0.003, 0.01, 0.3)
    x, z = (levels.ravel() for levels in np.meshgrid(np.log2(sizes), np.log10(lrs), indexing="ij"))
    x, z = x - x.mean(), z - z.mean()
    columns = np.column_stack([np.ones(9), x, z, x * z])
    fits = np.array([np.linalg.lstsq(columns, d.ravel(), rcond=None)[0] for d in D])
    result = slopes(D, sizes, lrs)
    assert [slope.interval.estimate for slope in result] == pytest.approx(fits.mean(axis=0)[1:])
    assert [slope.t_test.statistic for slope in result] == pytest.approx(
        fits.mean(axis=0)[1:] / fits.std(axis=0, ddof=1)[1:] * math.sqrt(7)
    )
    joint = [test.pvalue for test in max_t(fits[:, 1:])]
    assert [slope.adjusted.pvalue for slope in result] == pytest.approx(joint)
    assert all(slope.adjusted.pvalue >= slope.sign_flip.pvalue for slope in result)


def test_of_three_factors_every_one_and_every_two_have_a_slope_of_the_least_squares_fit() -> None:
    """Seeds that differ in the product of all three alone, which the fit leaves to the residuals."""
    x, y, z = (
        levels - levels.mean() for levels in np.meshgrid((0.0, 1.0), (0.0, 3.0, 4.0), (-2.0, -1.0), indexing="ij")
    )
    D = [0.1 * x - 0.2 * y + 0.3 * z + 0.4 * x * y + 0.5 * x * z - 0.6 * y * z + k * x * y * z for k in range(6)]
    three = [Axis("a", "a", (0, 1)), Axis("b", "b", (0, 3, 4)), Axis("c", "c", (-2, -1))]
    result = interaction(D, three)
    assert [slope.name for slope in result] == ["a", "b", "c", "a x b", "a x c", "b x c"]
    assert [slope.unit for slope in result][2:4] == ["per c", "per a and b"]
    assert [slope.interval.estimate for slope in result] == pytest.approx([0.1, -0.2, 0.3, 0.4, 0.5, -0.6])


@given(grids, st.permutations(range(7)))
def test_slopes_flip_with_the_arms_and_know_no_order_of_seeds(D: NDArray[np.float64], order: list[int]) -> None:
    there, back, shuffled = (slopes(d, SIZES, LRS, level=0.9) for d in (D, -D, D[order]))
    assert repr(there) == repr(slopes(D, SIZES, LRS, level=0.9))
    for one, other, same in zip(there, back, shuffled, strict=True):
        assert (one.interval.low, one.interval.high) == (-other.interval.high, -other.interval.low)
        assert one.interval.estimate == -other.interval.estimate
        assert one.sign_flip.pvalue == other.sign_flip.pvalue == same.sign_flip.pvalue
        assert one.adjusted.pvalue == other.adjusted.pvalue == same.adjusted.pvalue
        assert (one.interval.low, one.interval.high) == pytest.approx((same.interval.low, same.interval.high))
        assert one.interval.level == 0.9


def test_a_factor_with_one_level_has_no_slope() -> None:
    D = np.random.default_rng(1).normal(size=(6, 3, 3))
    assert [slope.name for slope in slopes(D[:, :1], SIZES[:1], LRS)] == ["rate"]
    assert [slope.name for slope in slopes(D[:, :, :1], SIZES, LRS[:1])] == ["batch size"]
    assert slopes(D[:, :1, :1], SIZES[:1], LRS[:1]) == []


@pytest.mark.parametrize("constant", [0.0, 0.1, 1 / 3])
def test_a_constant_difference_has_the_slope_zero_not_its_rounding(constant: float) -> None:
    for slope in slopes(np.full((6, 3, 3), constant), SIZES, (0.003, 0.01, 0.07)):
        assert (slope.interval.low, slope.interval.estimate, slope.interval.high) == (0, 0, 0)
        assert (slope.t_test.pvalue, slope.sign_flip.pvalue, slope.adjusted.pvalue) == (1, 1, 1)


def test_a_seed_without_all_its_cells_has_no_slope() -> None:
    D = np.random.default_rng(2).normal(size=(7, 3, 3))
    D[3, 0, 0] = math.nan
    assert slopes(D, SIZES, LRS) == slopes(np.delete(D, 3, axis=0), SIZES, LRS)
    for n in (0, 1):
        for slope in slopes(D[:n], SIZES, LRS):
            assert slope.interval.n == n
            assert str(slope.interval.reason).startswith(f"{n} pair")
            assert math.isnan(slope.interval.low)
            assert math.isnan(slope.adjusted.pvalue)


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
    with pytest.raises(ValueError, match=r"rate ascend, such as \(1, 10\), these are \[-1\.0, -2\.0"):
        slopes(D, SIZES, (0.1, 0.01, 0.001))
    with pytest.raises(ValueError, match=r"rates ascend from above zero, such as \(1, 10\), these are \(0, 1, 2\)"):
        best_rate(D[:, 0], D[:, 0], (0, 1, 2))
    with pytest.raises(ValueError, match=r"each of \(3, 3\) levels, these have the shape \(3, 3\)"):
        slopes(D[0], SIZES, LRS)
    with pytest.raises(ValueError, match=r"these have the shape \(5, 3\)"):
        best_rate(D[:, 0], D[:5, 0], LRS)
    with pytest.raises(ValueError, match=r"\(seeds, other factors, 3 rates\), these have the shape \(6, 3\)"):
        largest_rate(D[:, 0] > 0, D[:, 0] > 0, LRS)
    with pytest.raises(ValueError, match=r"both sides have the same runs, these have \(6, 3\) and \(5, 3\)"):
        largest_rate(D > 0, D[:5] > 0, LRS)
