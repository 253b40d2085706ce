"""Does an arm help where all classes weigh the same? Balanced accuracy after the last epoch, for unequal classes.

Accuracy on unequal classes is mostly that on the largest. Balanced accuracy is the mean over the classes of the share
of a class's test examples that are answered correctly (Brodersen, Ong, Stephan & Buhmann 2010); guessing scores 1/K.
"""

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
    found = []
    for arm in study.treatments:
        cells = study.common_cells(arm, study.baseline)
        sides = [np.stack([_of_seeds(study, name, cell, labels) for cell in cells]) for name in (study.baseline, arm)]
        means = [side.mean(axis=0) for side in sides]
        of_cells = [_compared(study, arm, cell, *(side[i] for side in sides), level) for i, cell in enumerate(cells)]
        over_all = [_compared(study, arm, None, *means, level)] if len(cells) > 1 else []
        found += [*over_all, *of_cells]
    return [one for one in found if one.n]


def _compared(
    study: StudyData, arm: str, cell: Cell | None, of_baseline: NDArray[np.float64], of_arm: NDArray[np.float64],
    level: float,
) -> BalancedAccuracy:  # fmt: skip
    pairs = ~np.isnan(of_baseline) & ~np.isnan(of_arm)
    sides = [side[pairs] for side in (of_baseline, of_arm)]
    difference = t_interval(zero_rounding_noise(sides[1] - sides[0]), level)
    means = [float(side.mean()) if pairs.any() else float("nan") for side in sides]
    return BalancedAccuracy(cell, study.baseline, arm, int(pairs.sum()), *means, difference)


def _of_seeds(study: StudyData, arm: str, cell: Cell, labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the balanced accuracy of every seed's run; NaN where there is none."""
    correct = study.correctness(arm, cell)
    present = np.unique(labels)
    values = np.mean([correct[:, labels == label].mean(axis=1, dtype=float) for label in present], axis=0)
    diverged = ~np.isnan(correct[:, 0]) & ~np.isin(correct[:, 0], (0, 1))
    return np.where(diverged, 1 / len(present), values)
