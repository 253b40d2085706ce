"""Many analyses of the same data, judged together: arrays in, small named results out."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.multiple_tests import as_matrix
from analysis.stats.paired_tests import ROUNDING, Test, as_differences, tied_ranks
from analysis.stats.scale import rescale, without_unit
from analysis.stats.sign_flips import canonical_rows, flipped_sums, generator, two_sided_counts

METHOD = "sign-flip of all analyses at once"


def signed_ranks(d: ArrayLike) -> NDArray[np.float64]:
    """Return the ranks of |d| with the signs of ``d`` (n,), 0 for a zero: what Wilcoxon's test adds up.

    >>> signed_ranks([3.0, -1.0, 0.0, 1.0]).tolist()
    [3.0, -1.5, 0.0, 1.5]
    """
    moved = rescale(as_differences(d)).values
    ranks = np.zeros(len(moved))
    ranks[moved != 0] = tied_ranks(np.abs(moved[moved != 0]))
    return np.sign(moved) * ranks


def joint_sign_flip(scores: ArrayLike) -> Test:
    """Return one test of all analyses of the same seeds: do their statistics lie to one side of zero as by chance?

    An analysis adds up a score a seed: its difference, or its signed rank. ``statistic`` is the median over the
    analyses of sum / sqrt(sum of squares), which has mean 0 and variance 1 where the labels within seeds are
    exchangeable. Its reference set flips a seed's sign in all analyses at once, so how these agree is kept (Simonsohn,
    Simmons & Nelson 2020). All patterns up to 16 seeds, else 99,999 random ones.

    Parameters
    ----------
    scores : array_like, shape (n, m)
        A row a seed and a column an analysis; NaN where an analysis leaves a seed out.

    Returns
    -------
    Test
        Two-sided; NaN and a reason below 2 seeds or without an analysis.

    Examples
    --------
    >>> d = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    >>> test = joint_sign_flip(list(zip(d, signed_ranks(d))))
    >>> test.n_extreme, test.n_total
    (4, 1024)
    """
    table = as_matrix(scores)
    n = int((~np.isnan(table)).any(axis=1).sum())
    if n < 2 or table.shape[1] == 0:
        reason = f"{n} seed{'' if n == 1 else 's'}, {table.shape[1]} analyses: no test"
        return Test(METHOD, n, math.nan, math.nan, reason=reason)
    sized = _sized(table[(~np.isnan(table)).any(axis=1)])
    observed = float(np.median(sized.sum(axis=0)))
    rows = canonical_rows(sized)
    blocks = flipped_sums(rows, generator("specifications", np.sort(np.abs(without_unit(rows)), axis=1)))
    tie = abs(observed) - ROUNDING * n
    n_extreme = sum(int(np.count_nonzero(np.abs(np.median(sums, axis=1)) >= tie)) for sums in blocks)
    extreme, total = two_sided_counts(n_extreme, n)
    return Test(METHOD, n, observed, extreme / total, n_extreme=extreme, n_total=total)


def _sized(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns with a sum of squares of 1, zero for NaN; a column of zeros stays one."""
    largest = np.nanmax(np.abs(table), axis=0, initial=0.0)
    unit = np.nan_to_num(table) / np.where(largest > 0, largest, 1.0)
    lengths = np.sqrt((unit**2).sum(axis=0))
    return np.asarray(unit / np.where(lengths > 0, lengths, 1.0))
