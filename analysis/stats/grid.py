"""The place of an effect on the grid: its differences from level to level, and the rates that each arm bears and likes.

Arrays in, small named results out; axes in the order seed, other factors, rate. The seed is the unit of all
of it: every seed gives its own difference or shift, and what chooses (the best rate) is repeated in every
resample of the seeds. No line is fitted: an effect may hardly move between two levels and leap between the next.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.families import simultaneous_inference
from analysis.stats.intervals import Interval, percentile_ends, t_interval
from analysis.stats.paired_tests import Test, sign_flip
from analysis.stats.scale import in_unit, unit_of
from analysis.stats.sign_flips import BOOTSTRAP_RESAMPLES, generator, sorted_rows

MIN_SEEDS = 6
"""Seeds below which a bootstrap of seeds covers far too seldom to be shown."""
ROUNDING = 1e-12
"""Sums that differ by less than this share of the sizes summed are one sum, added in another order."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """A factor of a grid and its levels, in the order of the grid."""

    name: str
    levels: Sequence[float | str]
    ordered: bool = True
    """Whether levels have neighbours; where they are names, every two are compared."""

    @property
    def steps(self) -> list[tuple[int, int]]:
        """The places of the levels that are compared."""
        places = range(len(self.levels))
        return list(pairwise(places) if self.ordered else combinations(places, 2))


@dataclass(frozen=True)
class LevelDifference:
    """The effect at one level of a factor minus that at another, averaged over the levels of the other factors."""

    name: str
    """The factor."""
    lower: float | str
    upper: float | str
    """The level from whose effect that at ``lower`` is subtracted."""
    interval: Interval
    """Holds for all differences of the grid at once (sup-t)."""
    test: Test
    """Adjusted for all differences of the grid."""


@dataclass(frozen=True)
class Share:
    """A row of a table by rate: the shares of either side that add up to 1 over the rows."""

    lr: float | None
    """None: no rate."""
    of_baseline: float
    of_arm: float


@dataclass(frozen=True)
class LargestRate:
    """log10 of the arm's over the baseline's largest rate that does not fail: 1 is tenfold.

    The grid ends the rates: an arm that bears the largest of them may bear larger ones.
    """

    interval: Interval
    sign_flip: Test
    n_runs: int
    """Seeds x levels of the other factors, of either side: the denominator of the shares and of ``n_none``."""
    n_none_baseline: int
    """Runs that fail at every rate, counted as one grid step below the smallest."""
    n_none_arm: int
    shares: tuple[Share, ...]
    """Shares of the seeds x other levels, by their largest rate; the first row is none. Empty without runs."""

    @property
    def n_none(self) -> int:
        """Return the number of both sides."""
        return self.n_none_baseline + self.n_none_arm


@dataclass(frozen=True)
class BestRate:
    """log10 of the arm's over the baseline's best rate, and how sure the choice is."""

    best_baseline: float | None
    """The rate with the best mean over the seeds; None without seeds."""
    best_arm: float | None
    interval: Interval
    n_tied_baseline: int
    """Rates that share the best mean: 1 where there is no tie. The smallest of them is taken."""
    n_tied_arm: int
    shares: tuple[Share, ...]
    """Shares of the resamples, by the rate that was best in them; empty where there are none."""

    @property
    def ties(self) -> str | None:
        """Return what was done about ties of the best mean, in words; None where there are none."""
        sides = (("the baseline", self.n_tied_baseline), ("the arm", self.n_tied_arm))
        tied = [f"{n} rates are equally good for {side}" for side, n in sides if n > 1]
        return f"{' and '.join(tied)}: the smallest is taken" if tied else None


def level_differences(D: ArrayLike, axes: Sequence[Axis], level: float = 0.95) -> list[LevelDifference]:
    """Return how the effect changes between neighbouring levels of each factor: one family, tested together.

    Parameters
    ----------
    D : array_like, shape (n, levels of the first of ``axes``, levels of the second, ...)
        Differences, arm minus baseline, a row a seed; a seed with a NaN is left out.
    axes : sequence of Axis
        The factors, in the order of the axes of ``D``.
    level : float
        The probability that all intervals hold at once, approximately.

    Returns
    -------
    list of LevelDifference
        By factor, then by level; none of a single level. A ValueError where ``D`` does not have the axes' levels.

    Examples
    --------
    >>> D = [[[0, 1, 2], [0, 2, 4]], [[0, 1, 2], [0, 4, 8]]]
    >>> axes = [Axis("batch size", (32, 64)), Axis("rate", (0.001, 0.01, 0.1))]
    >>> [(step.name, step.lower, step.upper, step.interval.estimate) for step in level_differences(D, axes)]
    [('batch size', 32, 64, 2.0), ('rate', 0.001, 0.01, 2.0), ('rate', 0.01, 0.1, 2.0)]
    """
    (D,) = _complete_seeds(D, shape=tuple(len(axis.levels) for axis in axes))
    steps = [(axis, place, i, j) for place, axis in enumerate(axes, 1) for i, j in axis.steps]
    if not steps:
        return []
    columns = np.column_stack([_seed_means(np.take(D, j, place) - np.take(D, i, place)) for _, place, i, j in steps])
    return [
        LevelDifference(axis.name, axis.levels[i], axis.levels[j], member.interval, member.test)
        for (axis, _, i, j), member in zip(steps, simultaneous_inference(columns, level), strict=True)
    ]


def largest_rate(
    failed_baseline: ArrayLike, failed_arm: ArrayLike, lrs: Sequence[float], level: float = 0.95
) -> LargestRate:
    """Compare the largest rates at which runs do not fail; ``failed_*`` (seeds, other factors, rates) of bool.

    The largest rate that works counts, even where a smaller one fails. Where none works it is one step of
    the grid below the smallest (by the ratio of the two smallest; tenfold on a grid of one rate).

    >>> result = largest_rate([[[False, True, True]]] * 3, [[[False, False, True]]] * 3, (0.001, 0.01, 0.1))
    >>> result.interval.estimate, result.n_none
    (1.0, 0)
    """
    rates = _as_levels("rates", lrs)
    baseline, arm = _largest(failed_baseline, len(rates)), _largest(failed_arm, len(rates))
    if baseline.shape != arm.shape:
        raise ValueError(f"both sides have the same runs, these have {baseline.shape} and {arm.shape}")
    log_rates = np.log10(rates)
    step = log_rates[1] - log_rates[0] if len(rates) > 1 else 1.0
    log_rates = np.array([log_rates[0] - step, *log_rates])
    log_ratio = _seed_sums(log_rates[arm] - log_rates[baseline]) / max(1, baseline.shape[1])
    return LargestRate(
        interval=t_interval(log_ratio, level),
        sign_flip=sign_flip(log_ratio),
        n_runs=baseline.size,
        n_none_baseline=int((baseline == 0).sum()),
        n_none_arm=int((arm == 0).sum()),
        shares=_shares((None, *rates.tolist()), baseline, arm),
    )


def _largest(failed: ArrayLike, n_rates: int) -> NDArray[np.intp]:
    """Return (seeds, other factors) which rate, from 1 on, is the largest that works; 0 where none does."""
    works = ~np.asarray(failed, dtype=bool)
    if works.ndim != 3 or works.shape[2] != n_rates:
        raise ValueError(f"failures are (seeds, other factors, {n_rates} rates), these have the shape {works.shape}")
    largest: NDArray[np.intp] = np.where(works, np.arange(1, n_rates + 1), 0).max(axis=2)
    return largest


def best_rate(of_baseline: ArrayLike, of_arm: ArrayLike, lrs: Sequence[float], level: float = 0.95) -> BestRate:
    """Compare the rates with the best mean score; ``of_*`` (seeds, rates) at one level of the others, more is better.

    A percentile interval over 9,999 resamples of the seeds, drawn jointly for both sides and all rates, each
    of which chooses anew (Davison & Hinkley 1997, section 3.8). Shifts are steps of the grid, so the interval
    is coarse. Draws are seeded by the data, whatever the order of the seeds; swapping the sides flips the
    signs. A seed with a NaN is left out.

    >>> result = best_rate([[0.8, 0.9, 0.1]] * 6, [[0.8, 0.9, 0.95]] * 6, (0.001, 0.01, 0.1))
    >>> result.best_baseline, result.best_arm, result.interval.estimate, result.interval.low
    (0.01, 0.1, 1.0, 1.0)
    """
    rates = _as_levels("rates", lrs)
    scores = _complete_seeds(of_baseline, of_arm, shape=rates.shape)
    n = len(scores[0])
    if n == 0:
        empty = Interval("percentile bootstrap", 0, math.nan, math.nan, math.nan, level, "0 seeds")
        return BestRate(None, None, empty, 0, 0, ())
    is_best_baseline, is_best_arm = _is_best(*scores)
    baseline, arm = is_best_baseline.argmax(axis=1), is_best_arm.argmax(axis=1)
    return BestRate(
        best_baseline=float(rates[baseline[0]]),
        best_arm=float(rates[arm[0]]),
        interval=_percentile(np.log10(rates)[arm] - np.log10(rates)[baseline], n, level),
        n_tied_baseline=int(is_best_baseline[0].sum()),
        n_tied_arm=int(is_best_arm[0].sum()),
        shares=_shares(rates.tolist(), baseline[1:], arm[1:]),
    )


def _is_best(of_baseline: Floats, of_arm: Floats) -> list[NDArray[np.bool_]]:
    """Return per side (1 + resamples, rates) which rates share the best mean, row 0 of the data themselves."""
    sides = [sorted_rows(of_baseline, of_arm), sorted_rows(of_arm, of_baseline)]
    swap = sides[1].tolist() < sides[0].tolist()  # the same rows, so the same draws, whichever side is the arm
    rows = sides[swap]
    n = len(rows)
    drawn = generator("best rate", rows).multinomial(n, np.full(n, 1 / n), BOOTSTRAP_RESAMPLES if n >= MIN_SEEDS else 0)
    rows = in_unit(rows, unit_of(rows))
    copies = np.vstack([np.ones(n), drawn])
    sums, sizes = (np.split(copies @ table, 2, axis=1) for table in (rows, np.abs(rows)))
    good = [is_largest(*side) for side in zip(sums, sizes, strict=True)]
    return good[::-1] if swap else good


def is_largest(sums: Floats, sizes: Floats) -> NDArray[np.bool_]:
    """Return which of ``sums`` (..., m) are the largest of their row, but for the rounding of the ``sizes`` summed."""
    best = sums.argmax(axis=-1, keepdims=True)
    rounding = ROUNDING * (sizes + np.take_along_axis(sizes, best, axis=-1))
    return np.asarray(sums >= np.take_along_axis(sums, best, axis=-1) - rounding)


def _percentile(log_ratios: Floats, n: int, level: float) -> Interval:
    """Return the interval of ``log_ratios``: the estimate, then its resamples. Its ends are resamples too."""
    estimate = float(log_ratios[0])
    if n < MIN_SEEDS:
        reason = f"{n} seeds: too few to resample, the fewest are {MIN_SEEDS}"
        return Interval("percentile bootstrap", n, estimate, math.nan, math.nan, level, reason)
    low, high = percentile_ends(log_ratios[1:], level)
    flat = "the interval has no width: all but a few resamples find the same shift" if low == high else None
    return Interval("percentile bootstrap", n, estimate, low, high, level, flat)


def _shares(rates: Sequence[float | None], baseline: NDArray[np.intp], arm: NDArray[np.intp]) -> tuple[Share, ...]:
    """Return a row for each of ``rates``: the shares of both sides' choices, which index the rates."""
    if baseline.size == 0:
        return ()
    shares = [np.bincount(side.ravel(), minlength=len(rates)) / side.size for side in (baseline, arm)]
    return tuple(Share(lr, float(a), float(b)) for lr, a, b in zip(rates, *shares, strict=True))


def _seed_means(terms: Floats) -> Floats:
    """Return (seeds,) means of each seed's terms."""
    return _seed_sums(terms) / max(1, math.prod(terms.shape[1:]))


def _seed_sums(terms: Floats) -> Floats:
    """Return (seeds,) sums of each seed's terms; zero where they cancel but for rounding, lest noise be tested."""
    axes = tuple(range(1, terms.ndim))
    total = terms.sum(axis=axes)
    return np.where(np.abs(total) <= ROUNDING * np.abs(terms).sum(axis=axes), 0.0, total)


def _complete_seeds(*arrays: ArrayLike, shape: tuple[int, ...]) -> list[Floats]:
    """Return each array (seeds, *shape) as floats, less the seeds that have a NaN in any."""
    tables = [np.asarray(array, dtype=np.float64) for array in arrays]
    for array in tables:
        if array.shape[1:] != shape or len(array) != len(tables[0]):
            raise ValueError(f"one value for each seed and each of {shape} levels, these have the shape {array.shape}")
    axes = tuple(range(1, 1 + len(shape)))
    complete = np.logical_and.reduce([np.isfinite(array).all(axis=axes) for array in tables])
    return [array[complete] for array in tables]


def _as_levels(name: str, values: Sequence[float]) -> Floats:
    """Return the levels of a factor as floats; a ValueError where they do not ascend from above zero."""
    levels = np.asarray(values, dtype=np.float64)
    if levels.ndim != 1 or not levels.size or levels[0] <= 0 or not (np.diff(levels) > 0).all():
        raise ValueError(f"{name} ascend from above zero, such as (1, 10), these are {values}")
    return levels
