"""What is estimated of a row, in the row's unit, before any verdict: values of a few kinds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records.claims import ClaimsData


@dataclass(frozen=True)
class BySeed:
    """A value a seed."""

    values: pd.Series
    """Floats by seed; NaN of a seed that has none, as where its run diverged."""


@dataclass(frozen=True)
class Prediction:
    """Runs beside which a reported number is one more."""

    values: NDArray[np.float64]
    """(n,), of the runs that learned."""
    n_failed: int
    """Runs that failed to learn, which are left out."""


@dataclass(frozen=True)
class Auc:
    """How well classifiers tell two sets apart, one for each split of the images."""

    auc: NDArray[np.float64]
    """(splits,), less ``origin``."""
    se: NDArray[np.float64]
    """(splits,): DeLong's standard errors."""
    p: NDArray[np.float64]
    """(splits,): of the hypothesis that the AUC is 0.5, by permutation."""
    n: int
    """Held-out images of a split."""
    origin: float = 0.0


@dataclass(frozen=True)
class Binary:
    """Pairs of runs, and which of them failed."""

    failed_baseline: NDArray[np.bool]
    failed_arm: NDArray[np.bool]


@dataclass(frozen=True)
class Exact:
    """Values of what claims to be one number."""

    values: NDArray[np.float64]
    n_unit: str
    """What has a value each: ``runs``, ``networks``, ``formulas``."""
    largest: bool = False
    """Whether the row's number is the largest; else it is the mean."""


Estimate = BySeed | Prediction | Auc | Binary | Exact
Estimator = Callable[[ClaimsData], Estimate]
"""Raises NotRunYet where its experiments have not been run to their end."""
Estimators = Mapping[str, Estimator]
