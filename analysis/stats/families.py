"""One family, one inversion: tests and simultaneous intervals of several differences by the same patterns of signs.

``D`` (n, m) holds the paired differences of m members, a row a seed, NaN where a seed has no difference. A member's
adjusted p is at most alpha exactly where its interval at level 1 - alpha excludes 0.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats import sign_flips
from analysis.stats.intervals import Interval
from analysis.stats.multiple_tests import as_matrix
from analysis.stats.paired_tests import ROUNDING, Test, why_degenerate
from analysis.stats.scale import Sample, rescale, rescale_columns, without_unit

METHOD = "sup-t"


@dataclass(frozen=True)
class Member:
    """One of several differences that are tested together."""

    test: Test
    """``statistic`` is the member's t; ``pvalue`` is adjusted for all members."""
    interval: Interval
    """All members' intervals hold at once."""


def simultaneous_inference(D: ArrayLike, level: ArrayLike = 0.95) -> list[Member]:
    """Return the test and the interval of every column, adjusted for all of them by one set of sign patterns.

    The centred rows change their signs, a seed's whole row at once, and the largest |t| over the columns is noted
    (sup-t, Montiel Olea & Plagborg-Moller 2019; single-step max-T, Westfall & Young 1993). A column's p is (1 + the
    patterns whose largest |t| is at least the column's) / (1 + all patterns), which is never 0 (Phipson & Smyth 2010);
    its interval is mean +- c s / sqrt(n) with the smallest c whose p is above 1 - ``level``. All patterns up to 16
    seeds, else 99,999 random ones.

    Parameters
    ----------
    D : array_like, shape (n, m)
        Differences, arm minus baseline, a row a seed and a column a member; NaN where a seed has none.
    level : float, or array_like, shape (m,)
        The probability that all m intervals cover their means at once, approximately; of each column its own, where the
        family is that of all columns all the same.

    Returns
    -------
    list of Member, length m
        NaN p and ends and a reason below two differences. Where a column has no spread its interval has no width and a
        reason, and its p is 1 if all its differences are zero, else NaN.

    Raises
    ------
    ValueError
        Where ``D`` is no matrix or holds infinity.

    Examples
    --------
    >>> D = [[1.2, 0.3, -0.2], [0.8, -0.1, 0.4], [1.5, 0.6, 0.1], [0.4, 0.2, -0.5], [0.9, -0.4, 0.3], [1.1, 0.5, -0.1]]
    >>> [member.test.n_extreme for member in simultaneous_inference(D)], simultaneous_inference(D)[0].test.n_total
    ([1, 37, 65], 65)
    """
    given = as_matrix(D)
    columns = [rescale(column[~np.isnan(column)]) for column in given.T]
    reasons = [why_degenerate(column) for column in columns]
    usable = [i for i, reason in enumerate(reasons) if reason is None]
    largest = _largest_t(given[:, usable]) if usable else np.empty(0)
    levels = np.broadcast_to(np.asarray(level, float), len(columns)).tolist()
    critical = {one: _critical(largest, one) for one in {*levels}}
    return [
        _member(column, reason, largest, critical[one], one)
        for column, reason, one in zip(columns, reasons, levels, strict=True)
    ]


def _critical(largest: NDArray[np.float64], level: float) -> float:
    """Return the smallest |t| whose p, among the ``largest`` of all patterns, is above 1 - ``level``."""
    # the most patterns that may reach a |t| whose p is at most 1 - level, the observed one aside
    allowed = math.floor((1 - level) * (1 + len(largest)) * (1 + ROUNDING)) - 1
    return float(largest[-1 - allowed]) / (1 - ROUNDING) if len(largest) and allowed >= 0 else math.inf


def _member(sample: Sample, reason: str | None, largest: NDArray[np.float64], critical: float, level: float) -> Member:
    d, n, total = sample.values, sample.n, 1 + len(largest)
    mean, error = _moments(d) if n else (math.nan, math.nan)
    if reason is not None:
        end = mean if n > 1 and not sample.too_few else math.nan
        nothing = n > 1 and not d.any() and not sample.too_few  # no pattern of signs changes it
        test = Test(METHOD, n, 0.0, 1.0, n_extreme=total, n_total=total) if nothing else None
        interval = Interval(METHOD, n, mean, end, end, level, reason)
        return Member(test or Test(METHOD, n, math.nan, math.nan, reason=reason), interval.times(sample.unit))
    extreme = 1 + len(largest) - int(np.searchsorted(largest, abs(mean / error) * (1 - ROUNDING), side="left"))
    test = Test(METHOD, n, mean / error, extreme / total, n - 1, extreme, total, sample.note)
    why = f"{n} pairs: the exact test has no {100 * level:g} % interval" if math.isinf(critical) else sample.note
    interval = Interval(METHOD, n, mean, mean - critical * error, mean + critical * error, level, why)
    return Member(test, interval.times(sample.unit))


def _largest_t(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest |t| over the columns under each pattern of signs of the centred rows, from small to large."""
    scaled, _ = rescale_columns(table)
    centred = sign_flips.canonical_rows(np.column_stack([_centred(column) for column in scaled.T]))
    rng = sign_flips.generator(METHOD, np.sort(np.abs(without_unit(centred)), axis=1))
    blocks = sign_flips.flipped_sums(np.nan_to_num(centred), rng)
    largest = np.sort(np.concatenate([sign_flips.abs_t(sums, centred).max(1) for sums in blocks]))
    return np.repeat(largest, 2) if sign_flips.is_exact(len(table)) else largest  # the other half mirrors them


def _centred(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the column less its mean, the same bits for any order of the seeds."""
    known = column[~np.isnan(column)]
    return np.asarray(column - math.fsum(known) / len(known))


def _moments(d: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean and its standard error (NaN of one value), the same bits for any order of the seeds."""
    n = len(d)
    spread = math.sqrt(math.fsum(_centred(d) ** 2) / (n - 1) / n) if n > 1 else math.nan
    return math.fsum(d) / n, spread
