"""Oracles: folds spelled out seed by seed in plain Python, the winner's curse by simulation, planted tunings."""

import math
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from analysis.stats.intervals import t_interval
from analysis.stats.tuning import cross_fitting
from analysis.stats.tuning.cross_fitting import CrossFit, crossfit

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def pair_of(seed: int, n: int = 7, sizes: tuple[int, int] = (3, 5)) -> Pair:
    """Scores of few values, so that some configurations tie."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 12, (n, sizes[0])) / 10, rng.integers(0, 12, (n, sizes[1])) / 10


pairs = st.integers(0, 2**32 - 1).map(pair_of)


def best(scores: NDArray[np.float64], seeds: Sequence[int]) -> int:
    """Return the first of the best means, in exact arithmetic of tenths."""
    totals = [round(10 * sum(scores[k, c] for k in seeds)) for c in range(scores.shape[1])]
    return totals.index(max(totals))


def by_hand(baseline: NDArray[np.float64], arm: NDArray[np.float64], drawn: Sequence[int]) -> float:
    """The mean over the drawn seeds, each scored by the choice of those drawn seeds that are another seed."""
    gains = []
    for k in drawn:
        others = [seed for seed in drawn if seed != k]
        gains.append(arm[k, best(arm, others)] - baseline[k, best(baseline, others)])
    return sum(gains) / len(gains)


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_fitting, "BOOTSTRAP_RESAMPLES", 399)
        yield


@given(pairs)
def test_the_estimate_is_the_mean_over_folds_spelled_out(of: Pair) -> None:
    result = crossfit(*of)
    assert result.interval.estimate == pytest.approx(by_hand(*of, range(7)))
    assert math.fsum(result.differences) / 7 == pytest.approx(result.interval.estimate)
    assert (result.best_baseline, result.best_arm) == (best(of[0], range(7)), best(of[1], range(7)))
    assert result.naive == pytest.approx(of[1].mean(axis=0).max() - of[0].mean(axis=0).max())
    shares, scores = (result.stable_baseline, result.stable_arm), (result.of_baseline, result.of_arm)
    for side, share, held_out, choices in zip(
        of, shares, scores, (result.choices_baseline, result.choices_arm), strict=True
    ):
        chosen = [best(side, [seed for seed in range(7) if seed != k]) for k in range(7)]
        assert choices == tuple(chosen)
        assert held_out == pytest.approx([side[k, choice] for k, choice in enumerate(chosen)])
        assert share == chosen.count(best(side, range(7))) / 7


@given(pairs, st.lists(st.integers(0, 6), min_size=7, max_size=7).filter(lambda drawn: len(set(drawn)) > 1))
def test_a_resample_chooses_anew_and_keeps_all_copies_of_a_seed_on_one_side_of_the_fold(
    of: Pair, drawn: list[int]
) -> None:
    copies = np.bincount(drawn, minlength=7)[None].astype(float)
    folds = cross_fitting._held_out(of[1], copies) - cross_fitting._held_out(of[0], copies)
    assert (copies * folds).sum() / 7 == pytest.approx(by_hand(*of, drawn))


def test_the_interval_reaches_to_the_ends_of_the_bootstrap_and_of_t() -> None:
    """Both loops over the resamples that were drawn, in the order of the seeds that was drawn for."""
    rng = np.random.default_rng(3)
    clear = rng.normal(size=(8, 4)) + np.array([0, 0, 0, 9])
    for baseline, arm, wider in ((clear, clear[::-1] + 1, "t"), (clear[:, :3], rng.normal(size=(8, 20)), "bootstrap")):
        order = cross_fitting._canonical_order(baseline, arm)
        result = crossfit(baseline, arm)
        drawn = cross_fitting._copies(8, cross_fitting._rng(baseline[order], arm[order])).astype(int)
        means = sorted(
            by_loop(baseline[order], arm[order], [k for k in range(8) for _ in range(copies[k])]) for copies in drawn
        )
        by_t = t_interval(result.differences)
        assert result.interval.low == pytest.approx(min(means[9], by_t.low))
        assert result.interval.high == pytest.approx(max(means[-10], by_t.high))
        assert (result.interval.high == by_t.high) == (wider == "t")


def by_loop(baseline: NDArray[np.float64], arm: NDArray[np.float64], drawn: list[int]) -> float:
    def score(side: NDArray[np.float64], k: int) -> float:
        return float(side[k, np.mean([side[seed] for seed in drawn if seed != k], axis=0).argmax()])

    return float(np.mean([score(arm, k) - score(baseline, k) for k in drawn]))


def test_the_best_of_64_that_are_all_alike_looks_better_than_the_best_of_2_and_held_out_it_does_not() -> None:
    """The winner's curse: the naive difference is off by more than a standard deviation of a mean, this by nothing."""
    rng = np.random.default_rng(0)
    results = [crossfit(rng.normal(size=(5, 2)), rng.normal(size=(5, 64))) for _ in range(2000)]
    estimates = np.array([one.interval.estimate for one in results])
    assert abs(estimates.mean()) < 4 * estimates.std() / math.sqrt(2000)
    assert np.mean([one.naive for one in results]) > 0.7


def test_a_planted_advantage_of_the_tuned_arm_is_found() -> None:
    rng = np.random.default_rng(1)
    baseline = rng.normal(scale=0.1, size=(10, 4)) + np.array([0, 2, 0, 0])
    arm = rng.normal(scale=0.1, size=(10, 6)) + np.array([0, 0, 0, 0, 3, 0])
    result = crossfit(baseline, arm)
    assert (result.best_baseline, result.best_arm, result.stable_baseline, result.stable_arm) == (1, 4, 1, 1)
    assert result.interval.estimate == pytest.approx(result.naive) == pytest.approx((arm[:, 4] - baseline[:, 1]).mean())
    assert result.interval.low < 1 < result.interval.high
    assert result.interval.reason is None


@given(pairs, st.permutations(range(7)))
def test_sides_that_swap_flip_the_signs_and_the_order_of_seeds_is_nothing(of: Pair, order: list[int]) -> None:
    there, back, shuffled = crossfit(*of), crossfit(*of[::-1]), crossfit(of[0][order], of[1][order])
    assert repr(there) == repr(crossfit(*of))
    assert there.interval == shuffled.interval
    assert tuple(there.differences[k] for k in order) == shuffled.differences
    assert without_seeds(there) == without_seeds(shuffled)
    assert there.interval.estimate == -back.interval.estimate
    assert (there.interval.low, there.interval.high) == (-back.interval.high, -back.interval.low)
    assert there.differences == tuple(-d for d in back.differences)
    assert there.naive == -back.naive
    assert (there.best_baseline, there.stable_baseline) == (back.best_arm, back.stable_arm)


def without_seeds(result: CrossFit) -> tuple[object, ...]:
    return result.naive, result.best_baseline, result.best_arm, result.stable_baseline, result.stable_arm


def test_both_sides_are_drawn_together() -> None:
    """Both choose alike where the arm scores what the baseline does plus one, so it is one in every resample."""
    noise = np.random.default_rng(2).normal(size=(8, 5))
    baseline = noise - noise.mean(axis=0)
    result = crossfit(baseline, baseline + 1)
    assert (result.interval.low, result.interval.high) == pytest.approx((1, 1))
    assert result.stable_baseline == result.stable_arm < 1


def test_of_tied_configurations_the_first_is_taken_though_rounding_prefers_another() -> None:
    """The same scores in another order of seeds: the sums differ by rounding alone."""
    column = np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9])
    tied = np.column_stack([column - 0.05, column, column[::-1], column])
    assert tied.sum(axis=0).argmax() == 2
    result = crossfit(tied, np.full((6, 3), 0.5))
    assert (result.best_baseline, result.best_arm) == (1, 0)
    assert result.stable_arm == 1
    flat = crossfit(np.zeros((6, 3)), np.full((6, 2), 0.5))
    assert (flat.interval.low, flat.interval.estimate, flat.interval.high) == (0.5, 0.5, 0.5)
    assert flat.interval.reason == "the interval has no width: every seed finds the same difference"


def test_below_6_seeds_there_is_an_estimate_and_no_interval() -> None:
    of = np.random.default_rng(4).normal(size=(2, 5, 3))
    for n in range(2, 6):
        result = crossfit(*of[:, :n])
        assert math.isfinite(result.interval.estimate)
        assert math.isnan(result.interval.low)
        assert math.isnan(result.interval.high)
        assert result.interval.reason == f"{n} seeds: too few to resample, the fewest are 6"
    one = crossfit(*of[:, :1])
    assert math.isnan(one.interval.estimate)
    assert one.interval.reason == "1 seed: too few to resample, the fewest are 6"
    assert one.naive == of[1, 0].max() - of[0, 0].max()
    assert math.isnan(one.stable_arm)
    none = crossfit(*of[:, :0])
    assert (none.interval.n, none.interval.reason, none.best_baseline, none.best_arm) == (0, "0 seeds", None, None)


def test_a_seed_without_all_its_scores_is_left_out_on_both_sides() -> None:
    of = np.random.default_rng(6).normal(size=(2, 8, 3))
    whole = crossfit(*np.delete(of, 2, axis=1))
    for side, gap in ((0, math.nan), (1, math.nan), (1, -math.inf)):
        gone = of.copy()
        gone[side, 2, 0] = gap
        result = crossfit(*gone)
        assert result.interval == whole.interval
        assert without_seeds(result) == without_seeds(whole)
        assert math.isnan(result.differences[2])
        assert result.differences[:2] + result.differences[3:] == whole.differences


def test_one_configuration_a_side_is_the_paired_difference() -> None:
    baseline, arm = np.random.default_rng(7).normal(size=(2, 9, 1))
    result = crossfit(baseline, arm)
    assert result.differences == pytest.approx((arm - baseline)[:, 0])
    assert result.interval.estimate == pytest.approx(result.naive)
    by_t = t_interval((arm - baseline)[:, 0])
    assert (result.interval.low, result.interval.high) == pytest.approx((by_t.low, by_t.high))


def test_no_resample_of_a_single_seed_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fitting, "BOOTSTRAP_RESAMPLES", 9_999)
    copies = cross_fitting._copies(6, np.random.default_rng(0))
    assert 0 < cross_fitting.BOOTSTRAP_RESAMPLES - len(copies) < 10
    assert copies.max() < 6
    assert set(copies.sum(axis=1)) == {6}


def test_64_configurations_of_10_seeds_take_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fitting, "BOOTSTRAP_RESAMPLES", 9_999)
    of = np.random.default_rng(8).normal(size=(2, 10, 64))
    start = time.process_time()
    crossfit(*of)
    assert time.process_time() - start < 1


def test_what_is_no_pair_of_tables_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a row per seed and a column per configuration, .* the shape \(6,\)"):
        crossfit(np.zeros(6), np.zeros((6, 2)))
    with pytest.raises(ValueError, match=r"the shape \(6, 0\)"):
        crossfit(np.zeros((6, 2)), np.zeros((6, 0)))
    with pytest.raises(ValueError, match="both sides have the same seeds, these have 6 and 5"):
        crossfit(np.zeros((6, 2)), np.zeros((5, 2)))


# coverage of the difference that a fresh seed shows after each side was tuned on n - 1 seeds

Draw = Callable[[np.random.Generator, int], Pair]
CLEAR, SLOPE, HILL = np.array([0.0] * 7 + [20.0]), np.linspace(0, 1, 8), -(np.linspace(-1, 1, 16) ** 2)
SITUATIONS: dict[str, Draw] = {
    "nothing to choose, 4 against 64": lambda rng, n: (rng.normal(size=(n, 4)), rng.normal(size=(n, 64))),
    "one against 64": lambda rng, n: (rng.normal(size=(n, 1)), rng.normal(size=(n, 64))),
    "close rivals": lambda rng, n: (rng.normal(size=(n, 8)) + SLOPE, rng.normal(size=(n, 8)) + SLOPE + 0.5),
    "a clear best": lambda rng, n: (rng.normal(size=(n, 8)) + CLEAR, rng.normal(size=(n, 8)) + CLEAR + 1),
    "a clear best, skewed": lambda rng, n: (CLEAR - rng.exponential(size=(n, 8)), CLEAR - rng.exponential(size=(n, 8))),
    "one against a best that is mostly found": lambda rng, n: (
        rng.normal(size=(n, 1)),
        rng.normal(size=(n, 8)) + 0.06 * CLEAR,
    ),
    "seeds in common": lambda rng, n: with_common_seeds(rng, n),
    "failures": lambda rng, n: with_failures(rng, n),
}


def with_common_seeds(rng: np.random.Generator, n: int) -> Pair:
    of_seed = 2 * rng.normal(size=(n, 1))
    return of_seed + rng.normal(size=(n, 16)) / 2 + HILL, of_seed + rng.normal(size=(n, 16)) / 2 + 1.5 * HILL


def with_failures(rng: np.random.Generator, n: int) -> Pair:
    """The better a configuration of the baseline, the more of its runs collapse; a twentieth of the arm's."""
    baseline, arm = rng.normal(SLOPE, 0.3, (2, n, 8))
    return baseline - 5 * (rng.random((n, 8)) < 0.3 * SLOPE), arm - 5 * (rng.random((n, 8)) < 0.05)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_interval_covers_the_difference_on_a_fresh_seed(
    situation: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least nominal, within 4 standard errors of 400 samples; the control, t on the folds, fails where they depend.

    The target is the mean of 4,000 estimates, without bias for what a fresh seed shows after tuning on n - 1.
    """
    monkeypatch.setattr(cross_fitting, "BOOTSTRAP_RESAMPLES", 999)
    rng, draw = np.random.default_rng([9, n]), SITUATIONS[situation]
    target = np.mean([np.subtract(*(side.mean() for side in folds(draw(rng, n))[::-1])) for _ in range(4000)])
    results = [crossfit(*draw(rng, n)) for _ in range(400)]
    covered = np.mean([one.interval.low <= target <= one.interval.high for one in results])
    assert covered >= 0.95 - 4 * math.sqrt(0.95 * 0.05 / 400)
    by_t = [t_interval(one.differences) for one in results]
    covered_by_t = np.mean([one.low <= target <= one.high for one in by_t])
    if situation in ("nothing to choose, 4 against 64", "close rivals", "seeds in common", "failures"):
        assert covered_by_t < 0.90


def folds(of: Pair) -> list[NDArray[np.float64]]:
    return [cross_fitting._held_out(side, np.ones((1, len(side)))) for side in of]
