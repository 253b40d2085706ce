"""Does an arm help where all classes weigh the same? Balanced accuracy after the last epoch, for unequal classes.

Accuracy on unequal classes is mostly that on the largest. Balanced accuracy is the mean over the classes of the share
of a class's test examples that are answered correctly (Brodersen, Ong, Stephan & Buhmann 2010); guessing scores 1/K.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.records.labels import test_labels
from analysis.records.pairs import zero_rounding_noise
from analysis.records.tables import StudyData
from analysis.stats.intervals import Interval, t_interval
from study.spec.factors import Cell


@dataclass(frozen=True)
class BalancedAccuracy:
    """One arm against the baseline in a cell, or in the mean over all cells; a diverged run counts as guessing."""

    cell: Cell | None
    baseline: str
    arm: str
    n: int
    """Seeds with a pair in the cell, or in every one."""
    of_baseline: float
    of_arm: float
    difference: Interval


def balanced_accuracies(study: StudyData, level: float) -> list[BalancedAccuracy]:
    """Return every arm over all cells and then in each; none where the classes are of equal size."""
    labels = test_labels(study) if study.design.data.counts else None
    if labels is None:
        return []
    return [one for arm in study.treatments for one in _of_arm(study, arm, labels, level) if one.n]


def _of_arm(study: StudyData, arm: str, labels: NDArray[np.int64], level: float) -> list[BalancedAccuracy]:
    cells = study.common_cells(arm, study.baseline)
    if not cells:
        return []
    of_baseline, of_arm = (
        np.stack([_of_seeds(study, name, cell, labels) for cell in cells]) for name in (study.baseline, arm)
    )
    of_cells = [_compared(study, arm, *at, level) for at in zip(cells, of_baseline, of_arm, strict=True)]
    over_all = [_compared(study, arm, None, of_baseline.mean(0), of_arm.mean(0), level)] if len(cells) > 1 else []
    return [*over_all, *of_cells]


def _compared(
    study: StudyData, arm: str, cell: Cell | None, of_baseline: NDArray[np.float64], of_arm: NDArray[np.float64],
    level: float,
) -> BalancedAccuracy:  # fmt: skip
    """Return the comparison of the seeds that have both runs; the values (seeds,) are NaN where there is none."""
    pairs = ~np.isnan(of_baseline) & ~np.isnan(of_arm)
    baseline, own = of_baseline[pairs], of_arm[pairs]
    means = [float(side.mean()) if len(side) else math.nan for side in (baseline, own)]
    return BalancedAccuracy(
        cell,
        study.baseline,
        arm,
        n=len(own),
        of_baseline=means[0],
        of_arm=means[1],
        difference=t_interval(zero_rounding_noise(own - baseline), level),
    )


def _of_seeds(study: StudyData, arm: str, cell: Cell, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the balanced accuracy of every seed's run; NaN where there is none."""
    correct = study.correctness(arm, cell)
    present = np.unique(labels)
    values = np.mean([correct[:, labels == label].mean(axis=1, dtype=float) for label in present], axis=0)
    diverged = ~np.isnan(correct[:, 0]) & ~np.isin(correct[:, 0], (0, 1))
    return np.where(diverged, 1 / len(present), values)
