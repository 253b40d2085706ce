"""Failures are outcomes: does one arm fail more often, and what does that do to the comparison of accuracies?

A run that fails says something about its arm, so no pair is left out for it. Each function answers once:
``mcnemar`` and ``risk_difference`` within a cell, ``count_sign_flip`` over the grid, ``worst_rank`` for accuracy and
divergence together. ``survivors`` leaves pairs out, to show what that would do. Arrays in, one row of (n,)
pairs, the baseline always first; small named results out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test, sign_flip, wilcoxon


def mcnemar(failed_baseline: ArrayLike, failed_arm: ArrayLike, mid: bool = False) -> Test:
    """Return the test that the arms fail equally often: pairs in which one did, against a fair coin (McNemar 1947).

    ``statistic`` is the number of pairs in which only the arm failed. The exact p-value holds its level for
    every n; ``mid`` counts the observed split by half (Fagerland, Lydersen & Laake 2013): less cautious, and
    now and then above its level. A ValueError where the arguments are not two rows of bool of one length.

    >>> test = mcnemar([False] * 20, [True] * 6 + [False] * 14)
    >>> test.statistic, test.pvalue
    (6.0, 0.03125)
    """
    only_baseline, only_arm, n = _discordant(failed_baseline, failed_arm)
    method = "McNemar, mid-p" if mid else "McNemar, exact"
    if n == 0:
        return Test(method, 0, math.nan, math.nan, reason="0 pairs")
    if only_arm + only_baseline == 0:
        return Test(method, n, 0.0, 1.0)
    smaller, coin = min(only_baseline, only_arm), stats.binom(only_baseline + only_arm, 0.5)
    # not scipy's binomtest: it has no mid-p, and 26 of the 7,380 splits of up to 120 pairs end in another bit
    pvalue = 2 * float(coin.cdf(smaller)) - (float(coin.pmf(smaller)) if mid else 0.0)
    return Test(method, n, float(only_arm), min(1.0, pvalue))


def risk_difference(failed_baseline: ArrayLike, failed_arm: ArrayLike, level: float = 0.95) -> Interval:
    """Return P(arm fails) - P(baseline fails), above zero where the arm fails more (Bonett & Price 2012).

    b counts the pairs in which only the arm failed, c those in which only the baseline did. The estimate is
    the plain (b - c)/n; the interval adds a pair to b and one to c, so it has a width where nothing failed,
    and its middle (b - c)/(n + 2) lies nearer zero. Cut at -1 and 1.

    >>> interval = risk_difference([False] * 20, [True] * 6 + [False] * 14)
    >>> interval.estimate, round(interval.low, 3), round(interval.high, 3)
    (0.3, 0.048, 0.497)
    """
    c, b, n = _discordant(failed_baseline, failed_arm)
    if n == 0:
        return Interval("Bonett & Price", 0, math.nan, math.nan, math.nan, level, "0 pairs")
    p12, p21 = (b + 1) / (n + 2), (c + 1) / (n + 2)  # one pair added to each (Bonett & Price 2012)
    middle = p12 - p21
    half = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt((p12 + p21 - middle**2) / (n + 2))
    return Interval("Bonett & Price", n, (b - c) / n, max(-1.0, middle - half), min(1.0, middle + half), level)


def count_sign_flip(counts_baseline: ArrayLike, counts_arm: ArrayLike) -> Test:
    """Return the sign-flip test of the seeds' counts of failures over the whole grid, arm - baseline.

    ``counts_*`` (n,): in how many cells each seed failed. The cells of a seed share initialisation and order,
    so the seed is the independent unit and its cells count once, together. ``statistic`` is in cells a seed.

    >>> count_sign_flip([0, 0, 0, 0, 0, 0], [1, 2, 1, 1, 3, 1]).pvalue
    0.03125
    """
    of_baseline, of_arm = _as_rows(np.float64, counts_baseline=counts_baseline, counts_arm=counts_arm)
    return sign_flip(of_arm - of_baseline)


def worst_rank(
    of_baseline: ArrayLike, of_arm: ArrayLike, diverged_baseline: ArrayLike, diverged_arm: ArrayLike
) -> Test:
    """Return Wilcoxon's test of the scores, arm - baseline, where divergence is worse than any score (Lachin 1999).

    The difference is -inf where only the arm diverged, +inf where only the baseline did, and 0 where both
    did; what stands in the scores of a diverged run is not looked at. A ValueError where another is not finite.
    """
    a, b, diverged_a, diverged_b = _as_outcomes(of_baseline, of_arm, diverged_baseline, diverged_arm)
    d = b - a  # zero where both diverged
    d[diverged_b & ~diverged_a] = -np.inf
    d[diverged_a & ~diverged_b] = np.inf
    return wilcoxon(d)


@dataclass(frozen=True)
class Survivors:
    """The mean difference without the pairs that diverged. A sensitivity, never the answer: see ``survivors``."""

    n: int
    """Pairs in which neither run diverged."""
    n_dropped: int
    interval: Interval
    """Interval of the mean difference among the ``n`` alone."""
    low: float
    """Bounds of the mean difference over all pairs, whatever a diverged run would have scored in [0, 1]."""
    high: float

    @property
    def reason(self) -> str | None:
        """Why there is no interval, or what is wrong with it; None where all is well."""
        return self.interval.reason


def survivors(
    of_baseline: ArrayLike,
    of_arm: ArrayLike,
    diverged_baseline: ArrayLike,
    diverged_arm: ArrayLike,
    level: float = 0.95,
) -> Survivors:
    """Return the mean difference, arm - baseline, when divergence is dropped: a labelled sensitivity, never the answer.

    The interval is about seeds on which both arms happen to survive, and that choice is itself an effect of
    the arms: an arm that loses a sixth of its runs and equals the baseline in the others shows no difference.
    ``low`` and ``high`` drop nothing and assume nothing (Horowitz & Manski 2000): the mean difference of these
    pairs if every diverged run had scored the worst or the best possible. Scores are accuracies in [0, 1].

    >>> result = survivors([0.9, 0.8, 0.9, 0.8], [0.8, 0.8, 0.0, 0.9], [False] * 4, [False, False, True, False])
    >>> result.n, result.n_dropped, round(result.interval.estimate, 3), round(result.low, 3), round(result.high, 3)
    (3, 1, 0.0, -0.225, 0.025)
    """
    a, b, diverged_a, diverged_b = _as_outcomes(of_baseline, of_arm, diverged_baseline, diverged_arm)
    kept = ~(diverged_a | diverged_b)
    worst_a, best_a = np.where(diverged_a, 0.0, a), np.where(diverged_a, 1.0, a)
    worst_b, best_b = np.where(diverged_b, 0.0, b), np.where(diverged_b, 1.0, b)
    low, high = (float(d.mean()) if len(d) else math.nan for d in (worst_b - best_a, best_b - worst_a))
    n = int(np.count_nonzero(kept))
    return Survivors(n, len(kept) - n, t_interval((b - a)[kept], level), low, high)


def _discordant(failed_baseline: ArrayLike, failed_arm: ArrayLike) -> tuple[int, int, int]:
    """Return the numbers of pairs in which only the baseline failed, in which only the arm did, and of all pairs."""
    a, b = _as_rows(np.bool, failed_baseline=failed_baseline, failed_arm=failed_arm)
    return int(np.count_nonzero(a & ~b)), int(np.count_nonzero(b & ~a)), len(a)


def _as_outcomes(
    of_baseline: ArrayLike, of_arm: ArrayLike, diverged_baseline: ArrayLike, diverged_arm: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool], NDArray[np.bool]]:
    """Return scores and flags (n,), zeros in the place of the scores of diverged runs."""
    scores = _as_rows(np.float64, of_baseline=of_baseline, of_arm=of_arm)
    flags = _as_rows(np.bool, diverged_baseline=diverged_baseline, diverged_arm=diverged_arm)
    if scores[0].shape != flags[0].shape:
        raise ValueError(f"one flag belongs to each score, these are {len(flags[0])} flags and {len(scores[0])} scores")
    a, b = (np.where(diverged, 0.0, of) for of, diverged in zip(scores, flags, strict=True))
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.all():
        raise ValueError(f"a run that did not diverge has a finite score, pair {int(np.argmin(finite))} has not")
    return a, b, flags[0], flags[1]


def _as_rows(dtype: type, **rows: ArrayLike) -> list[NDArray]:
    """Return the two arguments as arrays (n,) of one length; a ValueError names the one that is not."""
    arrays = [np.asarray(row) for row in rows.values()]
    for name, array in zip(rows, arrays, strict=True):
        if array.ndim != 1:
            raise ValueError(f"{name} is one row of pairs, this has the shape {array.shape}")
        if dtype is np.bool and array.size and array.dtype != np.bool:
            raise ValueError(f"{name} is True or False for each pair, this is {array.dtype}")
    lengths = [len(array) for array in arrays]
    if len({*lengths}) > 1:
        raise ValueError(f"{' and '.join(rows)} belong to the same pairs, these are {lengths[0]} and {lengths[1]}")
    return [array.astype(dtype) for array in arrays]
