"""Evidence pair by pair, which may be looked at after every one of them: e-values.

``d`` (n,) holds one difference per independent unit, arm minus baseline, in the order of the seeds.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from analysis.stats.paired_tests import as_differences

LEAST = 1e-9
"""Below any difference of two accuracies."""


def sign_e_process(d: ArrayLike) -> NDArray[np.float64]:
    """Return the evidence against "as often better as worse" after each pair, in the order given: e-values (n,).

    E = 2^m B(k + 1/2, m - k + 1/2) / B(1/2, 1/2), where k of the m differences so far that are not zero are
    positive: a coin whose bias is uncertain, Beta(1/2, 1/2), against a fair one. Asks only that a difference
    that is not zero has either sign with probability 1/2 given those before; then E reaches 1 / alpha with
    probability at most alpha, however often one looks (Ville 1939). It answers whether one side is better in more
    than half of the pairs, and says nothing of the mean. Zero is exactly zero here: what is negligible beside a later
    difference would change evidence that has been seen.

    >>> sign_e_process([0.3, 0.1, 0.0, 0.2, -0.4])
    array([1.   , 1.5  , 1.5  , 2.5  , 0.625])
    """
    d = as_differences(d)
    k, m = np.cumsum(d > 0), np.cumsum(d != 0)
    log_beta = np.asarray(special.betaln(k + 0.5, m - k + 0.5), dtype=np.float64)
    with np.errstate(over="ignore"):  # infinite where no float is large enough
        return np.asarray(np.exp(log_beta - special.betaln(0.5, 0.5) + m * math.log(2)))


def with_failures(d: ArrayLike, failed_baseline: ArrayLike, failed_arm: ArrayLike) -> NDArray[np.float64]:
    """Return the differences ``d`` so that a failed run is worse than a sound one, and two failed ones tie: same shape.

    A pair of which one run failed keeps the size of its difference with the sign of the failure, and at least
    ``LEAST``, so that it is no tie.

    >>> with_failures([0.5, -0.8, 0.0, 0.1], [False, False, True, True], [False, True, False, True])
    array([ 5.e-01, -8.e-01,  1.e-09,  0.e+00])
    """
    d = np.asarray(d, dtype=np.float64)
    of_baseline, of_arm = np.asarray(failed_baseline, dtype=bool), np.asarray(failed_arm, dtype=bool)
    size = np.maximum(np.abs(d), LEAST)
    of_one = np.where(of_arm, -size, np.where(of_baseline, size, d))
    return np.asarray(np.where(of_arm & of_baseline, 0.0, of_one))
