"""Tests of paired differences: arrays in, small named results out.

``d`` (n,) holds one difference per independent unit, arm minus baseline. A test that cannot be made has a NaN p-value
and says why in ``reason``; it never raises for want of data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.stats.scale import Sample, rescale
from analysis.stats.sign_flips import flipped_sums, generator, is_exact, two_sided_counts

ROUNDING = 1e-10
"""Sums that differ by less than this share of the sizes summed are one sum, added in another order."""


@dataclass(frozen=True)
class Test:
    """A test of "no difference", two-sided."""

    method: str
    n: int
    statistic: float
    pvalue: float
    df: float | None = None
    """Degrees of freedom, None where the law has none."""
    n_extreme: int | None = None
    """Sign patterns: how many of ``n_total`` are at least as extreme as the observed one."""
    n_total: int | None = None
    reason: str | None = None
    """Why there is no p-value, or what counts as zero; None where all is well."""

    __test__ = False  # not a class of tests, whatever its name tells pytest


def as_differences(d: ArrayLike, infinite: bool = False) -> NDArray[np.float64]:
    """Return ``d`` as floats (n,); a ValueError where it is no row, holds NaN, or infinity that is not allowed."""
    array = np.asarray(d, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"differences form one row, these have the shape {array.shape}")
    fine = ~np.isnan(array) if infinite else np.isfinite(array)
    if not fine.all():
        raise ValueError(f"differences are finite, number {int(np.argmin(fine))} is not")
    return array


def is_constant(d: NDArray[np.float64]) -> bool:
    """Return whether all differences are equal but for rounding."""
    return bool(np.ptp(d) <= ROUNDING * np.abs(d).max())


def tied_ranks(sizes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ranks of ``sizes`` (n,), not negative; neighbours that differ by less than ``ROUNDING`` of their sum
    tie, and what ties has the middle of its ranks."""
    order = np.argsort(sizes, kind="stable")
    ascending = sizes[order]
    with np.errstate(invalid="ignore"):  # infinity ties with infinity
        above = np.diff(ascending) > ROUNDING * (ascending[1:] + ascending[:-1])
    above |= np.isinf(ascending[1:]) & np.isfinite(ascending[:-1])
    groups = np.empty(len(sizes))
    groups[order] = np.concatenate([[0], np.cumsum(above)])[: len(sizes)]
    return np.asarray(stats.rankdata(groups))


def why_degenerate(sample: Sample) -> str | None:
    """Return why there is no test and no interval of the mean: no spread, or too little that is not negligible."""
    return sample.too_few or degenerate_reason(sample.values)


def degenerate_reason(d: NDArray[np.float64]) -> str | None:
    """Return why the spread of the differences cannot be estimated; None where it can."""
    if len(d) < 2:
        return f"{len(d)} pair{'' if len(d) == 1 else 's'}: no estimate of the spread"
    if is_constant(d):
        same = "zero" if not d.any() else "equal"
        return f"all differences are {same}: the spread is zero"
    return None


def paired_t(d: ArrayLike) -> Test:
    """Return Student's t test that the mean of the differences is zero, df = n - 1.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.

    Returns
    -------
    Test
        NaN and a reason where there is no spread; p = 1 where every difference is zero.

    Examples
    --------
    >>> round(paired_t([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]).pvalue, 6)  # Student 1908
    0.002833
    """
    sample = rescale(as_differences(d))
    n, reason = sample.n, why_degenerate(sample)
    if reason:
        pvalue = 1.0 if n > 1 and not sample.values.any() else math.nan
        return Test("paired t", n, math.nan, pvalue, df=max(n - 1, 0), reason=reason)
    result = stats.ttest_1samp(sample.values, 0.0)
    return Test("paired t", n, float(result.statistic), float(result.pvalue), float(result.df), reason=sample.note)


def equivalence(d: ArrayLike, margin: float) -> Test:
    """Return two one-sided t tests that the mean lies within +-margin (Schuirmann 1987).

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.
    margin : float
        The largest difference that does not matter, in the units of ``d``.

    Returns
    -------
    Test
        ``pvalue`` is the larger of the two, ``statistic`` the t that belongs to it; a reason where there is no spread.
    """
    sample = rescale(as_differences(d))
    d, n, reason = sample.values, sample.n, why_degenerate(sample)
    if reason:
        return Test("two one-sided t", n, math.nan, math.nan, df=max(n - 1, 0), reason=reason)
    error, margin = float(d.std(ddof=1)) / math.sqrt(n), margin / sample.unit
    above, below = (float(d.mean()) + margin) / error, (float(d.mean()) - margin) / error
    p_above, p_below = float(stats.t.sf(above, n - 1)), float(stats.t.cdf(below, n - 1))
    statistic, pvalue = (above, p_above) if p_above > p_below else (below, p_below)  # Schuirmann 1987
    return Test("two one-sided t", n, statistic, pvalue, df=n - 1, reason=sample.note)


def sign_flip(d: ArrayLike) -> Test:
    """Return Fisher's randomisation test: how extreme |sum d| is when every difference may change its sign.

    Exact where the labels of each pair are exchangeable. All 2^n sign patterns for n <= 16, so p is a
    fraction and never below 2 / 2^n; beyond, 99,999 random ones and p = (1 + extreme) / (1 + 99,999)
    (Phipson & Smyth 2010), drawn from a hash of the data.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed.

    Returns
    -------
    Test
        ``statistic`` is the mean of ``d``; ``pvalue`` is ``n_extreme`` / ``n_total``, NaN and a reason below 2 pairs
        and where fewer than half of the differences reach 1e-9 of the largest.

    Examples
    --------
    >>> test = sign_flip([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> test.n_extreme, test.n_total
    (4, 1024)
    """
    sample = rescale(as_differences(d))
    d, n = sample.values, sample.n
    if n == 0:
        return Test("sign-flip", 0, math.nan, math.nan, reason="0 pairs")
    sizes = np.sort(np.abs(d))[:, None]
    tie = abs(d.sum()) - ROUNDING * sizes.sum()
    blocks = flipped_sums(sizes, generator("sign-flip", sizes))
    extreme, total = two_sided_counts(sum(int(np.count_nonzero(np.abs(block) >= tie)) for block in blocks), n)
    mean, reason = float(d.mean()) * sample.unit, "1 pair: the smallest p possible is 1" if n == 1 else sample.too_few
    pvalue = math.nan if reason else extreme / total
    return Test("sign-flip", n, mean, pvalue, n_extreme=extreme, n_total=total, reason=reason or sample.note)


def wilcoxon(d: ArrayLike) -> Test:
    """Return Wilcoxon's signed-rank test, exact with ties too: zeros are dropped, the law is that of the ranks at hand.

    Parameters
    ----------
    d : array_like, shape (n,)
        Differences, arm minus baseline, one a seed; infinite ones are the largest there are (worst-rank scores,
        Lachin 1999).

    Returns
    -------
    Test
        ``n`` counts the differences that are not zero; ``statistic`` is the sum of the ranks of the positive ones
        (Wilcoxon 1945).

    Examples
    --------
    >>> wilcoxon([1, 1, 1, 1, 1, 1]).pvalue
    0.03125
    """
    sample = rescale(as_differences(d, infinite=True))
    moved = sample.values[sample.values != 0]
    n = len(moved)
    reason = sample.too_few or (f"{n} difference{' that is' if n == 1 else 's that are'} not zero" if n < 2 else None)
    if reason:
        return Test("Wilcoxon signed-rank", n, math.nan, math.nan, reason=reason)
    doubled = np.rint(2 * tied_ranks(np.abs(moved))).astype(int)  # whole numbers, ties or not
    pmf = signed_rank_pmf(doubled)
    positive, half = int(doubled[moved > 0].sum()), int(doubled.sum()) / 2
    extreme = np.abs(np.arange(len(pmf)) - half) >= abs(positive - half)
    pvalue = min(1.0, float(pmf[extreme].sum()))
    counts = (round(pvalue * 2**n), 2**n) if is_exact(n) else (None, None)
    return Test(
        "Wilcoxon signed-rank", n, positive / 2, pvalue, n_extreme=counts[0], n_total=counts[1], reason=sample.note
    )


def signed_rank_pmf(ranks: Sequence[int] | NDArray[np.int_]) -> NDArray[np.float64]:
    """Return P(sum of the positive ranks = k), k from 0; each of the whole-numbered ``ranks`` is positive or not."""
    pmf = np.ones(1)
    for rank in ranks:
        longer = np.zeros(len(pmf) + rank)
        longer[: len(pmf)] += pmf / 2
        longer[rank:] += pmf / 2
        pmf = longer
    return pmf
