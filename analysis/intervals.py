"""Intervals for the mean of paired differences: arrays in, small named results out."""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike
from scipy import stats

from analysis.paired import differences, is_constant


@dataclass(frozen=True)
class Interval:
    """An estimate and the values that its test does not reject."""

    method: str
    n: int
    estimate: float
    low: float
    high: float
    level: float
    reason: str | None = None
    """Why there is no interval, or what is wrong with it; None where all is well."""


def t_interval(d: ArrayLike, level: float = 0.95) -> Interval:
    """mean +- t_{n-1} s / sqrt(n): the interval of the paired t test.

    >>> found = t_interval([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> round(found.low, 4), round(found.high, 4)
    (0.7001, 2.4599)
    """
    d = differences(d)
    n = len(d)
    mean = float(d.mean()) if n else math.nan
    if n < 2:
        return Interval("t", n, mean, math.nan, math.nan, level, f"{n} pairs: no estimate of the spread")
    if is_constant(d):
        return Interval("t", n, mean, mean, mean, level, "all differences are equal: the spread is zero")
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(d.std(ddof=1)) / math.sqrt(n)
    return Interval("t", n, mean, mean - half, mean + half, level)
