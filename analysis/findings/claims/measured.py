"""Every measurement of the probes in short: its mean over seeds."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.findings.claims.from_drift import is_geometric
from analysis.stats.intervals import Interval, t_interval

KEYS = ["experiment", "measure", "condition", "arm", "mode"]
SPLITS = "two-sample"
"""The probe whose seeds are splits of the same images: no interval is made of them."""


@dataclass(frozen=True)
class Measurement:
    """What a probe measured, the mean of all layers and steps (of gradient ICS the geometric one), over seeds where it
    has several."""

    experiment: str
    measure: str
    condition: str
    arm: str
    mode: str
    value: Interval
    """Pointwise (Student's t); no ends where there is one seed, or none, or splits. ``n`` counts seeds or splits."""


def measured(measurements: pd.DataFrame, level: float) -> list[Measurement]:
    """Return the measurements in the order of the table."""
    found = []
    for keys, rows in measurements.groupby(KEYS, sort=False, dropna=False):
        experiment, measure, condition, arm, mode = map(str, keys)
        value = _over_seeds(rows, level, is_geometric(measure))
        if experiment == SPLITS:
            value = replace(value, low=np.nan, high=np.nan)
        found.append(Measurement(experiment, measure, condition, arm, mode, value))
    return found


def _over_seeds(rows: pd.DataFrame, level: float, geometric: bool) -> Interval:
    values = rows.assign(seed=rows.seed.astype(float), value=np.log(rows.value) if geometric else rows.value)
    of_seeds = values.groupby("seed", dropna=False).value.mean(skipna=False).to_numpy(float)
    found = t_interval(of_seeds[np.isfinite(of_seeds)], level)
    ends = [math.exp(value) for value in (found.estimate, found.low, found.high)]
    return replace(found, estimate=ends[0], low=ends[1], high=ends[2]) if geometric else found
