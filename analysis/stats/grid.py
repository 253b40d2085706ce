"""Where an effect lives: arm x batch size x rate, by slopes over the grid and by the rates each arm bears and likes.

Arrays in, small named results out; axes in the order seed, batch size, rate. The seed is the unit of all
of it: every seed gives its own slope or shift, and what chooses (the best rate) is repeated in every
resample of the seeds. No model with random effects: on a full grid slopes by seed are exact and simpler.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test, max_t, paired_t, sign_flip
from analysis.stats.sign_flips import generator

RESAMPLES = 9_999
FEWEST = 6
"""Seeds below which a bootstrap of seeds covers far too seldom to be shown."""
ROUNDING = 1e-12
"""Sums that differ by less than this share of the sizes summed are one sum, added in another order."""

UNITS = {
    "batch size": "per doubling of the batch size",
    "rate": "per tenfold rate",
    "batch size x rate": "per doubling of the batch size and tenfold rate",
}

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Slope:
    """How the difference changes along a term of the grid, at the middle of the other factor."""

    name: str
    """A key of ``UNITS``."""
    unit: str
    """In words; the slope is in the unit of the differences, per this."""
    interval: Interval
    t_test: Test
    sign_flip: Test
    adjusted: Test
    """Step-down max-T over the terms of one grid."""


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
    """Seeds x batch sizes of either side: the denominator of the shares and of ``n_none``."""
    n_none_baseline: int
    """At no rate without failure, counted as one grid step below the smallest."""
    n_none_arm: int
    shares: tuple[Share, ...]
    """Of the seeds x batch sizes, by their largest rate; the first row is none. Empty without runs."""

    @property
    def n_none(self) -> int:
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
    """Of the resamples, by the rate that was best in them; empty where there are none."""

    @property
    def ties(self) -> str | None:
        """What was done about ties of the best mean, in words; None where there are none."""
        sides = (("the baseline", self.n_tied_baseline), ("the arm", self.n_tied_arm))
        tied = [f"{n} rates are equally good for {side}" for side, n in sides if n > 1]
        return f"{' and '.join(tied)}: the smallest is taken" if tied else None


def interaction(D: ArrayLike, batch_sizes: Sequence[int], lrs: Sequence[float], level: float = 0.95) -> list[Slope]:
    """Slopes of ``D`` (seeds, batch sizes, rates), arm minus baseline, over the grid; factors with one level have none.

    Every seed has its own least-squares fit of 1, log2(batch size), log10(rate) and their product, both
    centred; the fitted slopes are then tested like any difference. A seed with a NaN is left out.

    >>> D = [[[0, 1, 2], [0, 2, 4]], [[0, 1, 2], [0, 4, 8]]]
    >>> [(slope.name, slope.interval.estimate) for slope in interaction(D, (32, 64), (0.001, 0.01, 0.1))]
    [('batch size', 2.0), ('rate', 2.0), ('batch size x rate', 2.0)]
    """
    sizes, rates = _levels("batch sizes", batch_sizes), _levels("rates", lrs)
    (D,) = _complete(D, shape=(len(sizes), len(rates)))
    weights = _weights(sizes, rates)
    slopes = {name: _total(w * D) for name, w in weights.items()}
    if not slopes:
        return []
    adjusted = max_t(np.column_stack(list(slopes.values())))
    return [
        Slope(name, UNITS[name], t_interval(slope, level), paired_t(slope), sign_flip(slope), joint)
        for (name, slope), joint in zip(slopes.items(), adjusted, strict=True)
    ]


def _weights(sizes: Floats, rates: Floats) -> dict[str, Floats]:
    """By term, weights (batch sizes, rates) whose sum over a seed's differences is its slope.

    On a full grid the centred columns are orthogonal, so each least-squares slope is sum(x D) / sum(x^2).
    """
    x, z = np.log2(sizes), np.log10(rates)
    x, z = x - x.mean(), z - z.mean()
    products = (np.outer(x, np.ones_like(z)), np.outer(np.ones_like(x), z), np.outer(x, z))
    return {name: c / (c**2).sum() for name, c in zip(UNITS, products, strict=True) if c.any()}


def largest_rate(
    failed_baseline: ArrayLike, failed_arm: ArrayLike, lrs: Sequence[float], level: float = 0.95
) -> LargestRate:
    """Compare the largest rates at which runs do not fail; ``failed_*`` (seeds, batch sizes, rates) of bool.

    The largest rate that works counts, even where a smaller one fails. Where none works it is one step of
    the grid below the smallest (by the ratio of the two smallest; tenfold on a grid of one rate).

    >>> found = largest_rate([[[False, True, True]]] * 3, [[[False, False, True]]] * 3, (0.001, 0.01, 0.1))
    >>> found.interval.estimate, found.n_none
    (1.0, 0)
    """
    rates = _levels("rates", lrs)
    baseline, arm = _largest(failed_baseline, len(rates)), _largest(failed_arm, len(rates))
    if baseline.shape != arm.shape:
        raise ValueError(f"both sides have the same runs, these have {baseline.shape} and {arm.shape}")
    step = rates[1] / rates[0] if len(rates) > 1 else 10.0
    log_rates = np.log10([rates[0] / step, *rates])
    shift = _total(log_rates[arm] - log_rates[baseline]) / max(1, baseline.shape[1])
    return LargestRate(
        interval=t_interval(shift, level),
        sign_flip=sign_flip(shift),
        n_runs=baseline.size,
        n_none_baseline=int((baseline == 0).sum()),
        n_none_arm=int((arm == 0).sum()),
        shares=_shares((None, *rates.tolist()), baseline, arm),
    )


def _largest(failed: ArrayLike, n_rates: int) -> NDArray[np.intp]:
    """(seeds, batch sizes): which rate, from 1 on, is the largest that works; 0 where none does."""
    works = ~np.asarray(failed, dtype=bool)
    if works.ndim != 3 or works.shape[2] != n_rates:
        raise ValueError(f"failures are (seeds, batch sizes, {n_rates} rates), these have the shape {works.shape}")
    largest: NDArray[np.intp] = np.where(works, np.arange(1, n_rates + 1), 0).max(axis=2)
    return largest


def best_rate(of_baseline: ArrayLike, of_arm: ArrayLike, lrs: Sequence[float], level: float = 0.95) -> BestRate:
    """Compare the rates with the best mean score; ``of_*`` (seeds, rates) of one batch size, more is better.

    A percentile interval over 9,999 resamples of the seeds, drawn jointly for both sides and all rates, each
    of which chooses anew (Davison & Hinkley 1997, section 3.8). Shifts are steps of the grid, so the interval
    is coarse. Draws are seeded by the data, whatever the order of the seeds; swapping the sides flips the
    signs. A seed with a NaN is left out.

    >>> found = best_rate([[0.8, 0.9, 0.1]] * 6, [[0.8, 0.9, 0.95]] * 6, (0.001, 0.01, 0.1))
    >>> found.best_baseline, found.best_arm, found.interval.estimate, found.interval.low
    (0.01, 0.1, 1.0, 1.0)
    """
    rates = _levels("rates", lrs)
    scores = _complete(of_baseline, of_arm, shape=rates.shape)
    n = len(scores[0])
    if n == 0:
        nothing = Interval("percentile bootstrap", 0, math.nan, math.nan, math.nan, level, "0 seeds")
        return BestRate(None, None, nothing, 0, 0, ())
    good_baseline, good_arm = _good(*scores)
    baseline, arm = good_baseline.argmax(axis=1), good_arm.argmax(axis=1)
    return BestRate(
        best_baseline=float(rates[baseline[0]]),
        best_arm=float(rates[arm[0]]),
        interval=_percentile(np.log10(rates)[arm] - np.log10(rates)[baseline], n, level),
        n_tied_baseline=int(good_baseline[0].sum()),
        n_tied_arm=int(good_arm[0].sum()),
        shares=_shares(rates.tolist(), baseline[1:], arm[1:]),
    )


def _good(of_baseline: Floats, of_arm: Floats) -> list[NDArray[np.bool_]]:
    """Per side (1 + resamples, rates) bool: which rates share the best mean, row 0 of the data themselves."""
    sides = [_rows(of_baseline, of_arm), _rows(of_arm, of_baseline)]
    swap = sides[1].tolist() < sides[0].tolist()  # the same rows, so the same draws, whichever side is the arm
    rows = sides[swap]
    n = len(rows)
    drawn = generator("best rate", rows).multinomial(n, np.full(n, 1 / n), RESAMPLES if n >= FEWEST else 0)
    sums = np.vstack([np.ones(n), drawn]) @ rows
    tie = ROUNDING * n * np.abs(rows).max()
    good = [side >= side.max(axis=1, keepdims=True) - tie for side in np.split(sums, 2, axis=1)]
    return good[::-1] if swap else good


def _rows(one: Floats, other: Floats) -> Floats:
    """(seeds, rates of one and of other), sorted: no trace of the order of the seeds."""
    rows = np.hstack([one, other])
    return rows[np.lexsort(rows.T[::-1])]


def _percentile(shift: Floats, n: int, level: float) -> Interval:
    """The interval of ``shift``: the estimate, then its resamples. Ends are resamples: nothing between two rates."""
    estimate, resampled = float(shift[0]), np.sort(shift[1:])
    if n < FEWEST:
        reason = f"{n} seeds: too few to resample, the fewest are {FEWEST}"
        return Interval("percentile bootstrap", n, estimate, math.nan, math.nan, level, reason)
    k = max(1, math.floor((RESAMPLES + 1) * (1 - level) / 2 + 1e-6))  # 1 - 0.95 is not quite 0.05
    low, high = float(resampled[k - 1]), float(resampled[-k])
    flat = "the interval has no width: all but a few resamples find the same shift" if low == high else None
    return Interval("percentile bootstrap", n, estimate, low, high, level, flat)


def _shares(rates: Sequence[float | None], baseline: NDArray[np.intp], arm: NDArray[np.intp]) -> tuple[Share, ...]:
    """A row for each of ``rates``: the shares of both sides' choices, which index the rates."""
    if baseline.size == 0:
        return ()
    shares = [np.bincount(side.ravel(), minlength=len(rates)) / side.size for side in (baseline, arm)]
    return tuple(Share(lr, float(a), float(b)) for lr, a, b in zip(rates, *shares, strict=True))


def _total(terms: Floats) -> Floats:
    """(seeds,) sums of each seed's terms; exactly zero where they cancel but for rounding, lest noise be tested."""
    axes = tuple(range(1, terms.ndim))
    total = terms.sum(axis=axes)
    return np.where(np.abs(total) <= ROUNDING * np.abs(terms).sum(axis=axes), 0.0, total)


def _complete(*arrays: ArrayLike, shape: tuple[int, ...]) -> list[Floats]:
    """Each array (seeds, *shape) as floats, less the seeds that have a NaN in any."""
    found = [np.asarray(array, dtype=np.float64) for array in arrays]
    for array in found:
        if array.shape[1:] != shape or len(array) != len(found[0]):
            raise ValueError(f"one value for each seed and each of {shape} levels, these have the shape {array.shape}")
    axes = tuple(range(1, 1 + len(shape)))
    whole = np.logical_and.reduce([np.isfinite(array).all(axis=axes) for array in found])
    return [array[whole] for array in found]


def _levels(name: str, values: Sequence[float]) -> Floats:
    """The levels of a factor as floats; a ValueError where they do not ascend from above zero."""
    levels = np.asarray(values, dtype=np.float64)
    if levels.ndim != 1 or not levels.size or not (np.diff(levels, prepend=0.0) > 0).all():
        raise ValueError(f"{name} ascend from above zero, such as (1, 10), these are {values}")
    return levels
