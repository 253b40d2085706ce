"""Will the next pair be worse? Arrays in, small named results out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import as_differences, degenerate_reason


@dataclass(frozen=True)
class NextPair:
    """The probability that one more pair is worse, by two ways that assume different things."""

    n: int
    p_worse: float
    """Predictive probability that the next difference is below zero, of normal differences; NaN without a spread."""
    n_worse: int
    """Differences below zero: a tie is none."""
    share_worse: Interval
    """Share of these with Clopper & Pearson's limits (1934), which assume independent pairs alone."""
    reason: str | None
    """Why there is no ``p_worse``."""


def next_pair(d: ArrayLike, level: float = 0.95) -> NextPair:
    """Return the probability that the next difference is below zero.

    Of normal differences (next - mean) / (s sqrt(1 + 1/n)) follows t_{n-1}: the posterior predictive law under the
    flat prior (Gelman et al. 2013, section 3.2). It knows nothing of what never happened in these pairs, such as a
    collapse; the limits of the share beside it do.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        The level of the limits of the share.

    Returns
    -------
    NextPair
        NaN and a reason where there is no spread or no pair.

    Examples
    --------
    >>> sleep = next_pair([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> round(sleep.p_worse, 3), sleep.n_worse, round(sleep.share_worse.high, 3)
    (0.126, 0, 0.308)
    """
    d = as_differences(d)
    n, reason = len(d), degenerate_reason(d)
    n_worse = int(np.count_nonzero(d < 0))
    if n == 0:
        nothing = Interval("Clopper-Pearson", 0, math.nan, math.nan, math.nan, level, reason)
        return NextPair(0, math.nan, 0, nothing, reason)
    exact = stats.binomtest(n_worse, n).proportion_ci(level, method="exact")
    share = Interval("Clopper-Pearson", n, n_worse / n, float(exact.low), float(exact.high), level)
    if reason:
        return NextPair(n, math.nan, n_worse, share, reason)
    sized = d / np.abs(d).max()  # lest squares of tiny or huge differences be lost
    t = float(sized.mean() / sized.std(ddof=1)) / math.sqrt(1 + 1 / n)
    return NextPair(n, float(stats.t.cdf(-t, n - 1)), n_worse, share, None)
