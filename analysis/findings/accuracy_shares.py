"""The share of runs that end above every accuracy, and the largest rates at which runs end above some: no single
accuracy carries the answer.

All runs of the grid count, at their test accuracy after the last epoch; a diverged run has chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.records.tables import StudyData
from analysis.stats.intervals import Interval
from analysis.stats.secondary.clustered_shares import clustered_share

FINAL = "final"
OF_THE_BEST = (0.9, 0.99)
"""Shares of the best mean accuracy that are looked at beside the learning threshold."""


@dataclass(frozen=True)
class AccuracyLevel:
    """An accuracy that a run may reach."""

    what: str
    """In words, behind "a run": ``learns``."""
    accuracy: float


@dataclass(frozen=True)
class ShareReaching:
    """Runs of one arm that end at a level or above."""

    level: AccuracyLevel
    n_reaching: int
    share: Interval
    """With limits for which the seeds are the sample."""


@dataclass(frozen=True)
class AccuracyShares:
    """The accuracies at which the runs of one arm end, over the whole grid."""

    arm: str
    n_runs: int
    accuracies: list[float]
    """Of every run, ascending."""
    reaching: list[ShareReaching]


def accuracy_levels(study: StudyData) -> list[AccuracyLevel]:
    """Return the learning threshold and, where they lie above it, shares of the best mean of an arm in a cell."""
    means, learning = study.outcomes.groupby([*study.cell_key, "arm"])[FINAL].mean(), study.learning_threshold
    best = float(means.max()) if len(means) else study.chance
    of_best = [AccuracyLevel(f"reaches {100 * share:g} % of the best mean", share * best) for share in OF_THE_BEST]
    return [AccuracyLevel("learns", learning), *(level for level in of_best if level.accuracy > learning)]


def accuracy_shares(study: StudyData, levels: Sequence[AccuracyLevel], confidence: float) -> list[AccuracyShares]:
    """Return the shares of every arm that was trained, in the order of the design."""
    by_arm = dict([*study.outcomes.groupby("arm")])
    return [_of_arm(study, arm, by_arm[arm], levels, confidence) for arm in study.design.arms if arm in by_arm]


def _of_arm(
    study: StudyData, arm: str, runs: pd.DataFrame, levels: Sequence[AccuracyLevel], confidence: float
) -> AccuracyShares:
    wide = runs.pivot(index="seed", columns=study.cell_key, values=FINAL).to_numpy(float)
    reaching = []
    for level in levels:
        reached = np.where(np.isnan(wide), np.nan, wide >= level.accuracy)
        reaching.append(ShareReaching(level, int(np.nansum(reached)), clustered_share(reached, confidence)))
    return AccuracyShares(arm, len(runs), sorted(runs[FINAL].tolist()), reaching)
