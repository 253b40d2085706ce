"""Oracles: the analysis of variance with every residual written out, additive tables by hand, known variances."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from scipy import stats

from analysis.stats.intervals import Interval, t_interval
from analysis.stats.variance_components import TwoWay, spread, two_way, variance_ratio

signs = arrays(np.int8, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=7), elements=st.integers(-1, 1))
scores = st.lists(st.tuples(st.integers(0, 360), st.integers(0, 360)), min_size=3, max_size=9).map(
    lambda rows: np.array(rows).T / 360
)


def outcomes(seeds: int, images: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """A normal sum of mean 0.25 and variances 0.003 (seeds), 0.6 (images) and 1: its sign, 0 between -1 and 1."""
    latent = rng.normal(0.25, 1.0, (seeds, images))
    latent += rng.normal(0, math.sqrt(0.003), (seeds, 1)) + rng.normal(0, math.sqrt(0.6), images)
    return (latent > 1).astype(np.int8) - (latent < -1).astype(np.int8)


MEAN_OUTCOME = float(np.diff(stats.norm(0, math.sqrt(1.603)).cdf([-1.25, -0.75]))[0])
"""P(latent > 1) - P(latent < -1)."""


def mean_squares(c: NDArray) -> list[float]:
    """Return the mean squares of the seeds, the images and the residual, every residual written out."""
    S, N = c.shape
    of_seeds, of_images = np.broadcast_to(c.mean(1, keepdims=True), c.shape), np.broadcast_to(c.mean(0), c.shape)
    residual = c - of_seeds - of_images + c.mean()
    parts = (of_seeds - c.mean(), S - 1), (of_images - c.mean(), N - 1), (residual, (S - 1) * (N - 1))
    return [float(np.sum(part**2) / df) for part, df in parts]


def ends(interval: Interval) -> tuple[float, float, float]:
    return interval.estimate, interval.low, interval.high


@given(signs)
def test_the_mean_squares_are_those_of_the_analysis_of_variance(c: NDArray) -> None:
    result = two_way(c)
    squares = [result.ms_seeds, result.ms_images, result.ms_residual]
    assert squares == pytest.approx(mean_squares(c), rel=1e-9, abs=1e-12)
    assert result.new_images.estimate == pytest.approx(c.mean(), abs=1e-15)


@given(signs)
def test_for_this_test_set_it_is_the_t_interval_of_the_seeds_means(c: NDArray) -> None:
    result, seeds, images = two_way(c, 0.9), *c.shape
    assert result.this_test_set == t_interval(c.mean(axis=1), 0.9)
    half = stats.t.ppf(0.95, seeds - 1) * math.sqrt(result.ms_seeds / (seeds * images))
    assert result.this_test_set.high - result.this_test_set.estimate == pytest.approx(half, rel=1e-9, abs=1e-12)


def test_the_intervals_by_their_formulas() -> None:
    S, N = 5, 40
    c = outcomes(S, N, np.random.default_rng(4))
    s, e, r = mean_squares(c)
    result = two_way(c)
    assert result.reason is None
    for interval, df, total, residual in (
        (result.new_images, result.df_new_images, s + e - r, r),
        (result.new_images_conservative, result.df_conservative, s + e, 0),
    ):
        expected = total**2 / (s**2 / (S - 1) + e**2 / (N - 1) + residual**2 / ((S - 1) * (N - 1)))
        half = stats.t.ppf(0.975, expected) * math.sqrt(total / (S * N))
        assert df == pytest.approx(expected, rel=1e-10)
        assert ends(interval) == pytest.approx((c.mean(), c.mean() - half, c.mean() + half), rel=1e-10)
        assert (interval.reason, interval.n, interval.level) == (None, S, 0.95)


def test_a_sum_of_a_seed_and_an_image_has_no_residual_and_the_variances_of_its_parts() -> None:
    seed, image = np.array([-0.3, 0.1, 0.2, 0.4]), np.array([0.0, 0.5, -0.5, 0.2, 0.3, -0.1])
    result = two_way(seed[:, None] + image)
    assert result.ms_residual == result.var_residual == 0
    assert result.var_seeds == pytest.approx(seed.var(ddof=1), rel=1e-10)
    assert result.var_images == pytest.approx(image.var(ddof=1), rel=1e-10)


@given(signs)
def test_swapping_the_arms_flips_the_signs_exactly(c: NDArray) -> None:
    there, back = two_way(c), two_way(-c)
    for name in ("this_test_set", "new_images", "new_images_conservative"):
        one, other = getattr(there, name), getattr(back, name)
        assert ends(one) == (-other.estimate, -other.high, -other.low)
    assert (there.ms_seeds, there.ms_images, there.ms_residual) == (back.ms_seeds, back.ms_images, back.ms_residual)


@given(signs)
def test_whole_numbers_and_floats_are_one_to_it(c: NDArray) -> None:
    assert repr(two_way(c)) == repr(two_way(c.astype(float))) == repr(two_way(np.asfortranarray(c)))


@given(signs)
def test_what_it_says_is_a_number_or_has_a_reason(c: NDArray) -> None:
    result = two_way(c)
    assert min(result.var_seeds, result.var_images, result.var_residual) >= 0
    clipped = result.ms_seeds < result.ms_residual or result.ms_images < result.ms_residual
    assert (result.reason is not None) == (clipped or math.isnan(result.df_conservative))
    for interval in (result.this_test_set, result.new_images, result.new_images_conservative):
        assert interval.low <= interval.estimate <= interval.high
        assert (interval.low < interval.high) or interval.reason


def test_components_below_zero_are_zero_with_a_note() -> None:
    result = two_way([[1, 0], [0, 1], [1, 0], [0, 1]])
    assert (result.var_seeds, result.var_images) == (0, 0)
    assert result.reason == "the variance of the seeds and of the images is estimated below zero: taken as zero"


def test_where_the_difference_of_mean_squares_is_not_above_zero_the_conservative_interval_stands_in() -> None:
    """MS_s = 1/6, MS_e = 1/6 and MS_r = 1/2, by hand."""
    result = two_way([[1, 0, 0], [0, 1, 0]])
    assert result.ms_seeds + result.ms_images - result.ms_residual < 0
    assert result.new_images_conservative.low < result.new_images_conservative.high
    assert ends(result.new_images) == ends(result.new_images_conservative)
    assert result.df_new_images == result.df_conservative
    assert result.new_images.reason == "MS_s + MS_e - MS_r is not above zero: the conservative MS_s + MS_e instead"
    assert result.new_images_conservative.reason is None


def test_a_difference_of_mean_squares_keeps_the_degrees_of_freedom_of_its_poorest() -> None:
    """MS_s = MS_e = MS_r = 1/8, by hand: what is left is MS_s, with its one degree of freedom and not 3/5."""
    result = two_way([[0, 0, 0, 0], [1, 0, 0, 0]])
    assert (result.ms_seeds, result.ms_images, result.ms_residual) == pytest.approx((0.125, 0.125, 0.125))
    assert result.df_new_images == 1
    assert ends(result.new_images) == pytest.approx(ends(result.this_test_set))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1 + 0.2, -1 / 3])
def test_constant_differences_have_no_spread_and_say_so(value: float) -> None:
    result = two_way(np.full((4, 7), value))
    assert (result.ms_seeds, result.ms_images, result.ms_residual) == (0, 0, 0)
    for interval in (result.this_test_set, result.new_images, result.new_images_conservative):
        assert interval.low == interval.high == interval.estimate == pytest.approx(value)
        assert "the spread is zero" in (interval.reason or "")


@pytest.mark.parametrize("shape", [(0, 5), (1, 5), (5, 1), (5, 0), (0, 0), (1, 1)])
def test_fewer_than_two_seeds_or_images_give_no_number_and_the_reason(shape: tuple[int, int]) -> None:
    result = two_way(np.arange(math.prod(shape)).reshape(shape) % 3 - 1)
    assert result.reason == f"{shape[0]} seeds and {shape[1]} images: two of each are needed to tell their noise apart"
    assert math.isnan(result.ms_seeds)
    assert math.isnan(result.var_images)
    for interval in (result.new_images, result.new_images_conservative):
        assert math.isnan(interval.low)
        assert interval.reason == result.reason


def test_what_is_no_finite_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match=r"these have the shape \(3,\)"):
        two_way([1, 0, 1])
    with pytest.raises(ValueError, match="that of seed 1 and image 0 is nan"):
        two_way([[0.0, 1.0], [math.nan, 0.0]])


def test_a_hundred_seeds_on_ten_thousand_images_take_no_second_array() -> None:
    c = np.random.default_rng(0).integers(-1, 2, (100, 10_000), dtype=np.int8)
    tracemalloc.start()
    try:
        two_way(c)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < c.nbytes


@given(scores)
def test_pairing_gain_is_the_ratio_of_the_squared_standard_errors(of: NDArray) -> None:
    a, b = of
    ratio = variance_ratio(a, b)
    if ratio.reason is None:
        unpaired = (a.var(ddof=1) + b.var(ddof=1)) / len(a)
        paired = np.var(b - a, ddof=1) / len(a)
        assert ratio.gain == pytest.approx(unpaired / paired, rel=1e-9)
        assert ratio.rho == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-9)
    back = variance_ratio(b, a)
    assert repr(ratio.gain) == repr(back.gain)
    assert ratio.rho == pytest.approx(back.rho, nan_ok=True)


def test_with_equal_spreads_the_gain_is_one_over_one_minus_rho() -> None:
    ratio = variance_ratio([0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.1, 0.3, 0.5, 0.4])
    assert ratio.rho == pytest.approx(0.8)
    assert ratio.gain == pytest.approx(1 / (1 - 0.8))


def test_pairing_without_a_spread_says_of_what() -> None:
    varied, same = [0.1, 0.4, 0.3], [0.9, 0.9, 0.9]
    one = variance_ratio(varied, same)
    assert math.isnan(one.rho)
    assert one.gain == pytest.approx(1)
    assert one.reason == "the spread of the arm is zero"
    shifted = variance_ratio(varied, np.add(varied, 0.3))
    assert shifted.rho == pytest.approx(1)
    assert math.isnan(shifted.gain)
    assert shifted.reason == "the spread of the difference is zero"
    neither = variance_ratio(same, same)
    assert math.isnan(neither.rho)
    assert math.isnan(neither.gain)
    assert neither.reason == "the spread of the baseline and of the arm and of the difference is zero"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_pairs_have_no_correlation(n: int) -> None:
    ratio = variance_ratio([0.1, 0.2][:n], [0.3, 0.5][:n])
    assert math.isnan(ratio.rho)
    assert math.isnan(ratio.gain)
    assert ratio.reason == f"{n} pairs: no correlation to speak of"


def test_spread_by_hand() -> None:
    """Means 0.8, 0.9 and 0.7; within a run deviations of 0.1, 0.2 and 0.1 to either side, variances 2 d^2."""
    result = spread([[0.7, 0.9], [0.7, 1.1], [0.8, 0.6]])
    assert result.over_seeds == pytest.approx(0.1)
    assert result.over_epochs == pytest.approx(math.sqrt((0.02 + 0.08 + 0.02) / 3))
    assert (result.n_seeds, result.n_epochs, result.reason) == (3, 2, None)


def test_spread_needs_two_seeds_and_two_epochs() -> None:
    one_seed, one_epoch, nothing = spread([[0.7, 0.9]]), spread([[0.7], [0.9]]), spread(np.empty((0, 0)))
    assert math.isnan(one_seed.over_seeds)
    assert one_seed.over_epochs == pytest.approx(math.sqrt(0.02))
    assert one_seed.reason == "1 seeds: no spread"
    assert one_epoch.over_seeds == pytest.approx(math.sqrt(0.02))
    assert math.isnan(one_epoch.over_epochs)
    assert nothing.reason == "0 seeds and 0 epochs: no spread"
    assert math.isnan(nothing.over_seeds)
    assert math.isnan(nothing.over_epochs)


def test_what_are_no_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="these are 3 and 4 scores"):
        variance_ratio([0.1] * 3, [0.1] * 4)
    with pytest.raises(ValueError, match="number 1 is not"):
        variance_ratio([0.1, math.nan, 0.2], [0.1] * 3)
    with pytest.raises(ValueError, match=r"scores have 2 dimensions here, these have the shape \(2,\)"):
        spread([0.1, 0.2])


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "images"), [(5, 200), (10, 1000)])
def test_with_other_seeds_and_images_only_the_two_way_interval_covers(seeds: int, images: int) -> None:
    """D10: 2,000 studies. The interval of the seeds alone is the negative control."""
    rng, studies = np.random.default_rng(10), 2000
    results = [two_way(outcomes(seeds, images, rng)) for _ in range(studies)]

    def coverage(name: str) -> float:
        intervals = [getattr(study, name) for study in results]
        return float(np.mean([interval.low <= MEAN_OUTCOME <= interval.high for interval in intervals]))

    error = math.sqrt(0.05 * 0.95 / studies)
    assert 0.94 - 3.3 * error <= coverage("new_images") <= 0.98 + 3.3 * error
    assert coverage("new_images_conservative") >= coverage("new_images")
    assert coverage("this_test_set") < 0.90


@pytest.mark.slow
def test_the_components_are_estimated_without_bias() -> None:
    """2,000 tables of normal sums with variances 0.5, 0.2 and 1, none of them near the clipping at zero."""
    rng = np.random.default_rng(13)

    def table() -> TwoWay:
        return two_way(
            rng.normal(0, math.sqrt(0.5), (8, 1)) + rng.normal(0, math.sqrt(0.2), 50) + rng.normal(size=(8, 50))
        )

    components = np.array([(one.var_seeds, one.var_images, one.var_residual) for one in (table() for _ in range(2000))])
    error = components.std(axis=0) / math.sqrt(len(components))
    assert (np.abs(components.mean(axis=0) - [0.5, 0.2, 1.0]) <= 3.3 * error).all()


@pytest.mark.slow
@pytest.mark.parametrize("var_images", [0.0, 0.5])
def test_where_images_bring_no_noise_the_two_way_interval_covers_as_well(var_images: float) -> None:
    """2,000 tables of five seeds and 50 images, variances 0 (seeds) and 1: the difference of mean squares is small."""
    rng, studies = np.random.default_rng(14), 2000
    tables = (rng.normal(0, math.sqrt(var_images), 50) + rng.normal(size=(5, 50)) for _ in range(studies))
    intervals = [two_way(table).new_images for table in tables]
    covered = np.mean([interval.low <= 0 <= interval.high for interval in intervals])
    error = math.sqrt(0.05 * 0.95 / studies)
    assert 0.94 - 3.3 * error <= covered <= 0.96 + 3.3 * error
    assert max(interval.high - interval.low for interval in intervals) < 5
