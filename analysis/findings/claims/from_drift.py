"""Rows on internal covariate shift: drift a step, spread of batch means and gradient ICS by layer and arm.

A layer's value is the mean over the measured steps, an arm's the mean over layers of these. Gradient ICS, itself a
ratio, has geometric means: a single step with a tiny gradient would carry the arithmetic one.
"""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.findings.claims.estimates import BySeed, Estimators
from analysis.findings.claims.from_studies import BN, NO_BN, NOISY, slope
from analysis.records.claims import ClaimsData

BATCH = 64
"""Images of a batch of these probes."""
DRIFT, SAMPLING, GRADIENT = "drift", "sampling", "gradient_l2"


def is_geometric(measure: str) -> bool:
    """Whether the means of a measure are those of its logarithm."""
    return measure == GRADIENT


def mean_by(rows: pd.DataFrame, measure: str, axis: str) -> pd.DataFrame:
    """Return the means of a measure over what is neither seed nor ``axis``, a row a seed and a column a place on it;
    NaN where one of the values is. Of a geometric measure they are those of logarithms."""
    values = rows.assign(value=_log(rows.value)) if is_geometric(measure) else rows
    return values.groupby(["seed", axis]).value.mean(skipna=False).unstack(axis)


def table_by_layer(data: ClaimsData, experiment: str, measure: str, arm: str) -> pd.DataFrame:
    """Return ``mean_by`` layer, the mean over steps."""
    rows = data.measured(experiment, measure, data.seeds, arm=arm)
    return mean_by(rows.assign(seed=rows.seed.astype(int), layer=rows.layer.astype(int)), measure, "layer")


def _log(values: Any) -> Any:
    """Return the logarithms of a table or a column; NaN of what is not above 0."""
    return np.log(values.where(values > 0))


def _of_arm(data: ClaimsData, experiment: str, measure: str, arm: str) -> pd.Series:
    """Return the logarithm of the mean over steps and layers, by seed."""
    mean = table_by_layer(data, experiment, measure, arm).mean(axis=1, skipna=False)
    return mean if is_geometric(measure) else _log(mean)


def against_law(data: ClaimsData, experiment: str) -> BySeed:
    """4: the spread of batch means over that of chance alone, 1 / sqrt(m) of a unit's, less 1."""
    spread = table_by_layer(data, experiment, SAMPLING, NO_BN).mean(axis=1, skipna=False)
    return BySeed(spread * np.sqrt(BATCH) - 1)


def growth(data: ClaimsData, experiment: str, measure: str) -> BySeed:
    """5: the slope over layers of the logarithm, without batch normalisation."""
    return BySeed(slope(_log(table_by_layer(data, experiment, measure, NO_BN))))


def log_ratio(data: ClaimsData, experiment: str, measure: str, arm: str) -> BySeed:
    """7: the logarithm of an arm's value over that without batch normalisation."""
    of_arm, without = (_of_arm(data, experiment, measure, name) for name in (arm, NO_BN))
    return BySeed(of_arm - without)


_relu = "drift-relu"

ESTIMATORS: Estimators = {
    "4": partial(against_law, experiment=_relu),
    "5a": partial(growth, experiment=_relu, measure=SAMPLING),
    "5b-relu": partial(growth, experiment=_relu, measure=DRIFT),
    "5b-tanh": partial(growth, experiment="drift-tanh", measure=DRIFT),
    "7a": partial(log_ratio, experiment=_relu, measure=SAMPLING, arm=BN),
    "7b": partial(log_ratio, experiment=_relu, measure=DRIFT, arm=BN),
    "7c-relu": partial(log_ratio, experiment=_relu, measure=GRADIENT, arm=BN),
    "7c-relu-slow": partial(log_ratio, experiment="drift-relu-slow", measure=GRADIENT, arm=BN),
    "7c-tanh": partial(log_ratio, experiment="drift-tanh", measure=GRADIENT, arm=BN),
    "7d-drift": partial(log_ratio, experiment=_relu, measure=DRIFT, arm=NOISY),
    "7d-sampling": partial(log_ratio, experiment=_relu, measure=SAMPLING, arm=NOISY),
    "7d-gradient": partial(log_ratio, experiment=_relu, measure=GRADIENT, arm=NOISY),
}
"""By key of a row."""
