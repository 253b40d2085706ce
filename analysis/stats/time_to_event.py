"""Who learns faster: epochs until the test accuracy first reaches a threshold, arm against baseline.

Arrays in, small named results out. Every run is watched for the same E epochs, so the restricted time
min(T, E) is known for every run, and its plain mean is the area under the Kaplan-Meier curve: no survival
model is needed. A run that diverges is not one that learned, however high it stood before.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.stats.intervals import Interval, t_interval
from analysis.stats.multiple_tests import max_t
from analysis.stats.paired_tests import Test, sign_flip

THRESHOLDS = (0.90, 0.95, 0.97)
"""Test accuracies, fractions; fixed before looking."""

UNREACHED = "not reached by any run"

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TimeToAccuracy:
    """The epochs until one threshold, of arm and baseline. Fewer is faster: a negative difference favours the arm."""

    threshold: float
    epochs: int
    """E, how long every run was watched."""
    n_runs: int
    """Runs of either side: seeds x cells."""
    n_reached_baseline: int
    n_reached_arm: int
    share_baseline: list[float]
    """Share of the runs that had reached it by the end of each epoch from 1 to E."""
    share_arm: list[float]
    median_baseline: float | None
    """Epochs, over runs; None, "not reached", where half or more of them did not."""
    median_arm: float | None
    interval: Interval
    """Interval of the difference of restricted mean times, epochs: seed means over the cells of min(T, E)."""
    sign_flip: Test
    adjusted: Test
    """Step-down max-T over the thresholds that some run reached."""
    n_faster: int
    """Pairs in which the arm was there first, or alone. With ``n_slower`` and ``n_tied`` all pairs."""
    n_slower: int
    n_tied: int
    """Pairs that reached it in the same epoch, or of which neither did."""

    @property
    def reason(self) -> str | None:
        """Return why there is no difference, or what is wrong with its interval; None where all is well."""
        return self.interval.reason


def first_epoch(accuracy: ArrayLike, threshold: float) -> Floats:
    """Return the first epoch T in 1..E with ``accuracy`` (..., E) at or above ``threshold``; NaN where none is.

    A run with a NaN or an infinity in any epoch has diverged and has not reached it. One epoch above counts as reached,
    even if the next falls below.

    >>> first_epoch([[0.2, 0.9, 0.8], [0.2, 0.3, 0.4], [0.9, 0.9, float("nan")]], 0.9)
    array([ 2., nan, nan])
    """
    accuracy = np.asarray(accuracy, dtype=np.float64)
    reached = accuracy >= threshold
    learned = reached.any(axis=-1) & np.isfinite(accuracy).all(axis=-1)
    return np.where(learned, reached.argmax(axis=-1) + 1.0, np.nan)


def time_to_accuracy(
    of_baseline: ArrayLike, of_arm: ArrayLike, thresholds: Sequence[float] = THRESHOLDS, level: float = 0.95
) -> list[TimeToAccuracy]:
    """Return one result per threshold; ``of_*`` (seeds, cells, epochs 1..E) test accuracy, NaN from divergence on.

    The seed is the unit: its times are averaged over the cells. Every run given counts, so leave out what
    was not trained; a run that did not reach the threshold counts with E epochs.

    >>> slow, fast = [[[0.1, 0.5, 0.9]]] * 6, [[[0.1, 0.9, 0.9]]] * 6
    >>> [result] = time_to_accuracy(slow, fast, thresholds=(0.9,))
    >>> result.median_baseline, result.median_arm, result.interval.estimate, result.n_faster
    (3.0, 2.0, -1.0, 6)
    """
    baseline, arm = np.asarray(of_baseline, dtype=np.float64), np.asarray(of_arm, dtype=np.float64)
    if baseline.ndim != 3 or baseline.shape != arm.shape or not baseline.shape[2]:
        raise ValueError(
            f"both sides are (seeds, cells, epochs) of the same runs, these have {baseline.shape} and {arm.shape}"
        )
    times = [(first_epoch(baseline, threshold), first_epoch(arm, threshold)) for threshold in thresholds]
    joint = _adjusted(times, baseline.shape[2])
    return [
        _compare(threshold, *pair, baseline.shape[2], adjusted, level)
        for threshold, pair, adjusted in zip(thresholds, times, joint, strict=True)
    ]


def _compare(threshold: float, T0: Floats, T1: Floats, E: int, adjusted: Test, level: float) -> TimeToAccuracy:
    """Return the result of one threshold; ``T0``, ``T1`` (seeds, cells): times of baseline and arm, NaN not reached."""
    if _reached(T0, T1):
        d = _differences(T0, T1, E)
        interval, by_sign_flip = t_interval(d, level), sign_flip(d)
    else:
        interval = Interval("t", len(T0), math.nan, math.nan, math.nan, level, UNREACHED)
        by_sign_flip = Test("sign-flip", len(T0), math.nan, math.nan, reason=UNREACHED)
    n_faster, n_slower, n_tied = _count_pairs(T0, T1)
    return TimeToAccuracy(
        threshold=threshold,
        epochs=E,
        n_runs=T0.size,
        n_reached_baseline=int(np.isfinite(T0).sum()),
        n_reached_arm=int(np.isfinite(T1).sum()),
        share_baseline=_shares(T0, E),
        share_arm=_shares(T1, E),
        median_baseline=_median(T0),
        median_arm=_median(T1),
        interval=interval,
        sign_flip=by_sign_flip,
        adjusted=adjusted,
        n_faster=n_faster,
        n_slower=n_slower,
        n_tied=n_tied,
    )


def _adjusted(times: Sequence[tuple[Floats, Floats]], E: int) -> list[Test]:
    """Return by threshold the test adjusted for the others; one that nobody reached is no part of the family."""
    columns = [_differences(*pair, E) for pair in times if _reached(*pair)]
    tests = iter(max_t(np.column_stack(columns)) if columns else [])
    return [
        next(tests) if _reached(*pair) else Test("step-down max-T", len(pair[0]), math.nan, math.nan, reason=UNREACHED)
        for pair in times
    ]


def _reached(T0: Floats, T1: Floats) -> bool:
    """Return whether any run of either side did."""
    return bool(np.isfinite(T0).any() or np.isfinite(T1).any())


def _differences(T0: Floats, T1: Floats, E: int) -> Floats:
    """Return (seeds,) restricted mean time of the arm minus that of the baseline, epochs."""
    differences: Floats = np.where(np.isnan(T1), E, T1) - np.where(np.isnan(T0), E, T0)
    return np.asarray(differences.mean(axis=1))


def _shares(T: Floats, E: int) -> list[float]:
    """Return by epoch the share of runs that have reached it: a time that is NaN never comes."""
    return [float((epoch >= T).mean()) if T.size else math.nan for epoch in range(1, E + 1)]


def _median(T: Floats) -> float | None:
    """Return the median time over runs, those not reached being later than all; None where it is one of these."""
    median = float(np.median(np.where(np.isnan(T), np.inf, T))) if T.size else math.inf
    return median if math.isfinite(median) else None


def _count_pairs(T0: Floats, T1: Floats) -> tuple[int, int, int]:
    """Return the pairs in which the arm is faster, slower and neither; who never reaches it is slower than who does."""
    late0, late1 = (np.where(np.isnan(T), np.inf, T) for T in (T0, T1))
    return int((late1 < late0).sum()), int((late1 > late0).sum()), int((late1 == late0).sum())
