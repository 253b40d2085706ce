"""Shares of runs that come in groups, such as the runs of a seed: arrays in, small named results out."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from analysis.stats.intervals import Interval


def clustered_share(successes: ArrayLike, level: float = 0.95) -> Interval:
    """Return the share of runs that succeed, with limits for which the groups are the sample.

    Clopper & Pearson's limits (1934) of k of n, where n counts the groups and k is n times the share, a whole number or
    not (Korn & Graubard 1998): as if the runs of a group succeeded or failed together, which is the widest case.

    Parameters
    ----------
    successes : array_like, shape (n, m)
        1 or 0, a row a group (a seed) and a column a run of it; NaN where there is no run.
    level : float
        The probability to cover the share, at least.

    Returns
    -------
    Interval
        ``n`` counts the groups that have a run; NaN and a reason where none has.

    Examples
    --------
    >>> share = clustered_share([[1, 1, 0]] * 10)
    >>> round(share.estimate, 3), round(share.low, 3), round(share.high, 3)
    (0.667, 0.318, 0.916)
    """
    table = np.asarray(successes, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"a row per group and a column per run, this has the shape {table.shape}")
    n = int((~np.isnan(table)).any(axis=1).sum())
    if n == 0:
        return Interval("Clopper-Pearson by group", 0, math.nan, math.nan, math.nan, level, "0 groups")
    share, tail = float(np.nanmean(table)), (1 - level) / 2
    k = n * share
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if share > 0 else 0.0
    high = float(stats.beta.isf(tail, k + 1, n - k)) if share < 1 else 1.0
    return Interval("Clopper-Pearson by group", n, share, low, high, level)
