"""The good share of a search space: that of its trials which reach a target, of one arm and of two.

Trials lie uniformly over the space, as in ``tuning_curves``, which says what that is worth for Sobol points. Arrays
in, small named results out.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats

from analysis.stats.intervals import Interval, proportion
from analysis.stats.paired_tests import Test
from analysis.stats.tuning.tuning_curves import ROUNDING, as_scores, check_same_trials


@dataclass(frozen=True)
class RegionDifference:
    """The share of the search space that is good for the arm, minus that for the baseline."""

    interval: Interval
    """Interval of the arm's share minus the baseline's."""
    mcnemar: Test
    """``n`` configurations are good for one side only, ``statistic`` of them for the arm."""
    n_both: int
    n_only_baseline: int
    n_only_arm: int
    n_neither: int


def good_region(scores: ArrayLike, target: float, level: float = 0.95) -> Interval:
    """Return the share of the search space whose score is at least ``target``, of trials that lie uniformly over it.

    Clopper & Pearson's exact interval (1934), for a target that was fixed before looking.

    >>> interval = good_region([0.9, 0.8, 0.95, 0.2], target=0.85)
    >>> interval.estimate, round(interval.low, 4), round(interval.high, 4)
    (0.5, 0.0676, 0.9324)
    """
    good = _good(scores, target)
    return proportion(int(good.sum()), len(good), level)


def good_region_difference(
    of_baseline: ArrayLike, of_arm: ArrayLike, target_baseline: float, target_arm: float, level: float = 0.95
) -> RegionDifference:
    """Return the arm's share of good configurations minus the baseline's; the same configurations in the same order.

    Tango's score interval for paired proportions (1998; that of McNemar's test without its exactness), and the test
    itself, exact: of the configurations that are good for one side only, each side has half (McNemar 1947). At the
    edge one may reject where the other does not. Targets that were fixed before looking.

    >>> result = good_region_difference([0, 0, 0, 1, 1, 0], [1, 1, 1, 1, 0, 1], 0.5, 0.5)
    >>> round(result.interval.estimate, 4), result.n_only_arm, result.n_only_baseline, result.mcnemar.pvalue
    (0.5, 4, 1, 0.375)
    """
    baseline, arm = as_scores(of_baseline), as_scores(of_arm)
    check_same_trials(baseline, arm)
    good_baseline, good_arm = _good(baseline, target_baseline), _good(arm, target_arm)
    n_both, n_neither = int((good_baseline & good_arm).sum()), int((~good_baseline & ~good_arm).sum())
    only_baseline, only_arm = int((good_baseline & ~good_arm).sum()), int((good_arm & ~good_baseline).sum())
    interval = _tango(only_arm, only_baseline, len(arm), level)
    return RegionDifference(interval, _mcnemar(only_baseline, only_arm), n_both, only_baseline, only_arm, n_neither)


def _good(scores: ArrayLike, target: float) -> NDArray[np.bool_]:
    """Return which scores reach the target; a mean that is the target but for rounding does."""
    given = as_scores(scores)
    return np.asarray(given >= target - ROUNDING * np.maximum(np.abs(given), abs(target)))


def _mcnemar(only_baseline: int, only_arm: int) -> Test:
    """Return the exact test that each side has half of the configurations that are good for one side only."""
    n = only_baseline + only_arm
    if n == 0:
        return Test("McNemar exact", 0, 0.0, 1.0, reason="no configuration is good for one side only")
    return Test("McNemar exact", n, float(only_arm), float(stats.binomtest(only_arm, n).pvalue))


def _tango(plus: int, minus: int, n: int, level: float) -> Interval:
    """Return the differences d that the score test does not reject, |T(d)| <= z (Tango 1998)."""
    if n == 0:
        return Interval("Tango score", 0, math.nan, math.nan, math.nan, level, "0 trials")
    z = float(stats.norm.isf((1 - level) / 2))
    estimate = (plus - minus) / n
    high = _tango_high(plus, minus, n, z)
    return Interval("Tango score", n, estimate, -_tango_high(minus, plus, n, z), high, level)


def _tango_high(plus: int, minus: int, n: int, z: float) -> float:
    """Return the largest d with plus - minus - n d >= -z sqrt(n (2 q + d (1 - d))), q the likeliest share of minus."""

    def excess(d: float) -> float:
        B = (2 * n + minus - plus) * d - plus - minus
        q = (math.sqrt(max(B * B + 8 * n * minus * d * (1 - d), 0.0)) - B) / (4 * n)
        return plus - minus - n * d + z * math.sqrt(max(n * (2 * q + d * (1 - d)), 0.0))

    if plus == n:
        return 1.0
    return float(optimize.brentq(excess, (plus - minus) / n + 1e-9, 1.0, xtol=1e-14))  # at the estimate T may be 0 / 0
