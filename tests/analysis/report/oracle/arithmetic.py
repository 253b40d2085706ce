"""Tests and intervals in their plainest form: all 2^n patterns of signs, all subsets, nothing drawn."""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from tests.analysis.report.oracle.spelling import EDGE, Exact, Floats, Interval


@functools.cache
def signs(n: int) -> Floats:
    """All 2^n patterns of signs: (patterns, n)."""
    if n > 16:
        raise NotImplementedError("beyond 16 pairs the page draws patterns at random; this oracle enumerates")
    return np.array(list(itertools.product((1.0, -1.0), repeat=n))).reshape(2**n, n)


def snapped(d: Any) -> Floats:
    """Exactly zero where numbers cancel but for rounding; what stands here are fractions of at most 10,000 images."""
    d = np.asarray(d, dtype=np.float64)
    return np.where(np.abs(d) < 1e-12, 0.0, d)


def over(rows: Floats) -> Floats:
    """The mean of each row (of a seed over its cells)."""
    return rows.mean(axis=1) if rows.size else np.empty(0)


def constant(d: Floats) -> bool:
    return bool(np.ptp(d) <= 1e-10 * np.abs(d).max())


def t_interval(d: Floats, level: float) -> Interval:
    n = len(d)
    if n < 2:
        return Interval(float(d[0]) if n else math.nan, n=n)
    mean = float(np.mean(d))
    if constant(d):
        return Interval(mean, mean, mean, n)
    low, high = stats.t.interval(level, n - 1, mean, stats.sem(d))
    return Interval(mean, float(low), float(high), n)


def paired_t(d: Floats) -> float:
    if len(d) < 2 or constant(d):
        return 1.0 if len(d) > 1 and not d.any() else math.nan
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def no_spread(d: Floats) -> str | None:
    """Why there is no test of the mean."""
    if len(d) < 2:
        return f"{len(d)} pair{'' if len(d) == 1 else 's'}: no estimate of the spread"
    if constant(d):
        return f"all differences are {'equal' if d.any() else 'zero'}: the spread is zero"
    return None


def equivalence(d: Floats, margin: float) -> float:
    if no_spread(d):
        return math.nan
    above = stats.ttest_1samp(d, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(d, margin, alternative="less").pvalue
    return float(max(above, below))


def at_least(sums: Floats, observed: float, size: float) -> int:
    """How many of the sums are as far from zero as the observed one, but for rounding."""
    return int(np.count_nonzero(np.abs(sums) >= abs(observed) - 1e-9 * size))


def sign_flip(d: Floats) -> Exact:
    if len(d) < 2:
        return Exact()
    return Exact(at_least(signs(len(d)) @ d, d.sum(), np.abs(d).sum()), 2 ** len(d))


def wilcoxon(d: Floats) -> Exact:
    """Signed ranks, zeros dropped, middle ranks for ties, over all patterns of signs; infinity is the largest."""
    moved = d[d != 0]
    if len(moved) < 2:
        return Exact()
    sizes = np.abs(moved)
    largest = sizes[np.isfinite(sizes)].max(initial=0.0) or 1.0
    ranks = stats.rankdata(np.round(sizes / largest, 9))
    return Exact(at_least(signs(len(moved)) @ ranks, np.sign(moved) @ ranks, ranks.sum()), 2 ** len(moved))


def sizes_of_t(sums: Floats, n_of: NDArray, squares: Floats) -> Floats:
    """|t| of columns with these sums, numbers and sums of squares; infinite without spread, 0 for zeros."""
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (squares - sums**2 / n_of) / (n_of - 1)
        t = np.abs(sums) / n_of / np.sqrt(np.maximum(variance, 0) / n_of)
    return np.where(squares == 0, 0.0, np.where(variance <= 1e-12 * squares / n_of, np.inf, t))


def all_t(D: Floats) -> tuple[Floats, Floats]:
    """|t| of every column of ``D`` as it is, (m,), and under all patterns of signs of its rows, (patterns, m)."""
    n_of, filled = np.count_nonzero(~np.isnan(D), axis=0), np.nan_to_num(D)
    squares = (filled**2).sum(0)
    return sizes_of_t(filled.sum(0), n_of, squares), sizes_of_t(signs(len(D)) @ filled, n_of, squares)


def max_t(D: Floats) -> list[Exact]:
    """Step-down max-T of the columns of ``D`` (seeds, cells), NaN where there is no pair."""
    testable = [j for j in range(D.shape[1]) if np.count_nonzero(~np.isnan(D[:, j])) >= 2]
    observed, flipped = all_t(D[:, testable])
    order = sorted(range(len(testable)), key=lambda j: -observed[j])
    found, most = [Exact()] * D.shape[1], 0
    for step, j in enumerate(order):
        largest = flipped[:, order[step:]].max(axis=1)
        most = max(most, int(np.count_nonzero(largest >= observed[j] * (1 - 1e-9))))
        found[testable[j]] = Exact(most, 2 ** len(D))
    return found


def sup_t(D: Floats, level: float) -> list[Interval]:
    """mean +- c s / sqrt(n), c the smallest |t| that the largest under changed signs of the centred rows stays within
    with probability ``level``; from five pairs a column on."""
    columns = [column[~np.isnan(column)] for column in D.T]
    usable = [j for j, column in enumerate(columns) if len(column) >= 5 and not constant(column)]
    critical = math.nan
    if usable:
        centred = D[:, usable] - [columns[j].mean() for j in usable]
        largest = np.sort(all_t(centred)[1].max(axis=1))
        critical = float(largest[math.ceil(level * len(largest) - 1e-9) - 1])
    found = []
    for j, column in enumerate(columns):
        mean = float(column.mean()) if len(column) else math.nan
        half = critical * float(stats.sem(column)) if j in usable else 0.0 if len(column) >= 5 else math.nan
        found.append(Interval(mean, mean - half, mean + half, len(column)))
    return found


def one_family(D: Floats, alpha: float) -> list[tuple[Exact, Interval]]:
    """Of every column of ``D`` (seeds, members), NaN where there is none: its p among the signs of the centred rows, of
    which the observed pattern is one, and the means whose p is above alpha."""
    D = D[~np.isnan(D).all(axis=1)]
    columns = [column[~np.isnan(column)] for column in D.T]
    usable = [j for j, d in enumerate(columns) if not no_spread(d)]
    largest = np.sort(all_t(D[:, usable] - np.nanmean(D[:, usable], axis=0))[1].max(axis=1)) if usable else np.empty(0)
    total = 1 + len(largest)
    found = []
    for j, d in enumerate(columns):
        mean = float(d.mean()) if len(d) else math.nan
        if j not in usable:
            end = mean if len(d) > 1 else math.nan
            nothing = len(d) > 1 and not d.any()
            found.append((Exact(total, total) if nothing else Exact(), Interval(mean, end, end, len(d))))
            continue
        error = float(stats.sem(d))
        p = Exact(1 + int(np.count_nonzero(largest >= abs(mean / error) * (1 - 1e-9))), total)
        # |t| c is the least of which no more than alpha of all patterns, less the observed one, are at least as large
        most = math.floor(alpha * total + 1e-9) - 1
        critical = largest[len(largest) - 1 - most] if most >= 0 else math.inf
        found.append((p, Interval(mean, mean - critical * error, mean + critical * error, len(d))))
    return found


def concluded(
    found: Interval, inner: Interval, alpha: float, margin: float, why: str | None, bounds: tuple[float, float] | None
) -> str:
    """``why``: of differences without a spread."""
    if 2 / 2**found.n > alpha or why:
        return "description"
    if bounds and bounds[0] <= 0 <= bounds[1]:
        return "withheld"
    both = [(inner.low, inner.high), *([bounds] if bounds else [])]
    negligible = all(-margin < low and high < margin for low, high in both)
    if found.low <= 0 <= found.high:
        return "equivalent" if negligible else "inconclusive"
    side = "better" if found.estimate > 0 else "worse"
    return f"{side}, by less than the margin" if negligible else side


def upper_limit(k: int, n: int, alpha: float) -> float:
    """Of a share, one-sided (Clopper & Pearson 1934)."""
    return 1.0 if k == n else float(stats.beta.isf(alpha, k + 1, n - k))


def holm(p: Sequence[float]) -> list[float]:
    """Step-down; a cell without a p counts as a test all the same."""
    adjusted, largest = [math.nan] * len(p), 0.0
    for step, i in enumerate(sorted((i for i in range(len(p)) if not math.isnan(p[i])), key=lambda i: p[i])):
        largest = max(largest, min(1.0, (len(p) - step) * p[i]))
        adjusted[i] = largest
    return adjusted


def hodges_lehmann(d: Floats, level: float) -> Interval:
    """The median of the Walsh averages, and those that the exact signed-rank test leaves (R's wilcox.test); with equal
    differences the outermost shifts that the conditional test does not reject."""
    n = len(d)
    if n == 0:
        return Interval(math.nan)
    walsh = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
    if n > 1 and np.diff(np.sort(d)).min() <= 1e-10 * np.abs(d).max():
        return _conditional(d, walsh, 1 - level)
    rank_sums = (signs(n) > 0) @ np.arange(1, n + 1)
    k = next(k for k in itertools.count() if np.count_nonzero(rank_sums <= k) / 2**n >= (1 - level) / 2 * (1 - EDGE))
    if k == 0:
        return Interval(float(np.median(walsh)), n=n)
    return Interval(float(np.median(walsh)), float(walsh[k - 1]), float(walsh[-k]), n)


def _conditional(d: Floats, walsh: Floats, alpha: float) -> Interval:
    """Every average and a shift between every two, from outside in, until Wilcoxon's test does not reject."""
    largest = np.abs(walsh).max() or 1.0
    averages = walsh[np.diff(walsh, prepend=-math.inf) > 1e-9 * largest]
    middles = [averages[0] - largest, *(averages[1:] + averages[:-1]) / 2, averages[-1] + largest]
    shifts = np.sort([*averages, *middles])  # a middle at every even place

    def is_kept(mu: float) -> bool:
        left = d - mu
        left[np.abs(left) < 1e-9 * np.abs(left).max()] = 0.0
        p = wilcoxon(left).p
        return math.isnan(p) or p > alpha * (1 + EDGE)

    kept = [i for i, mu in enumerate(shifts) if is_kept(mu)]
    first, last = kept[0] - (kept[0] % 2 == 0), kept[-1] + (kept[-1] % 2 == 0)
    ends = (math.nan, math.nan) if first < 0 else (float(shifts[first]), float(shifts[last]))
    return Interval(float(np.median(walsh)), *ends, len(d))


def sign_flip_interval(d: Floats, level: float) -> Interval:
    """The k-th smallest and largest mean of all subsets, k = floor(alpha/2 2^n) (Hartigan 1969)."""
    n = len(d)
    k = math.floor((1 - level) / 2 * 2**n * (1 + EDGE))
    if k == 0:
        return Interval(float(d.mean()) if n else math.nan, n=n)
    subsets = [kept for kept in signs(n) > 0 if kept.any()]
    means = np.sort([d[kept].mean() for kept in subsets])
    return Interval(float(d.mean()), float(means[k - 1]), float(means[-k]), n)


@functools.cache
def chi_over_root(df: int) -> Floats:
    """20,000 equally likely values of chi / sqrt(df)."""
    return np.asarray(np.sqrt(stats.chi2.ppf((np.arange(20_000) + 0.5) / 20_000, df) / df))


def noncentral_t(t: float, df: int, delta: float) -> float:
    """P(T <= t) of T = (Z + delta) / (chi / sqrt(df)), the mean of P(Z <= t s - delta) over s."""
    return float(special.ndtr(t * chi_over_root(df) - delta).mean())


def hedges(d: Floats, level: float) -> Interval:
    """g_z, with the noncentralities under which |t| would be at either end of its law."""
    m = len(d) - 1
    if no_spread(d) or m < 2:
        return Interval(math.nan)
    j = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    d_z, root = float(d.mean() / d.std(ddof=1)), math.sqrt(len(d))
    t = abs(d_z) * root
    low, high = (
        optimize.brentq(lambda delta, p=p: noncentral_t(t, m, delta) - p, -9 - t, 9 + 9 * t)
        for p in ((1 + level) / 2, (1 - level) / 2)
    )
    low, high = (low, high) if d_z > 0 else (-high, -low)
    return Interval(j * d_z, j * low / root, j * high / root)


def clopper_pearson(k: int, n: int, level: float) -> Interval:
    tail = (1 - level) / 2
    low = float(stats.beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    return Interval(k / n, low, high, n)
