"""Tests of several differences at once: p-values adjusted for all that were made. Arrays in, small named results out.

``D`` (n, m) holds the paired differences of m cells, a row a seed, NaN where a seed has no pair in a cell.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.paired_tests import ROUNDING, Test
from analysis.stats.scale import rescale_columns, without_unit
from analysis.stats.sign_flips import abs_t, canonical_rows, flipped_sums, generator, two_sided_counts


def max_t(D: ArrayLike) -> list[Test]:
    """Return step-down max-T over the cells: p-values adjusted for testing all of them.

    One sign per seed flips its whole row, so the dependence between cells is kept (Westfall & Young 1993, algorithm
    2.8; Romano & Wolf 2005). Each cell is studentised by its own n. All patterns up to 16 seeds, else 99,999 random
    ones.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Differences, arm minus baseline, a row a seed and a column a cell; NaN where a seed has no pair in a cell.

    Returns
    -------
    list of Test, length m
        ``statistic`` is the cell's t, ``pvalue`` is adjusted; a reason where a cell has fewer than two pairs.

    Examples
    --------
    >>> D = [[1.2, 0.3, -0.2], [0.8, -0.1, 0.4], [1.5, 0.6, 0.1], [0.4, 0.2, -0.5], [0.9, -0.4, 0.3], [1.1, 0.5, -0.1]]
    >>> [test.n_extreme for test in max_t(D)]
    [2, 30, 64]
    """
    given, samples = rescale_columns(as_matrix(D))
    table = canonical_rows(given)
    n, n_of = len(table), (~np.isnan(table)).sum(0)
    total, sizes = np.nansum(given, axis=0), np.nansum(np.abs(given), axis=0)
    observed = abs_t(total, given)
    # a sum that is larger but for rounding is not
    ties = abs_t(np.maximum(np.abs(total) - ROUNDING * sizes, 0), given)
    testable = np.flatnonzero([sample.n >= 2 and sample.too_few is None for sample in samples])
    order = testable[np.argsort(-ties[testable], kind="stable")]
    counts = _step_down_counts(table[:, order], ties[order])
    by_column = {}
    # no count below that of a larger t (Westfall & Young 1993, algorithm 2.8)
    for i, n_extreme in zip(order.tolist(), np.maximum.accumulate(counts), strict=True):
        extreme, of = two_sided_counts(int(n_extreme), n)
        t = math.copysign(observed[i], total[i])
        note = samples[i].note
        by_column[i] = Test("step-down max-T", int(n_of[i]), t, extreme / of, None, extreme, of, reason=note)
    return [
        by_column.get(
            i,
            Test(
                "step-down max-T", sample.n, math.nan, math.nan, reason=sample.too_few or f"{sample.n} pairs: no test"
            ),
        )
        for i, sample in enumerate(samples)
    ]


def as_matrix(D: ArrayLike) -> NDArray[np.float64]:
    """Return ``D`` as floats (seeds, cells), NaN where there is no pair; a ValueError where it is no such table."""
    table = np.asarray(D, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(f"a row per seed and a column per cell, this has the shape {table.shape}")
    if np.isinf(table).any():
        raise ValueError("differences are finite, or NaN where there is no pair")
    return table


def _step_down_counts(table: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return (m,) how many patterns have, among the columns from each on, a |t| as large as its ``observed``.

    ``observed`` (m,) falls from column to column.
    """
    counts = np.zeros(len(observed), int)
    for sums in flipped_sums(
        np.nan_to_num(table), generator("sign-flip", np.sort(np.abs(without_unit(table)), axis=1))
    ):
        t = abs_t(sums, table)
        largest_from = np.maximum.accumulate(t[:, ::-1], axis=1)[:, ::-1]
        counts += (largest_from >= observed).sum(0)
    return counts


def bonferroni_level(level: float, m: int) -> float:
    """Return the level of each of ``m`` intervals that hold together with probability ``level`` at least (Dunn 1961).

    >>> bonferroni_level(0.95, 1), round(bonferroni_level(0.95, 5), 6)
    (0.95, 0.99)
    """
    return level if m == 1 else 1 - (1 - level) / m


def holm(pvalues: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values (Holm 1979).

    Parameters
    ----------
    pvalues : array_like, shape (m,)
        NaN where there was no test.

    Returns
    -------
    ndarray, shape (m,)
        NaN stays NaN and counts as a test all the same.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03, 0.005, 0.20]).round(3).tolist()
    [0.04, 0.09, 0.09, 0.025, 0.2]
    """
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")  # NaN last
    adjusted = np.empty_like(p)
    # (m - i + 1) p_(i), never falling (Holm 1979)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return np.where(np.isnan(p), np.nan, adjusted)
