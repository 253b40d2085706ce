"""Will the next pair be worse? Arrays in, small named results out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.intervals import upper_share
from analysis.stats.paired_tests import as_differences, why_degenerate
from analysis.stats.scale import rescale


@dataclass(frozen=True)
class NextPair:
    """The probability that one more pair is worse, by two ways that assume different things."""

    n: int
    p_worse: float
    """Predictive probability that the next difference is below zero, of normal differences; NaN without a spread."""
    n_worse: int
    """Differences below zero: a tie is none."""
    limit_worse: float
    """The largest probability to be worse that these do not exclude: Clopper & Pearson's upper limit (1934), one-sided,
    which assumes independent pairs alone."""
    reason: str | None
    """Why there is no ``p_worse``, or which differences count as zero."""


def next_pair(d: ArrayLike, level: float = 0.95) -> NextPair:
    """Return the probability that the next difference is below zero.

    Of normal differences (next - mean) / (s sqrt(1 + 1/n)) follows t_{n-1}: the posterior predictive law under the
    flat prior (Gelman et al. 2013, section 3.2). It knows nothing of what never happened in these pairs, such as a
    collapse; the limit beside it does.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        The level of the limit.

    Returns
    -------
    NextPair
        NaN and a reason where there is no spread or no pair.

    Examples
    --------
    >>> sleep = next_pair([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> round(sleep.p_worse, 3), sleep.n_worse, round(sleep.limit_worse, 3)
    (0.126, 0, 0.259)
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    n_worse = int(np.count_nonzero(d < 0))
    limit = upper_share(n_worse, n, level)
    if reason:
        return NextPair(n, math.nan, n_worse, limit if n else math.nan, reason)
    t = float(d.mean() / d.std(ddof=1)) / math.sqrt(1 + 1 / n)
    return NextPair(n, float(stats.t.cdf(-t, n - 1)), n_worse, limit, sample.note)
