"""Each arm on its own: its accuracy and its failures in a cell, and the tutorial's two numbers beside ours.

Nothing here compares the arms: intervals of two arms that overlap say nothing of their paired difference.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.records.cells import cell_at, rows_in
from analysis.records.tables import PRIMARY, StudyData
from analysis.stats.intervals import Interval, prediction, proportion, t_interval
from analysis.stats.secondary.seed_variance import SeedVariance, seed_variance
from study.spec.arms import PUBLISHED
from study.spec.factors import REFERENCE_SETTING, Cell

PUBLISHED_CELL = REFERENCE_SETTING
PUBLISHED_DESIGN = {"dataset": "mnist", "epochs": 10, "hidden": (32, 32), "network": None, "seed_of": "both"}


@dataclass(frozen=True)
class ArmCell:
    """The runs of one arm in one cell."""

    cell: Cell
    arm: str
    n: int
    accuracy: Interval
    """Interval of the mean over seeds, on the primary endpoint."""
    n_diverged: int
    n_failed: int
    failing: Interval
    """Interval of the share of runs that fail: Clopper & Pearson (1934), exact."""
    variance: SeedVariance
    """Of the accuracy after the last epoch; a diverged run has chance for every image."""


@dataclass(frozen=True)
class Claim:
    """A number that the tutorial reports, against where one more run of ours would lie."""

    arm: str
    claimed: float
    ours: Interval
    """A prediction interval for the test accuracy of one run that learns after the last epoch, at the tutorial's
    setting; over the runs that learned."""
    n: int
    """Runs, of which those that failed are not in ``ours``."""
    inside: bool | None
    """None where there is no interval."""


def arm_cells(study: StudyData, level: float) -> list[ArmCell]:
    """Return every arm in every cell in which it was trained, by cell."""
    key = study.cell_key
    cells = [
        _arm_cell(study, cell_at(key, levels), str(arm), runs, level)
        for (*levels, arm), runs in study.outcomes.groupby([*key, "arm"])
    ]
    return sorted(cells, key=lambda of_arm: (of_arm.cell, of_arm.arm))


def _arm_cell(study: StudyData, cell: Cell, arm: str, runs: pd.DataFrame, level: float) -> ArmCell:
    correct = study.correctness(arm, cell)
    n, n_failed = len(runs), int(runs.failed.sum())
    return ArmCell(
        cell=cell,
        arm=arm,
        n=n,
        accuracy=t_interval(runs[PRIMARY], level),
        n_diverged=int(runs.diverged.sum()),
        n_failed=n_failed,
        failing=proportion(n_failed, n, level),
        variance=seed_variance(correct[~np.isnan(correct).any(axis=1)]),
    )


def claims(study: StudyData, level: float) -> list[Claim]:
    """Return the tutorial's numbers beside ours where the study trained its network at its setting, else none."""
    if any(getattr(study.design, name) != value for name, value in PUBLISHED_DESIGN.items()):
        return []
    at = rows_in(study.outcomes, PUBLISHED_CELL, study.cell_key)
    claims = []
    for arm, claimed in PUBLISHED.items():
        runs = at[at.arm == arm]
        if len(runs):
            ours = prediction(runs.final[~runs.failed], level)
            inside = None if math.isnan(ours.low) else ours.low <= claimed <= ours.high
            claims.append(Claim(arm, claimed, ours, len(runs), inside))
    return claims
