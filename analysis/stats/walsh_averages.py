"""Averages of two differences, and between which of them Wilcoxon's signed-rank test does not reject.

As a value mu is taken from all differences, their signed ranks change where mu is the average of two of them (Walsh
1949). Between two neighbouring averages p is one number; at an average itself ranks tie, or a difference is zero.
"""

import math

import numpy as np
from numpy.typing import NDArray

from analysis.stats.paired_tests import ROUNDING, signed_rank_pmf, wilcoxon
from analysis.stats.scale import NEGLIGIBLE

N_BEYOND = 16
"""Values beyond the end that a bisection finds at which p is looked at too: with ties it may rise once more."""

Floats = NDArray[np.float64]


def walsh_averages(d: Floats) -> Floats:
    """Return the averages of every two of ``d`` (n,), each with itself too, in order: (n (n + 1) / 2,)."""
    return np.sort(((d[:, None] + d) / 2)[np.triu_indices(len(d))])


def not_rejected(d: Floats, alpha: float) -> tuple[float, float, float]:
    """Return the smallest and the largest mu for which ``wilcoxon`` of d - mu has p > alpha, and 1 - the largest p
    outside; infinite ends where it never rejects.

    Without equal differences the law of the ranks is one for all mu, and the ends are the k-th averages from either
    end (the rule of R's wilcox.test). With equal ones each mu has its own conditional law, and the ends are searched.
    An end is the limit of what is not rejected; one that is zero, where the test of ``d`` itself rejects, makes way by
    what is negligible.
    """
    walsh, n = walsh_averages(d), len(d)
    largest = float(np.abs(d).max())
    if (np.diff(np.sort(d)) > ROUNDING * largest).all():
        cumulated = np.cumsum(signed_rank_pmf(range(1, n + 1)))
        k = int(np.searchsorted(cumulated, alpha / 2 * (1 + ROUNDING), side="right"))  # P(T < k) <= alpha / 2
        if k == 0:
            return -math.inf, math.inf, 1.0
        low, high, reached = float(walsh[k - 1]), float(walsh[-k]), 1 - 2 * float(cumulated[k - 1])
    else:
        low, p_below = _lower_end(d, walsh, alpha)
        high, p_above = _lower_end(-d, -walsh[::-1], alpha)
        high, reached = -high, 1 - max(p_below, p_above)
    if 0.0 in (low, high) and _pvalue(d) <= alpha * (1 + ROUNDING):
        gap = 2 * NEGLIGIBLE * largest
        low, high = gap if low == 0 else low, -gap if high == 0 else high
    return low, high, reached


def _lower_end(d: Floats, walsh: Floats, alpha: float) -> tuple[float, float]:
    """Return the smallest mu that is not rejected and p just below; -infinity and 0 where none is rejected there."""
    averages = walsh[np.diff(walsh, prepend=-math.inf) > NEGLIGIBLE * np.abs(walsh).max()]
    middles = np.append(averages[0] - (np.abs(walsh).max() or 1.0), (averages[1:] + averages[:-1]) / 2)
    values = np.column_stack([middles, averages]).ravel()  # between two averages, at one, between two, ...

    def is_rejected(i: int) -> bool:
        return _pvalue(d - values[i]) <= alpha * (1 + ROUNDING)

    outside, inside = -1, int(np.searchsorted(values, np.median(walsh)).clip(0, len(values) - 1))
    while inside - outside > 1:
        middle = (inside + outside) // 2
        outside, inside = (middle, inside) if is_rejected(middle) else (outside, middle)
    inside = next((i for i in range(max(0, inside - N_BEYOND), inside) if not is_rejected(i)), inside)
    if inside == 0:
        return -math.inf, 0.0
    return float(averages[(inside - 1) // 2]), _pvalue(d - values[inside - 1])


def _pvalue(d: Floats) -> float:
    """Return p of ``wilcoxon``, 1 where too little is left to test."""
    pvalue = wilcoxon(d).pvalue
    return 1.0 if math.isnan(pvalue) else pvalue
