"""Measurements of the probes as lines with bands: by layer, and by training step.

Each seed's values are averaged first over what is not drawn, so that a band has the seeds for its sample; those of
gradient ICS by geometric means, as its rows are.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.findings.claims.from_drift import BATCH, is_geometric, mean_by
from analysis.stats.intervals import simultaneous

CHANCE_SPREAD = 1 / math.sqrt(BATCH)
"""The spread of batch means by the law of chance."""


@dataclass(frozen=True)
class Line:
    """Means over seeds along an axis, with the band in which the whole line lies (sup-t)."""

    arm: str
    at: list[float]
    mean: list[float]
    low: list[float]
    """NaN below five seeds."""
    high: list[float]
    n: int
    """Seeds that have a value everywhere on the line."""
    level: float
    geometric: bool = False
    """Whether means and band are those of logarithms."""

    @property
    def average(self) -> float:
        """The mean along the line."""
        return float(np.exp(np.log(self.mean).mean()) if self.geometric else np.mean(self.mean))


def lines(measurements: pd.DataFrame, experiment: str, measure: str, axis: str, level: float) -> list[Line]:
    """Return a line for each arm along ``axis``, ``layer`` or ``step``, those without batch norm first; a value is the
    mean over the other of the two."""
    rows = measurements[(measurements.experiment == experiment) & (measurements.measure == measure)]
    found = []
    for arm in dict.fromkeys(sorted(rows.arm, reverse=True)):
        of_arm = rows[rows.arm == arm].astype({axis: float, "seed": float})
        table = mean_by(of_arm, measure, axis).dropna()
        if len(table):
            found.append(line_of(str(arm), table, level, is_geometric(measure)))
    return found


def line_of(arm: str, table: pd.DataFrame, level: float, logarithms: bool = False) -> Line:
    """Return the line of a table of seeds x places, which may hold logarithms."""
    band = simultaneous(table.to_numpy(float), level)
    scale = math.exp if logarithms else float
    return Line(
        arm,
        [float(at) for at in table.columns],
        [scale(point.estimate) for point in band],
        [scale(point.low) for point in band],
        [scale(point.high) for point in band],
        len(table),
        level,
        logarithms,
    )
