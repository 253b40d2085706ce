"""Tests of paired differences: arrays in, small named results out.

``d`` (n,) holds one difference per independent unit, arm minus baseline. A test that cannot be made
has a NaN p-value and says why in ``reason``; it never raises for want of data.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

EXACT_UP_TO = 16
RESAMPLES = 99_999
ROUNDING = 1e-10
"""Sums that differ by less than this share of the sizes summed are one sum, added in another order."""


@dataclass(frozen=True)
class Test:
    """A test of "no difference", two-sided."""

    method: str
    n: int
    statistic: float
    pvalue: float
    df: float = math.nan
    n_extreme: int | None = None
    """Sign-flip: how many of ``n_total`` sign patterns are at least as extreme as the observed one."""
    n_total: int | None = None
    reason: str | None = None
    """Why there is no p-value, None where there is one."""

    __test__ = False  # not a class of tests, whatever its name tells pytest


def differences(d: ArrayLike) -> NDArray[np.float64]:
    """``d`` as a float array (n,); a ValueError where it is not one or holds NaN or infinity."""
    array = np.asarray(d, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"differences form one row, these have the shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"differences are finite, number {int(np.argmin(np.isfinite(array)))} is not")
    return array


def is_constant(d: NDArray[np.float64]) -> bool:
    """Whether all differences are equal but for rounding."""
    return bool(np.ptp(d) <= ROUNDING * np.abs(d).max())


def paired_t(d: ArrayLike) -> Test:
    """Student's t test that the mean of ``d`` is zero, df = n - 1.

    >>> round(paired_t([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]).pvalue, 6)  # Student 1908
    0.002833
    """
    d = differences(d)
    n = len(d)
    if n < 2:
        return Test("paired t", n, math.nan, math.nan, reason=f"{n} pairs: no estimate of the spread")
    if is_constant(d):
        same = "all differences are zero" if not d.any() else "all differences are equal"
        pvalue = 1.0 if not d.any() else math.nan
        return Test("paired t", n, math.nan, pvalue, df=n - 1, reason=f"{same}: the spread is zero")
    found = stats.ttest_1samp(d, 0.0)
    return Test("paired t", n, float(found.statistic), float(found.pvalue), df=float(found.df))


def sign_flip(d: ArrayLike) -> Test:
    """Fisher's randomisation test: how extreme |sum d| is when every difference may change its sign.

    Exact where the labels of each pair are exchangeable. All 2^n sign patterns for n <= 16, so p is a
    fraction and never below 2 / 2^n; beyond, 99,999 random ones and p = (1 + extreme) / (1 + 99,999)
    (Phipson & Smyth 2010), drawn from a hash of the data.

    >>> found = sign_flip([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    >>> found.n_extreme, found.n_total
    (4, 1024)
    """
    d = differences(d)
    n = len(d)
    if n == 0:
        return Test("sign-flip", 0, math.nan, math.nan, reason="0 pairs")
    observed = abs(d.sum())
    if n <= EXACT_UP_TO:
        flipped, identity = _all_flips(d), 0
    else:
        flipped, identity = _random_flips(d), 1
    tie = observed - ROUNDING * np.abs(d).sum()
    extreme = identity + int(np.count_nonzero(np.abs(flipped) >= tie))
    total = identity + len(flipped)
    reason = "1 pair: the smallest p possible is 1" if n == 1 else None
    pvalue = math.nan if n == 1 else extreme / total
    return Test("sign-flip", n, float(d.mean()), pvalue, n_extreme=extreme, n_total=total, reason=reason)


def _all_flips(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums under all 2^n sign patterns."""
    sums = np.zeros(1)
    for value in d:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _random_flips(d: NDArray[np.float64]) -> NDArray[np.float64]:
    """99,999 sums under random signs: a function of the sizes, not of their order nor of which arm is which."""
    sizes = np.sort(np.abs(d))
    seed = int.from_bytes(hashlib.sha256(b"sign_flip" + sizes.tobytes()).digest()[:16], "big")
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.integers(0, 2, (RESAMPLES // 9, len(d))) * 2 - 1) @ sizes for _ in range(9)])
