"""Tuned against tuned: each side chooses its configuration on all seeds but one and is scored on that one.

The best of many configurations looks better than it is, and the more so the more there were: the score that chose
it is not fit to report it. Held out, the seed that scores has no part in the choice. What is estimated is the
difference on a fresh seed between two sides that each tune on one seed fewer than there are; whether the
configurations themselves are good is left to others. Arrays in, small named results out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.grid import MIN_SEEDS, is_largest
from analysis.stats.intervals import Interval, percentile_ends, t_interval
from analysis.stats.paired_tests import ROUNDING
from analysis.stats.scale import in_unit, unit_of
from analysis.stats.sign_flips import BOOTSTRAP_RESAMPLES, generator

METHOD = "cross-fitted percentile bootstrap, no shorter than t"

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class CrossFit:
    """The arm's score minus the baseline's, each with a configuration chosen on other seeds than it is scored on."""

    interval: Interval
    naive: float
    """Best mean minus best mean over all seeds: biased towards the side that had more to choose from."""
    differences: tuple[float, ...]
    """One a seed, as given: its own score, by the choices of the others. NaN where the seed is left out."""
    of_baseline: tuple[float, ...]
    """The baseline's score behind each difference."""
    of_arm: tuple[float, ...]
    choices_baseline: tuple[int | None, ...]
    """The configuration that the others chose for each seed; None where the seed is left out, or alone."""
    choices_arm: tuple[int | None, ...]
    best_baseline: int | None
    """The configuration chosen by all seeds; None without seeds."""
    best_arm: int | None
    stable_baseline: float
    """The share of the folds that choose the same configuration as all seeds do; NaN below 2 seeds."""
    stable_arm: float
    mean_baseline: float
    """Mean over the folds of the baseline's held-out scores."""
    mean_arm: float
    reason: str | None = None
    """Why numbers are missing, None where none is: of all where there is no interval, else of the seeds left out."""


def crossfit(of_baseline: ArrayLike, of_arm: ArrayLike, level: float = 0.95) -> CrossFit:
    """Return the difference of the tuned sides, each scored on seeds that had no part in its choice.

    A fold holds out a seed and takes the best mean over the others (of equals the first); the estimate is the mean
    over the folds. In each of 9,999 resamples of the seeds, drawn jointly for both sides, all copies of a seed are
    held out together and count by their number: every copy in both parts would undo the fold. A resample of a
    single seed has nobody to choose and is left out (n^(1-n) of them, 1 in 7,776 for 6 seeds). Draws are
    seeded by the data, whatever the order of the seeds; swapping the sides flips the signs.

    The interval reaches from the lower to the higher of the ends of two: percentiles of those resamples, and t on the
    folds. Alone, each fails (95 %, 6 to 10 seeds, 600 to 1,000 samples of each of 11 situations, see the slow
    test): percentiles cover .85 to .92 where the choice is clear, t .67 to .88 where it is not, for its folds are
    dependent (Bengio & Grandvalet 2004), bootstrap-t .71 to .95, BCa .74 to .89. Together .94 to .97 where one
    configuration is clearly best and up to 1 where there is nothing to choose.

    Parameters
    ----------
    of_baseline, of_arm : array_like, shapes (n, k) and (n, l)
        Scores, more is better, a row a seed and a column a configuration; the same seeds in the same order, or it is a
        ValueError. A seed with a score that is not finite is left out on both sides.
    level : float
        The probability to cover the difference, approximately.

    Returns
    -------
    CrossFit
        The interval has NaN ends and a reason below 6 seeds.

    Examples
    --------
    >>> tuned = [[1.0, 3.0], [2.0, 4.0], [1.5, 3.5], [1.0, 3.0], [2.5, 4.0], [2.0, 4.5]]
    >>> result = crossfit([[1.0], [2.0], [1.5], [1.0], [2.0], [2.5]], tuned)
    >>> result.interval.estimate, result.best_arm, result.stable_arm
    (2.0, 1, 1.0)
    """
    sides = [_as_table(of_baseline), _as_table(of_arm)]
    if len(sides[0]) != len(sides[1]):
        raise ValueError(f"both sides have the same seeds, these have {len(sides[0])} and {len(sides[1])}")
    order = _canonical_order(*sides)
    baseline, arm = (side[order] for side in sides)
    n, n_given = len(order), len(sides[0])
    left_out = f"{n_given - n} of {n_given} seeds have a score that is no number: left out" if n < n_given else None
    if n == 0:
        empty = Interval(METHOD, 0, math.nan, math.nan, math.nan, level, "0 seeds")
        no, nothing, nobody = math.nan, (math.nan,) * n_given, (None,) * n_given
        folds = (nothing, nothing, nothing, nobody, nobody)
        return CrossFit(empty, no, *folds, None, None, no, no, no, no, empty.reason)
    unit = unit_of(baseline, arm)
    baseline, arm = in_unit(baseline, unit), in_unit(arm, unit)
    held_out = [_held_out(side, np.ones((1, n)))[0] for side in (baseline, arm)]
    of_baseline, of_arm, differences = (
        _as_given(unit * values, order, n_given) for values in (*held_out, held_out[1] - held_out[0])
    )
    best_baseline, best_arm = (int(_first_best(np.ones(n), side)) for side in (baseline, arm))
    interval = _interval(held_out[1] - held_out[0], baseline, arm, level)
    return CrossFit(
        interval=interval.times(unit),
        naive=unit * float(arm[:, best_arm].mean() - baseline[:, best_baseline].mean()),
        differences=differences,
        of_baseline=of_baseline,
        of_arm=of_arm,
        choices_baseline=_choices_as_given(baseline, order, n_given),
        choices_arm=_choices_as_given(arm, order, n_given),
        best_baseline=best_baseline,
        best_arm=best_arm,
        stable_baseline=_stability(baseline, best_baseline),
        stable_arm=_stability(arm, best_arm),
        mean_baseline=unit * float(held_out[0].mean()),
        mean_arm=unit * float(held_out[1].mean()),
        reason=interval.reason or left_out,
    )


def held_out_bounds(low: ArrayLike, high: ArrayLike) -> tuple[float, float]:
    """Return bounds of the mean of ``crossfit``'s held-out scores on a side whose scores lie between two tables.

    A seed may be scored in every configuration whose largest mean over the others reaches the largest of the smallest.

    Parameters
    ----------
    low, high : array_like, shape (n, k)
        The least and the most that every score can be; equal where it is known.

    Examples
    --------
    >>> held_out_bounds([[3.0, 2.0], [3.0, 0.0], [3.0, 2.0]], [[3.0, 2.0], [3.0, 9.0], [3.0, 2.0]])
    (2.3333333333333335, 3.0)
    """
    least, most = _as_table(low), _as_table(high)
    others_least, others_most = least.sum(axis=0) - least, most.sum(axis=0) - most
    rounding = ROUNDING * np.abs(most).sum(axis=0).max()
    chosen = others_most >= others_least.max(axis=1, keepdims=True) - rounding
    ends = np.where(chosen, least, np.inf).min(axis=1), np.where(chosen, most, -np.inf).max(axis=1)
    return float(ends[0].mean()), float(ends[1].mean())


def _as_table(scores: ArrayLike) -> Floats:
    """Return scores as floats (seeds, configurations); a ValueError where they are no such table."""
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] == 0:
        raise ValueError(f"a row per seed and a column per configuration, these scores have the shape {table.shape}")
    return table


def _canonical_order(baseline: Floats, arm: Floats) -> Indices:
    """Return the seeds whose scores are all finite, in the same order for any order of seeds and of sides."""
    complete = np.flatnonzero(np.isfinite(baseline).all(axis=1) & np.isfinite(arm).all(axis=1))
    joined = [np.hstack(pair)[complete] for pair in ((baseline, arm), (arm, baseline))]
    orders = [np.lexsort(rows.T[::-1]) for rows in joined]
    swap = joined[1][orders[1]].tolist() < joined[0][orders[0]].tolist()
    return complete[orders[swap]]


def _first_best(copies: Floats, scores: Floats) -> Indices:
    """Return (...,) which configuration has the best sum over ``copies`` (..., seeds) of the seeds, of equals the
    first."""
    return np.asarray(is_largest(copies @ scores, copies @ np.abs(scores)).argmax(axis=-1))


def _choices(scores: Floats, copies: Floats) -> Indices:
    """Return (resamples, seeds) the best configuration without any copy of that seed, of ``copies`` as large."""
    others = 1.0 - np.eye(len(scores))
    return np.column_stack([_first_best(copies * kept, scores) for kept in others])


def _held_out(scores: Floats, copies: Floats) -> Floats:
    """Return (resamples, seeds) each seed's score of what the others choose; NaN where nobody does."""
    if len(scores) < 2:
        return np.full(copies.shape, np.nan)
    return scores[np.arange(len(scores)), _choices(scores, copies)]


def _as_given(values: Floats, order: Indices, n_given: int) -> tuple[float, ...]:
    """Return the values of the seeds in ``order`` as the seeds were given, NaN for the others."""
    given = np.full(n_given, np.nan)
    given[order] = values
    return tuple(given.tolist())


def _choices_as_given(scores: Floats, order: Indices, n_given: int) -> tuple[int | None, ...]:
    """Return what the others choose for each seed as given; None for those not in ``order``, and for a single one."""
    given: list[int | None] = [None] * n_given
    if len(scores) > 1:
        for seed, choice in zip(order.tolist(), _choices(scores, np.ones((1, len(scores))))[0].tolist(), strict=True):
            given[seed] = choice
    return tuple(given)


def _stability(scores: Floats, best: int) -> float:
    """Return the share of the folds that choose ``best``; NaN below 2 seeds."""
    return float((_choices(scores, np.ones((1, len(scores)))) == best).mean()) if len(scores) > 1 else math.nan


def _interval(differences: Floats, baseline: Floats, arm: Floats, level: float) -> Interval:
    """Return the mean of ``differences``, one a fold, with the farther ends of percentiles and t."""
    n = len(differences)
    estimate = math.fsum(differences) / n
    if n < MIN_SEEDS:
        reason = f"{n} seed{'' if n == 1 else 's'}: too few to resample, the fewest are {MIN_SEEDS}"
        return Interval(METHOD, n, estimate, math.nan, math.nan, level, reason)
    copies = _copies(n, _rng(baseline, arm))
    folds = _held_out(arm, copies) - _held_out(baseline, copies)
    low, high = percentile_ends((copies * folds).sum(axis=1) / n, level)
    by_t = t_interval(differences, level)
    low, high = min(by_t.low, low), max(by_t.high, high)
    flat = "the interval has no width: every seed finds the same difference" if low == high else None
    return Interval(METHOD, n, estimate, low, high, level, flat)


def _rng(baseline: Floats, arm: Floats) -> np.random.Generator:
    """Return the same random numbers whichever side is the arm."""
    sides = sorted((baseline, arm), key=lambda side: side.tolist())
    return generator("crossfit", *sides)


def _copies(n: int, rng: np.random.Generator) -> Floats:
    """Return (resamples, seeds) how often each seed was drawn, less the resamples of a single seed."""
    drawn = rng.multinomial(n, np.full(n, 1 / n), BOOTSTRAP_RESAMPLES)
    return drawn[(drawn < n).all(axis=1)].astype(np.float64)
