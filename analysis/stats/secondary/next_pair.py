"""Will the next pair be worse? Arrays in, small named results out."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.paired_tests import as_differences, degenerate_reason


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
    """Why there is no ``p_worse``."""


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
    d = as_differences(d)
    n, reason = len(d), degenerate_reason(d)
    n_worse = int(np.count_nonzero(d < 0))
    limit = float(stats.beta.ppf(level, n_worse + 1, n - n_worse)) if n_worse < n else 1.0
    if reason:
        return NextPair(n, math.nan, n_worse, limit if n else math.nan, reason)
    sized = d / np.abs(d).max()  # lest squares of tiny or huge differences be lost
    t = float(sized.mean() / sized.std(ddof=1)) / math.sqrt(1 + 1 / n)
    return NextPair(n, float(stats.t.cdf(-t, n - 1)), n_worse, limit, None)
