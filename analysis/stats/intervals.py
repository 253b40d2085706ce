"""Intervals for paired differences: arrays in, small named results out.

Each holds the values that a test does not reject; where the number of pairs cannot reach the level, there is no
interval and ``reason`` says so.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats import sign_flips
from analysis.stats.multiple_tests import as_matrix
from analysis.stats.paired_tests import ROUNDING, as_differences, why_degenerate
from analysis.stats.scale import rescale, rescale_columns, without_unit
from analysis.stats.sign_flips import BOOTSTRAP_RESAMPLES, MAX_PATTERNS
from analysis.stats.walsh_averages import not_rejected, walsh_averages

MIN_BOOTSTRAP_PAIRS = 6  # below, the bootstrap-t is wide beyond use
MIN_BAND_PAIRS = 5  # below, there are too few patterns of signs for a quantile
SPREAD_ROUNDING = 1e-14
"""A spread below this share of the largest value is the rounding of none."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the values that its test does not reject."""

    method: str
    n: int
    estimate: float
    low: float
    high: float
    level: float
    """The level that is reached: that of an exact test may lie a little above what was asked for."""
    reason: str | None = None
    """Why there is no interval, or what is wrong with it; None where all is well."""

    def times(self, unit: float) -> "Interval":
        """Return the interval of values that are ``unit`` times as large, ``unit`` above 0."""
        return replace(self, estimate=unit * self.estimate, low=unit * self.low, high=unit * self.high)


def t_interval(d: ArrayLike, level: float = 0.95) -> Interval:
    """Return mean +- t_{n-1} s / sqrt(n): the interval of the paired t test.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        The probability to cover the mean, of normal differences.

    Returns
    -------
    Interval
        NaN ends and a reason below two pairs; no width and a reason where all differences are equal.

    Examples
    --------
    >>> interval = t_interval([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.7001, 2.4599)
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    mean = float(d.mean()) if n else math.nan
    if reason:
        half = math.nan if n < 2 or sample.too_few else 0.0
    else:
        half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(d.std(ddof=1)) / math.sqrt(n)
    return Interval("t", n, mean, mean - half, mean + half, level, reason or sample.note).times(sample.unit)


def fieller(numerator: ArrayLike, denominator: ArrayLike, level: float = 0.95) -> Interval:
    """Return the ratio of two means of paired values, with the ratios that t does not reject.

    A ratio r is within where t does not reject that numerator - r denominator has mean zero (Fieller 1954, equation 5).

    Parameters
    ----------
    numerator, denominator : array_like, shape (n,)
        Paired values, one a seed.
    level : float
        The probability to cover the ratio, of normal values.

    Returns
    -------
    Interval
        NaN ends and a reason where the denominator has no spread or is not told from zero.

    Examples
    --------
    >>> interval = fieller([1.0, 2.0, 1.5, 1.2], [2.1, 3.9, 3.2, 2.3])
    >>> round(interval.estimate, 4), round(interval.low, 4), round(interval.high, 4)
    (0.4957, 0.4433, 0.5382)
    """
    above, below = rescale(as_differences(numerator)), rescale(as_differences(denominator))
    y, x, n, method = above.values, below.values, above.n, "Fieller"
    if len(x) != n:
        raise ValueError(f"a ratio takes pairs, these are {n} and {len(x)} values")
    unit = above.unit / below.unit
    ratio = float(y.mean() / x.mean()) if n and x.mean() else math.nan
    reason = why_degenerate(below) or above.too_few
    if reason:
        return Interval(method, n, ratio, math.nan, math.nan, level, reason).times(unit)
    (vyy, vyx), (_, vxx) = np.cov(y, x) / n
    t2 = float(stats.t.ppf((1 + level) / 2, n - 1)) ** 2
    # within: a r^2 - 2 b r + c <= 0 (Fieller 1954, equation 5)
    a, b, c = x.mean() ** 2 - t2 * vxx, x.mean() * y.mean() - t2 * vyx, y.mean() ** 2 - t2 * vyy
    if a <= 0:
        reason = "the denominator is not told from zero, so the ratio may be anything"
        return Interval(method, n, ratio, math.nan, math.nan, level, reason).times(unit)
    half = math.sqrt(max(0.0, b**2 - a * c))
    low, high = float((b - half) / a), float((b + half) / a)
    return Interval(method, n, ratio, low, high, level, above.note or below.note).times(unit)


def prediction(y: ArrayLike, level: float = 0.95) -> Interval:
    """Return the interval of one more value of the kind of ``y`` (n,): mean +- t_{n-1} s sqrt(1 + 1/n).

    Exact where values are independent and normal (Hahn & Meeker 1991, section 4.8); about one value, not the mean.

    >>> interval = prediction([9.0, 10.0, 11.0])
    >>> round(interval.low, 4), round(interval.high, 4)
    (5.0317, 14.9683)
    """
    mean = t_interval(y, level)
    widen = math.sqrt(mean.n + 1)
    low, high = (mean.estimate + widen * (end - mean.estimate) for end in (mean.low, mean.high))
    return Interval("prediction, t", mean.n, mean.estimate, low, high, level, mean.reason)


def proportion(k: int, n: int, level: float = 0.95) -> Interval:
    """Return k / n with Clopper & Pearson's exact interval (1934); NaN and a reason where n is 0.

    >>> interval = proportion(0, 10)
    >>> interval.low, round(interval.high, 4)
    (0.0, 0.3085)
    """
    if n == 0:
        return Interval("Clopper-Pearson", 0, math.nan, math.nan, math.nan, level, "0 trials")
    exact = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return Interval("Clopper-Pearson", n, k / n, float(exact.low), float(exact.high), level)


def sign_flip_interval(d: ArrayLike, level: float = 0.95) -> Interval:
    """Return the means that ``sign_flip`` does not reject: Hartigan's typical values (1969).

    With all patterns the ends are the k-th smallest and largest of the means of the 2^n - 1 subsets, k =
    floor(alpha/2 2^n), and the level is 1 - 2k/2^n. Beyond 16 pairs the subsets are the random patterns of the test.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        What is asked for; ``Interval.level`` is what is reached.

    Returns
    -------
    Interval
        Infinite ends and a reason where n pairs cannot reach the level; NaN ends and a reason where fewer than half of
        the differences reach 1e-9 of the largest.

    Examples
    --------
    >>> interval = sign_flip_interval([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> round(interval.low, 4), round(interval.high, 4), interval.level
    (0.8333, 2.4667, 0.951171875)
    """
    sample = rescale(as_differences(d))
    d, n = sample.values, sample.n
    mean = float(d.mean()) if n else math.nan
    if sample.too_few:
        return Interval("sign-flip", n, mean, math.nan, math.nan, level, sample.too_few).times(sample.unit)
    total = 2**n if sign_flips.is_exact(n) else MAX_PATTERNS + 1
    rejected = math.floor((1 - level) * total * (1 + ROUNDING))  # patterns, in both tails
    k = rejected // 2 if sign_flips.is_exact(n) else rejected
    if k == 0:
        return _without_ends("sign-flip", n, mean, level).times(sample.unit)
    sign, ordered = canonical_sample(d)
    means = _subset_means(ordered)  # k-th from either end: typical values (Hartigan 1969)
    low, high = sorted(sign * float(np.partition(means, i)[i]) for i in (k - 1, len(means) - k))
    reached, reason = 1 - (2 * k if sign_flips.is_exact(n) else k) / total, why_degenerate(sample) or sample.note
    return Interval("sign-flip", n, mean, low, high, reached, reason).times(sample.unit)


def _without_ends(method: str, n: int, estimate: float, level: float) -> Interval:
    """Return the whole line: so few pairs reject nothing at this level."""
    reason = f"{n} pairs: the exact test has no {100 * level:g} % interval"
    return Interval(method, n, estimate, -math.inf, math.inf, 1.0, reason)


def canonical_sample(d: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return a sign and ``sign * d`` sorted by size, the same for d and -d: swapped arms mirror a result."""
    up, down = np.sort(d), np.sort(-d)
    sign = 1.0 if tuple(up) >= tuple(down) else -1.0
    sample = up if sign > 0 else down
    return sign, sample[np.argsort(np.abs(sample), kind="stable")]


def _subset_means(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the means of the non-empty subsets that the patterns of ``sign_flip`` flip, and of those they keep."""
    n, sizes = len(sample), np.abs(sample)
    two = np.column_stack([sizes, np.where(sample < 0, -1.0, 1.0)])
    means = []
    for sums in sign_flips.flipped_sums(two, sign_flips.generator("sign-flip", sizes[:, None])):
        for sign in (1, -1):
            total, count = (sample.sum() - sign * sums[:, 0]) / 2, (n - sign * sums[:, 1]) / 2
            means.append(total[count > 0] / count[count > 0])
    return np.concatenate(means)


def hodges_lehmann(d: ArrayLike, level: float = 0.95) -> Interval:
    """Return the median of the Walsh averages, with the interval of the exact signed-rank test (Hodges & Lehmann 1963).

    The ends are the smallest and the largest shift for which ``wilcoxon`` of what is left has p above 1 - ``level``: by
    the rule of R's wilcox.test where no differences are equal, by search in the conditional law where some are.
    Outside the test always rejects; inside it may where it is not monotone, which takes ties and is rare.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        What is asked for; ``Interval.level`` is what is reached.

    Returns
    -------
    Interval
        Infinite ends and a reason where n pairs cannot reach the level; NaN and a reason where fewer than half of the
        differences reach 1e-9 of the largest.
    """
    sample = rescale(as_differences(d))
    n, method = sample.n, "Hodges-Lehmann"
    if n == 0 or sample.too_few:
        return Interval(method, n, math.nan, math.nan, math.nan, level, sample.too_few or "0 pairs")
    estimate = float(np.median(walsh_averages(sample.values)))
    low, high, reached = not_rejected(sample.values, 1 - level)
    if math.isinf(low):
        return _without_ends(method, n, estimate, level).times(sample.unit)
    reason = why_degenerate(sample) or sample.note
    return Interval(method, n, estimate, low, high, reached, reason).times(sample.unit)


def bootstrap_t(d: ArrayLike, level: float = 0.95) -> Interval:
    """Return mean - s / sqrt(n) times the quantiles of t over 9,999 resamples (Efron & Tibshirani 1993, section 12.5).

    The draws follow from the data; swapping the arms mirrors the interval.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    level : float
        The probability to cover the mean, approximately.

    Returns
    -------
    Interval
        NaN ends and a reason below 6 pairs or without a spread.
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    mean = float(d.mean()) if n else math.nan
    if reason is None and n < MIN_BOOTSTRAP_PAIRS:
        reason = f"{n} pairs: the bootstrap needs {MIN_BOOTSTRAP_PAIRS}"
    if reason:
        return Interval("bootstrap-t", n, mean, math.nan, math.nan, level, reason).times(sample.unit)
    sign, ordered = canonical_sample(d)
    t = _resampled_t(ordered)
    error = float(ordered.std(ddof=1)) / math.sqrt(n)
    # the upper quantile of t makes the lower end (Efron & Tibshirani 1993, section 12.5)
    ends = ordered.mean() - error * np.quantile(t, [(1 + level) / 2, (1 - level) / 2], method="inverted_cdf")
    low, high = sorted(sign * ends)
    if not math.isfinite(low + high):
        reason = "the interval has no end: too many resamples have no spread"
    return Interval("bootstrap-t", n, mean, float(low), float(high), level, reason or sample.note).times(sample.unit)


def _resampled_t(sample: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (resamples,) t of each resample around the sample's mean; infinite where it has no spread."""
    n = len(sample)
    drawn = sample[sign_flips.generator("bootstrap-t", sample).integers(0, n, (BOOTSTRAP_RESAMPLES, n))]
    gap, error = drawn.mean(1) - sample.mean(), drawn.std(1, ddof=1) / math.sqrt(n)
    rounding = SPREAD_ROUNDING * np.abs(sample).max()
    gap[np.abs(gap) <= rounding] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, np.where(error > rounding, gap / error, np.sign(gap) * np.inf))


def simultaneous(D: ArrayLike, level: float = 0.95) -> list[Interval]:
    """Return intervals for the columns that all hold together.

    mean +- c s / sqrt(n), where c is the quantile of the largest |t| when the centred rows change their signs
    (sup-t, Montiel Olea & Plagborg-Moller 2019; each row keeps its dependence).

    Parameters
    ----------
    D : array_like, shape (n, m)
        Differences, arm minus baseline, a row a seed and a column a cell or an epoch; NaN where a seed has no pair.
    level : float
        The probability that all m intervals cover their means at once, approximately.

    Returns
    -------
    list of Interval, length m
        NaN ends and a reason below 5 pairs in a column; no width and a reason where a column has no spread.
    """
    table, samples = rescale_columns(as_matrix(D))
    n_of = (~np.isnan(table)).sum(0)
    means = [
        float(column[~np.isnan(column)].mean()) if k else math.nan for column, k in zip(table.T, n_of, strict=True)
    ]
    reasons = [why_degenerate(replace(sample, values=sample.values[~np.isnan(sample.values)])) for sample in samples]
    short = [None if k >= MIN_BAND_PAIRS else f"{k} pairs: simultaneous intervals need {MIN_BAND_PAIRS}" for k in n_of]
    usable = [i for i, why in enumerate(zip(reasons, short, strict=True)) if why == (None, None)]
    critical = _critical_t(table[:, usable], level) if usable else math.nan
    intervals = []
    for i, column in enumerate(table.T):
        spread = float(np.nanstd(column, ddof=1)) if i in usable else math.nan
        flat = 0.0 if not short[i] and not samples[i].too_few else math.nan
        half = critical * spread / math.sqrt(n_of[i]) if i in usable else flat
        reason = short[i] or reasons[i] or samples[i].note
        interval = Interval("sup-t", int(n_of[i]), means[i], means[i] - half, means[i] + half, level, reason)
        intervals.append(interval.times(samples[i].unit))
    return intervals


def _critical_t(table: NDArray[np.float64], level: float) -> float:
    """Return the ``level`` quantile of the largest |t| over the columns under flipped signs of the centred rows."""
    centred = sign_flips.canonical_rows(table - np.nanmean(table, axis=0))
    rng = sign_flips.generator("sup-t", np.sort(np.abs(without_unit(centred)), axis=1))
    blocks = sign_flips.flipped_sums(np.nan_to_num(centred), rng, BOOTSTRAP_RESAMPLES)
    largest = np.concatenate([sign_flips.abs_t(sums, centred).max(1) for sums in blocks])
    return float(np.quantile(largest, level, method="inverted_cdf"))


def upper_share(k: int, n: int, level: float = 0.95) -> float:
    """Return the one-sided upper limit of a share of which ``k`` of ``n`` were seen (Clopper & Pearson 1934), exact.

    >>> round(upper_share(0, 10), 3)
    0.259
    """
    return float(stats.beta.ppf(level, k + 1, n - k)) if k < n else 1.0


def percentile_ends(resampled: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the ends of the percentile interval of ``resampled``: resamples, nothing between two of them."""
    ordered = np.sort(resampled)
    k = max(1, math.floor((len(ordered) + 1) * (1 - level) / 2 + 1e-6))  # 1 - 0.95 is not quite 0.05
    return float(ordered[k - 1]), float(ordered[-k])
