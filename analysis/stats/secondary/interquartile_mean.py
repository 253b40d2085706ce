"""The mean of the middle half of paired differences: arrays in, small named results out."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import as_differences, why_degenerate
from analysis.stats.scale import rescale

METHOD = "interquartile mean, jackknife t"
MIN_PAIRS = 6
"""Pairs below which the middle half is fewer than three: no error can be told from them."""


def interquartile_mean(d: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean of the middle half of the differences, with an interval over the seeds.

    The quarter at either end is cut off, a difference on the edge in part (so n need not be a multiple of four); what
    is left are seeds' differences, never scores of the arms by themselves. The standard error is the jackknife's over
    the seeds (Efron & Tibshirani 1993, chapter 11), with n/2 - 1 degrees of freedom, since half of the differences
    carry the mean (Tukey & McLaughlin 1963). Measured at 95 %: .95 to .97 of normal, .96 to .98 of t3, .94 to .96 of
    lognormal differences, 6 to 20 pairs.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        The probability to cover the interquartile mean of the law of the differences, approximately.

    Returns
    -------
    Interval
        NaN ends and a reason below 6 pairs; no width and a reason where all differences are equal.

    Examples
    --------
    >>> interquartile_mean([1, 2, 3, 4, 5, 6, 7, 100]).estimate, interquartile_mean([1, 2, 3, 4, 5]).estimate
    (4.5, 3.0)
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    if n == 0:
        return Interval(METHOD, 0, math.nan, math.nan, math.nan, level, reason)
    estimate = _middle(d)
    if n < MIN_PAIRS or sample.too_few:
        few = sample.too_few or f"{n} pairs: the interval of an interquartile mean needs {MIN_PAIRS}"
        return Interval(METHOD, n, estimate, math.nan, math.nan, level, few).times(sample.unit)
    left_out = np.array([_middle(np.delete(d, i)) for i in range(n)])
    error = math.sqrt((n - 1) / n) * math.hypot(*(left_out - left_out.mean()))
    half = 0.0 if reason else float(stats.t.ppf((1 + level) / 2, n / 2 - 1)) * error
    found = Interval(METHOD, n, estimate, estimate - half, estimate + half, level, reason or sample.note)
    return found.times(sample.unit)


def _middle(d: NDArray[np.float64]) -> float:
    """Return the integral of the quantiles from 1/4 to 3/4, over its length."""
    edges = np.clip(np.linspace(0, 1, len(d) + 1), 0.25, 0.75)
    return float(np.sort(d) @ np.diff(edges)) / 0.5
