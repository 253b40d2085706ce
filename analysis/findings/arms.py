"""Each arm on its own: its accuracy and its failures in a cell, and the tutorial's two numbers against ours.

Nothing here compares the arms: intervals of two arms that overlap say nothing of their paired difference.
"""

import math
from dataclasses import dataclass
from typing import cast

import pandas as pd
from scipy import stats

from analysis.records.tables import CELL, PRIMARY, Study
from analysis.stats.intervals import Interval, prediction, t_interval
from study.spec.factors import REFERENCE_SETTING

POST = {"no_bn": 0.9555, "bn": 0.978}
"""Test accuracy that the tutorial reports after its last epoch, one run an arm."""
POST_CELL = REFERENCE_SETTING
POST_DESIGN = {"dataset": "mnist", "epochs": 10, "hidden": (32, 32)}


@dataclass(frozen=True)
class ArmCell:
    """The runs of one arm in one cell."""

    batch_size: int
    lr: float
    arm: str
    n: int
    accuracy: Interval
    """Of the mean over seeds, on the primary endpoint."""
    n_diverged: int
    n_failed: int
    failing: Interval
    """Of the share of runs that fail: Clopper & Pearson (1934), exact."""


@dataclass(frozen=True)
class Claim:
    """A number that the tutorial reports, against where one more run of ours would lie."""

    arm: str
    claimed: float
    ours: Interval
    """A prediction interval for the test accuracy of one run after the last epoch, at the tutorial's setting."""
    inside: bool | None
    """None where there is no interval."""


def arm_cells(study: Study, level: float) -> list[ArmCell]:
    """Every arm in every cell in which it was trained, by cell."""
    groups = study.outcomes.groupby([*CELL, "arm"], sort=True)
    return [_arm_cell(cast(tuple[int, float, str], key), runs, level) for key, runs in groups]


def _arm_cell(key: tuple[int, float, str], runs: pd.DataFrame, level: float) -> ArmCell:
    n_failed = int(runs.failed.sum())
    return ArmCell(
        batch_size=int(key[0]),
        lr=float(key[1]),
        arm=key[2],
        n=len(runs),
        accuracy=t_interval(runs[PRIMARY], level),
        n_diverged=int(runs.diverged.sum()),
        n_failed=n_failed,
        failing=_share(n_failed, len(runs), level),
    )


def _share(k: int, n: int, level: float) -> Interval:
    exact = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return Interval("Clopper-Pearson", n, k / n, float(exact.low), float(exact.high), level)


def claims(study: Study, level: float) -> list[Claim]:
    """The tutorial's numbers, where the study trained its network at its setting; else none."""
    if any(getattr(study.design, name) != value for name, value in POST_DESIGN.items()):
        return []
    at = study.outcomes[(study.outcomes.batch_size == POST_CELL[0]) & (study.outcomes.lr == POST_CELL[1])]
    found = []
    for arm, claimed in POST.items():
        runs = at[at.arm == arm].final
        if len(runs):
            ours = prediction(runs, level)
            inside = None if math.isnan(ours.low) else ours.low <= claimed <= ours.high
            found.append(Claim(arm, claimed, ours, inside))
    return found
