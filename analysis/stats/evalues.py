"""Evidence seed by seed, which may be looked at after every one of them: e-values.

``d`` (n,) holds one difference per independent unit, arm minus baseline, in the order of the seeds.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.paired_tests import as_differences


def e_process(d: ArrayLike, c2: float = 1.0) -> NDArray[np.float64]:
    """Return the evidence against "the mean is zero" after each seed, in the order given: e-values (n,).

    E_n = sqrt(c2 / (n + c2)) (1 - S^2 / ((n + c2) V))^(-n/2) with S = sum d and V = sum d^2: the likelihood
    ratio of d_z ~ N(0, 1 / c2) to d_z = 0, whatever the spread (Lai 1976, Annals of Statistics 4, 265-280;
    Wang & Ramdas 2024, anytime-valid t-tests). While all differences are zero, E = 1. For independent normal
    differences of mean zero the probability that E ever reaches 1 / alpha is at most alpha (Ville 1939):
    one may look after every seed and stop at will. Fix ``c2`` and the order before looking.

    >>> e_process([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])[[0, 4, 9]].round(2)
    array([ 1.  ,  4.18, 25.48])
    """
    if not c2 > 0:
        raise ValueError(f"c2 is {c2}: give a positive number, such as 1")
    d = as_differences(d)
    d = d / (np.abs(d).max(initial=0.0) or 1.0)  # the evidence knows no unit, and squares of tiny numbers vanish
    n = np.arange(1, len(d) + 1)
    squares = np.cumsum(d**2)
    spread = np.maximum(n * squares - np.cumsum(d) ** 2, 0.0)  # n V - S^2, never negative but by rounding
    seen = squares > 0
    share = np.divide(c2 * squares + spread, (n + c2) * squares, out=np.ones(len(d)), where=seen)
    log_e = 0.5 * np.log(c2 / (n + c2)) - 0.5 * n * np.log(share)
    return _exp(np.where(seen, log_e, 0.0))


def sign_e_process(d: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence against "as often positive as negative" after each seed, in the order given: e-values (n,).

    E = 2^m B(k + 1/2, m - k + 1/2) / B(1/2, 1/2), where k of the m differences so far that are not zero are
    positive: a coin whose bias is uncertain, Beta(1/2, 1/2), against a fair one. Asks only that a difference
    that is not zero has either sign with probability 1/2 given those before; then E reaches 1 / alpha with
    probability at most alpha, however often one looks (Ville 1939).

    >>> sign_e_process([0.3, 0.1, 0.0, 0.2, -0.4])
    array([1.   , 1.5  , 1.5  , 2.5  , 0.625])
    """
    d = as_differences(d)
    k, m = np.cumsum(d > 0), np.cumsum(d != 0)
    log_beta = np.asarray(special.betaln(k + 0.5, m - k + 0.5), dtype=np.float64)
    return _exp(log_beta - special.betaln(0.5, 0.5) + m * math.log(2))


def _exp(log_e: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return e^log_e, infinite where no float is large enough."""
    with np.errstate(over="ignore"):
        return np.exp(log_e)
