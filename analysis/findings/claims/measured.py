"""Every measurement of the probes in short: its mean over seeds."""

from dataclasses import dataclass

import pandas as pd

from analysis.stats.intervals import Interval, t_interval

KEYS = ["experiment", "measure", "condition", "arm", "mode"]


@dataclass(frozen=True)
class Measurement:
    """What a probe measured, the mean of all layers and steps, over seeds where it has several."""

    experiment: str
    measure: str
    condition: str
    arm: str
    mode: str
    value: Interval
    """Pointwise (Student's t); no ends where there is one seed, or none."""
    n: int
    """Seeds; of a measure without seeds 1."""


def measured(measurements: pd.DataFrame, level: float) -> list[Measurement]:
    """Return the measurements in the order of the table."""
    found = []
    for keys, rows in measurements.groupby(KEYS, sort=False, dropna=False):
        of_seeds = rows.astype({"seed": float}).groupby("seed", dropna=False).value.mean().to_numpy(float)
        experiment, measure, condition, arm, mode = map(str, keys)
        value = t_interval(of_seeds, level)
        found.append(Measurement(experiment, measure, condition, arm, mode, value, len(of_seeds)))
    return found
