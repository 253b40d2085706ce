"""Oracles: all subsets, exact enumeration, Kolmogorov's law, published tables, and surfaces whose truth is known.

Coverage is measured on independent trials and on scrambled Sobol points, and where it fails that is asserted too.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.stats import qmc

from analysis.stats.sign_flips import generator, sorted_rows
from analysis.stats.tuning import good_regions, tuning_curves
from analysis.stats.tuning.good_regions import good_region, good_region_difference
from analysis.stats.tuning.tuning_curves import expected_best, expected_best_band, expected_best_difference

Array = NDArray[np.float64]

tenths = st.lists(st.integers(0, 10), min_size=1, max_size=8).map(lambda ks: [k / 10 for k in ks])
trials = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).integers(0, 40, (2, 24)) / 40)


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning_curves, "BOOTSTRAP_RESAMPLES", 999)
        yield


# expected best


@given(tenths)
def test_the_expected_best_is_the_mean_over_all_subsets(scores: list[float]) -> None:
    for b, best in enumerate(expected_best(scores), start=1):
        assert best == pytest.approx(np.mean([max(subset) for subset in itertools.combinations(scores, b)]))


def test_the_coefficients_are_those_of_the_formula_exactly() -> None:
    """Each order statistic in turn is the only score that is not zero: C(i-1, b-1) / C(n, b)."""
    n = 30
    for i in (1, 2, 15, 29, 30):
        step = expected_best([0.0] * (i - 1) + [1.0] * (n + 1 - i)) - expected_best([0.0] * i + [1.0] * (n - i))
        exact = [float(Fraction(math.comb(i - 1, b - 1), math.comb(n, b))) for b in range(1, n + 1)]
        assert step == pytest.approx(exact, abs=1e-14)


@given(tenths)
def test_the_expected_best_starts_at_the_mean_ends_at_the_best_and_never_falls(scores: list[float]) -> None:
    best = expected_best(scores)
    assert best[0] == pytest.approx(np.mean(scores))
    assert best[-1] == max(scores)
    assert (np.diff(best) >= 0).all()
    assert best.tolist() == expected_best(scores[::-1]).tolist()
    assert 3 * best - 7 == pytest.approx(expected_best(3 * np.array(scores) - 7))


def test_the_expected_best_is_unbiased_where_drawing_with_replacement_is_not() -> None:
    """The best of b uniform numbers is b / (b + 1) on average."""
    rng, n = np.random.default_rng(0), 10
    samples = rng.random((4000, n))
    best, truth = np.array([expected_best(sample) for sample in samples]), np.arange(1, n + 1) / np.arange(2, n + 2)
    error = best.std(axis=0) / math.sqrt(len(samples))
    assert (np.abs(best.mean(axis=0) - truth) < 4 * error).all()
    share = np.arange(1, n + 1) / n
    replaced = np.array([np.sort(sample) @ np.diff(share**n, prepend=0.0) for sample in samples])
    assert replaced.mean() < truth[-1] - 20 * error[-1]


def test_10_000_trials_lose_no_digits() -> None:
    n = 10_000
    best = expected_best(np.arange(1, n + 1))
    b = np.arange(1, n + 1)
    assert best == pytest.approx(b * (n + 1) / (b + 1), rel=1e-12)  # German tank problem


# band


@pytest.mark.parametrize("n", [1, 2, 7, 40, 300])
def test_the_chance_that_all_order_statistics_keep_their_limits_is_kolmogorovs(n: int) -> None:
    i = np.arange(1, n + 1)
    for e in (0.6 / math.sqrt(n), 1.2 / math.sqrt(n)):
        chance = tuning_curves._all_within(np.clip(i / n - e, 0, 1), np.clip((i - 1) / n + e, 0, 1))
        rounding = 1e-12 if n < 140 else 1e-5  # scipy's is a series then
        assert chance == pytest.approx(stats.kstwo.cdf(e, n), abs=rounding)


def test_order_statistics_of_3_keep_limits_as_often_as_an_integral_says() -> None:
    low, high = np.array([0.1, 0.2, 0.5]), np.array([0.6, 0.7, 1.0])
    points = np.sort(qmc.Sobol(3, rng=np.random.default_rng(0)).random(2**17), axis=1)
    share = ((low <= points) & (points <= high)).all(axis=1).mean()
    assert tuning_curves._all_within(low, high) == pytest.approx(share, abs=1e-3)
    assert tuning_curves._all_within(low, low) == 0


@pytest.mark.parametrize("n", [1, 5, 64, 256])
def test_ranks_keep_their_beta_limits_together_as_often_as_asked(n: int) -> None:
    for level in (0.8, 0.95, 0.99):
        low, high = tuning_curves._ranks(n, level)
        assert tuning_curves._all_within(low, high) == pytest.approx(level, abs=1e-6)
        assert low == pytest.approx(1 - high[::-1])


def test_the_band_of_one_trial_is_by_hand() -> None:
    """F is below .975 before the score and above .025 behind it, each with 97.5 %."""
    low, high = expected_best_band([0.4], 0.95)
    assert low == pytest.approx([0.4 * (1 - 0.975)])
    assert high == pytest.approx([1 - 0.6 * 0.025])


@given(tenths, st.sampled_from([0.5, 0.9, 0.99]))
def test_the_band_holds_the_estimate_and_scales_with_its_bounds(scores: list[float], level: float) -> None:
    low, high = expected_best_band(scores, level)
    estimate = expected_best(scores)
    assert ((low >= 0) & (low <= estimate) & (estimate <= high) & (high <= 1)).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) >= -1e-15).all()
    scaled = expected_best_band(100 * np.array(scores) - 20, level, bounds=(-20, 80))
    assert scaled[0] == pytest.approx(100 * low - 20)
    assert scaled[1] == pytest.approx(100 * high - 20)
    wider = expected_best_band(scores, level, bounds=(-1, 3))
    assert (wider[0] <= low).all()
    assert (wider[1] >= high).all()
    surer = expected_best_band(scores, 0.995)
    assert (surer[0] <= low).all()
    assert (surer[1] >= high).all()


def test_the_band_is_narrower_at_large_budgets_than_kolmogorovs() -> None:
    scores = np.sort(np.random.default_rng(1).random(64))
    low, _ = expected_best_band(scores)
    e = float(stats.kstwo.ppf(0.95, 64))
    by_kolmogorov = 1 - np.clip(np.arange(65) / 64 + e, 0, 1) ** 64 @ np.diff(scores, prepend=0.0, append=1.0)
    assert low[-1] > by_kolmogorov + 0.05


# the difference of two expected bests


def test_the_difference_is_that_of_the_two_curves() -> None:
    baseline, arm = np.random.default_rng(2).random((2, 24))
    result = expected_best_difference(baseline, arm)
    assert result.estimates == pytest.approx(expected_best(arm) - expected_best(baseline))
    assert (result.n, result.up_to, len(result.low), len(result.high), result.reason) == (24, 6, 6, 6, None)
    assert all(low < d < high for low, d, high in zip(result.low, result.estimates, result.high, strict=False))


def test_a_resample_is_the_expected_best_of_the_trials_drawn_and_its_error_by_their_influence() -> None:
    """Oracles: the function on the drawn trials, and what a little more weight on a trial changes, by difference."""
    rng = np.random.default_rng(3)
    rows = rng.integers(0, 30, (20, 2)) / 10
    copies = rng.multinomial(20, np.full(20, 1 / 20), 8).astype(float)
    differences, errors = tuning_curves._differences(rows, copies, 5)
    for k, drawn in enumerate(copies.astype(int)):
        one, other = (np.repeat(side, drawn) for side in rows.T)
        assert differences[k] == pytest.approx((expected_best(other) - expected_best(one))[:5])
        pulls = influence(rows[:, 1], copies[k]) - influence(rows[:, 0], copies[k])
        assert errors[k] == pytest.approx(np.sqrt(copies[k] @ pulls**2) / 20, rel=1e-3)


def test_the_band_is_as_wide_as_the_largest_t_of_resamples_spelled_out() -> None:
    """One resample after the other, around the best of b draws with replacement: what a resample is on average."""
    rng = np.random.default_rng(8)
    one, other = rng.random(20), rng.random(20) ** 2
    rows = min(sorted_rows(one, other), sorted_rows(other, one), key=lambda rows: rows.tolist())
    share = np.arange(1, 21) / 20
    centre = [
        np.subtract(*(np.sort(side) @ np.diff(share**b, prepend=0.0) for side in rows.T[::-1])) for b in range(1, 6)
    ]
    largest = []
    for copies in generator("budget", rows).multinomial(20, np.full(20, 1 / 20), tuning_curves.BOOTSTRAP_RESAMPLES):
        best_one, best_other = (expected_best(np.repeat(side, copies))[:5] for side in rows.T)
        error = tuning_curves._differences(rows, copies[None].astype(float), 5)[1][0]
        largest.append(max(abs(best_other - best_one - centre) / error))
    error = tuning_curves._differences(rows, np.ones((1, 20)), 5)[1][0]
    assert tuning_curves._half_widths(rows[:, 0], rows[:, 1], 0.9) == pytest.approx(
        sorted(largest)[math.ceil(0.9 * len(largest)) - 1] * error
    )


def influence(scores: Array, copies: Array) -> Array:
    """(trials, 5): the derivative of the best of b draws with replacement by the weight of each trial."""
    order, step = np.argsort(scores, kind="stable"), 1e-6

    def best(weights: Array) -> Array:
        share = np.cumsum((weights / weights.sum())[order])
        return np.array([scores[order] @ np.diff(share**b, prepend=0.0) for b in range(1, 6)])

    weights = copies / copies.sum()
    up, down = ([best((1 - e) * weights + e * np.eye(len(scores))[j]) for j in range(20)] for e in (step, -step))
    return (np.array(up) - np.array(down)) / (2 * step)


def test_both_scores_of_a_trial_are_drawn_together() -> None:
    """An arm that is the baseline and a tenth has no spread of the difference; shuffled, it has one."""
    baseline = np.random.default_rng(4).random(40)
    together = expected_best_difference(baseline, baseline + 0.1)
    assert together.low == pytest.approx([0.1] * 10)
    assert together.high == pytest.approx([0.1] * 10)
    assert together.reason == "the band has no width: every trial finds the same difference"
    apart = expected_best_difference(baseline, np.random.default_rng(5).permutation(baseline) + 0.1)
    assert apart.high[0] - apart.low[0] > 0.1


@given(trials, st.permutations(range(24)))
def test_sides_that_swap_flip_the_signs_and_the_order_of_trials_is_nothing(of: Array, order: list[int]) -> None:
    there, back = expected_best_difference(*of), expected_best_difference(*of[::-1])
    assert there == expected_best_difference(*of) == expected_best_difference(*of[:, order])
    assert there.estimates == tuple(-d for d in back.estimates)
    assert there.low == tuple(-end for end in back.high)


def test_a_higher_level_is_a_wider_band() -> None:
    of = np.random.default_rng(6).random((2, 32))
    narrow, wide = (expected_best_difference(of[0], of[1], level) for level in (0.8, 0.95))
    assert all(a < b for a, b in zip(wide.low, narrow.low, strict=True))
    assert wide.level == 0.95


@pytest.mark.parametrize("n", [1, 2, 19])
def test_below_20_trials_there_is_a_difference_and_no_band(n: int) -> None:
    result = expected_best_difference(*np.random.default_rng(7).random((2, n)))
    assert len(result.estimates) == n
    assert (result.low, result.high, result.up_to) == ((), (), 0)
    assert result.reason == f"{n} trial{'' if n == 1 else 's'}: too few to resample, the fewest are 20"


def test_one_good_trial_among_failures_is_no_band() -> None:
    """A third of the resamples miss it and have no spread at all."""
    result = expected_best_difference([0.1] * 20, [0.1] * 19 + [0.9])
    assert result.reason == "the band has no ends: in too many resamples the trials do not differ"
    assert set(result.low) == {-math.inf}
    assert set(result.high) == {math.inf}


# good regions


def test_the_good_share_has_clopper_and_pearsons_interval() -> None:
    """Ligarden et al. 2010 as in R's contingencytables 3.1: 13 of 16, 0.5435 to 0.9595; the rule of three for none."""
    interval = good_region([0.9] * 13 + [0.1] * 3, target=0.9)
    assert (round(interval.low, 4), interval.estimate, round(interval.high, 4)) == (0.5435, 0.8125, 0.9595)
    none = good_region([0.1] * 50, target=0.9)
    assert (none.low, none.estimate) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 50))
    assert good_region([], 0.5).reason == "0 trials"


def table(both: int, only_baseline: int, only_arm: int, neither: int) -> tuple[list[int], list[int]]:
    counts = (both, only_baseline, only_arm, neither)
    baseline, arm = (np.repeat(side, counts).tolist() for side in ([1, 1, 0, 0], [1, 0, 1, 0]))
    return baseline, arm


def test_a_published_table_has_its_tango_interval_and_exact_mcnemar_test() -> None:
    """Cavo et al. 2012, as the tests of R's contingencytables (Fagerland, Lydersen & Laake 2017) have it."""
    result = good_region_difference(*table(59, 16, 6, 80), 1, 1)
    assert (result.n_both, result.n_only_baseline, result.n_only_arm, result.n_neither) == (59, 16, 6, 80)
    assert round(result.interval.estimate, 4) == -0.0621
    assert (round(result.interval.low, 4), round(result.interval.high, 4)) == (-0.1240, -0.0054)
    assert (result.mcnemar.n, result.mcnemar.statistic, round(result.mcnemar.pvalue, 6)) == (22, 6, 0.052479)


@pytest.mark.parametrize(("plus", "minus", "n"), [(3, 1, 20), (12, 2, 50), (0, 4, 30), (5, 5, 10), (1, 7, 21)])
def test_tangos_ends_are_where_the_likeliest_shares_leave_z_standard_errors(plus: int, minus: int, n: int) -> None:
    """Oracle: the share under d by maximising the likelihood numerically."""
    interval = good_regions._tango(plus, minus, n, 0.95)
    for d in (interval.low, interval.high):
        share = optimize.minimize_scalar(
            lambda q, d=d: (
                -(plus * math.log(q + d) + minus * math.log(q) + (n - plus - minus) * math.log(1 - 2 * q - d))
            ),
            bounds=(max(0.0, -d) + 1e-12, (1 - d) / 2 - 1e-12),
            method="bounded",
            options={"xatol": 1e-12},
        ).x
        t = (plus - minus - n * d) / math.sqrt(n * (2 * share + d - d * d))
        assert abs(t) == pytest.approx(stats.norm.ppf(0.975), rel=1e-4)


def test_good_regions_that_are_the_same_or_everything_have_finite_ends() -> None:
    z2 = stats.norm.ppf(0.975) ** 2
    same = good_region_difference(*table(10, 0, 0, 10), 1, 1)
    assert (same.interval.low, same.interval.high) == pytest.approx((-z2 / (20 + z2), z2 / (20 + z2)))
    assert (same.mcnemar.pvalue, same.mcnemar.reason) == (1, "no configuration is good for one side only")
    everything = good_region_difference(*table(0, 0, 20, 0), 1, 1)
    assert everything.interval.estimate == everything.interval.high == 1
    assert 0.6 < everything.interval.low < 0.75
    assert everything.mcnemar.pvalue == 2 / 2**20
    none = good_region_difference([], [], 1, 1)
    assert (none.interval.reason, none.mcnemar.pvalue) == ("0 trials", 1)


@given(trials, st.permutations(range(24)))
def test_good_regions_that_swap_flip_the_signs(of: Array, order: list[int]) -> None:
    there, back = good_region_difference(of[0], of[1], 0.3, 0.6), good_region_difference(of[1], of[0], 0.6, 0.3)
    assert there == good_region_difference(of[0, order], of[1, order], 0.3, 0.6)
    assert (there.interval.low, there.interval.high) == (-back.interval.high, -back.interval.low)
    assert there.interval.estimate == -back.interval.estimate
    assert there.mcnemar.pvalue == back.mcnemar.pvalue
    assert -1 <= there.interval.low <= there.interval.estimate <= there.interval.high <= 1


# what is refused


def test_scores_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="the best of no scores is unknown"):
        expected_best([])
    with pytest.raises(ValueError, match=r"scores form one row, these have the shape \(2, 3\)"):
        expected_best(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="scores are finite, a failure has one too, number 1 is not"):
        good_region([0.5, math.nan], 0.5)
    with pytest.raises(ValueError, match=r"within the bounds, such as \(0, 1\), these are \(0\.0, 1\.0\)"):
        expected_best_band([0.5, 1.5])
    with pytest.raises(ValueError, match=r"these are \(1\.0, 0\.0\)"):
        expected_best_band([0.5], bounds=(1.0, 0.0))
    for compare in (expected_best_difference, lambda a, b: good_region_difference(a, b, 0.5, 0.5)):
        with pytest.raises(ValueError, match="both sides tried the same configurations, these have 3 and 2 scores"):
            compare([0.1, 0.2, 0.3], [0.1, 0.2])


# coverage; points (n, 3) of the search space in, scores of both sides out

Surface = Callable[[Array], tuple[Array, Array]]


def hill(points: Array, middle: float, steepness: float) -> Array:
    return np.exp(-steepness * ((points - middle) ** 2).sum(axis=1))


def with_failures(points: Array) -> tuple[Array, Array]:
    """At chance where the first coordinate, the rate, is too high for a side: 9 in 10 and 4 in 10."""
    score = 0.3 + 0.6 * points[:, 1]
    return np.where(points[:, 0] < 0.9, 0.1, score), np.where(points[:, 0] < 0.4, 0.1, score)


SURFACES: dict[str, Surface] = {
    "two hills": lambda u: (hill(u, 0.3, 6), hill(u, 0.6, 4)),
    "a plateau below the ceiling": lambda u: (1 - 0.3 * u[:, 0] ** 2, 0.98 - 0.5 * u[:, 0] ** 4),
    "unrelated": lambda u: (u[:, 0], u[:, 1]),
    "failures": with_failures,
}


def needle(points: Array) -> tuple[Array, Array]:
    return hill(points, 0.5, 30), hill(points, 0.5, 4)


def truth(scores: Array, n_budgets: int) -> Array:
    """The best of b independent trials on average, of a great many scores."""
    x = np.sort(scores)
    share = np.arange(1, len(x)) / len(x)
    return np.array([x[-1] - share**b @ np.diff(x) for b in range(1, n_budgets + 1)])


def space() -> Array:
    return qmc.Sobol(3, rng=np.random.default_rng(1)).random(2**17)


def sobol(rng: np.random.Generator, n: int) -> Array:
    return qmc.Sobol(3, rng=rng).random(n)


def independent(rng: np.random.Generator, n: int) -> Array:
    return rng.random((n, 3))


def nominal(repeats: int) -> float:
    return 0.95 - 4 * math.sqrt(0.95 * 0.05 / repeats)


@pytest.mark.slow
@pytest.mark.parametrize("n", [8, 64])
@pytest.mark.parametrize("name", SURFACES)
@pytest.mark.parametrize("draw", [independent, sobol])
def test_the_band_covers_the_curve_at_all_budgets(draw: Callable, name: str, n: int) -> None:
    """More often than it says, as all of F is seldom at its limit at once."""
    rng, repeats = np.random.default_rng([11, n]), 500
    curve = truth(SURFACES[name](space())[0], n)
    bands = [expected_best_band(SURFACES[name](draw(rng, n))[0]) for _ in range(repeats)]
    covered = np.mean([((low <= curve) & (curve <= high)).all() for low, high in bands])
    assert covered >= (0.98 if draw is independent else 0.99)


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "n"), [(independent, 20), (independent, 64), (sobol, 32)])
@pytest.mark.parametrize("name", SURFACES)
def test_the_band_of_the_difference_covers_up_to_a_quarter_of_the_trials(
    draw: Callable, name: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Independent: .92 or more, of .95; Sobol: at least nominal."""
    monkeypatch.setattr(tuning_curves, "BOOTSTRAP_RESAMPLES", 499)
    repeats = 200
    covered, _ = coverage_of_difference(SURFACES[name], draw, n, repeats)
    assert covered >= nominal(repeats) - (0.02 if draw is independent else 0)


@pytest.mark.slow
def test_no_band_of_the_difference_covers_a_needle_and_simple_errors_cover_less(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: trials that missed the good hundredth of the space cannot know of it."""
    monkeypatch.setattr(tuning_curves, "BOOTSTRAP_RESAMPLES", 499)
    covered, covered_by_normal = coverage_of_difference(needle, independent, 64, 300)
    assert covered_by_normal < covered < 0.90


def coverage_of_difference(surface: Surface, draw: Callable, n: int, repeats: int) -> tuple[float, float]:
    """Return the coverage of the band, and, at its last budget, of 1.96 of its standard errors either side."""
    rng, limit = np.random.default_rng([12, n]), math.floor(n * tuning_curves.MAX_BAND_SHARE)
    curve = np.subtract(*(truth(side, limit) for side in surface(space())[::-1]))
    hits, simple = [], []
    for _ in range(repeats):
        baseline, arm = surface(draw(rng, n))
        result = expected_best_difference(baseline, arm)
        hits.append(all(a <= d <= b for a, d, b in zip(result.low, curve, result.high, strict=True)))
        error = tuning_curves._differences(np.column_stack([baseline, arm]), np.ones((1, n)), limit)[1][0, -1]
        simple.append(abs(result.estimates[limit - 1] - curve[-1]) <= 1.96 * error)
    return float(np.mean(hits)), float(np.mean(simple))


@pytest.mark.slow
@pytest.mark.parametrize("draw", [independent, sobol])
def test_shares_of_good_regions_and_their_difference_are_covered(draw: Callable) -> None:
    """Independent: Clopper & Pearson at least nominal, Tango near it; Sobol: both at least nominal."""
    rng, repeats, target = np.random.default_rng(13), 2000, 0.5
    shares = [float((side >= target).mean()) for side in SURFACES["two hills"](space())]
    one, difference = [], []
    for _ in range(repeats):
        baseline, arm = SURFACES["two hills"](draw(rng, 64))
        share, gap = good_region(arm, target), good_region_difference(baseline, arm, target, target).interval
        one.append(share.low <= shares[1] <= share.high)
        difference.append(gap.low <= shares[1] - shares[0] <= gap.high)
    assert np.mean(one) >= nominal(repeats)
    assert np.mean(difference) >= nominal(repeats)
    assert draw is independent or np.mean(one) > 0.98
