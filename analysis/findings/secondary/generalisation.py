"""Does an arm change what is learnt of the training images, or what of it holds for others?

In one cell, over the seeds with a pair: loss and error rate on training and on test images, and the gap between both.
An arm's gain in test accuracy is its gain on training images (optimisation) plus what the gap between training and test
images shrinks by (generalisation), seed by seed; paired intervals decide which of both is there.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings.curves import METRICS, Curve, default_cell
from analysis.records.cells import rows_in
from analysis.records.pairs import zero_rounding_noise
from analysis.records.tables import StudyData
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.power import seeds_to_reach
from study.spec.factors import Cell

Metric = Literal["loss", "error rate"]
Images = Literal["train", "test", "gap"]
"""Those of training, those of the test, and the test's value minus that of training."""
Key = tuple[Metric, Images]

VERDICTS = {
    (1, 0): "optimisation",
    (1, 1): "optimisation and generalisation",
    (1, -1): "optimisation, against generalisation",
    (0, 1): "generalisation",
    (-1, 1): "generalisation, against optimisation",
}
"""By what intervals say of training and of the gap: 1 changes as test accuracy does, -1 the opposite, 0 not told."""
UNDIVIDED, NO_CHANGE, DESCRIPTION = "not told apart", "no change told", "description"


@dataclass(frozen=True)
class Measure:
    """Loss or error rate on some images: the means of both arms, and their paired difference."""

    metric: Metric
    images: Images
    of_baseline: Interval
    of_arm: Interval
    difference: Interval


@dataclass(frozen=True)
class Generalisation:
    """One arm against the baseline in one cell, means of the last three epochs; a diverged run counts as guessing."""

    cell: Cell
    baseline: str
    arm: str
    n: int
    """Seeds with a pair."""
    n_diverged_baseline: int
    n_diverged_arm: int
    level: float
    """Of each interval by itself."""
    measures: list[Measure]
    test_gain: Interval
    """Arm minus baseline in accuracy on test images: the sum of the next two."""
    training_gain: Interval
    """On training images: optimisation."""
    gap_gain: Interval
    """The gain on test images minus that on training images: generalisation."""
    verdict: str
    """Which part of the gain in test accuracy is there: one of VERDICTS, or why there is none."""


def generalisation(study: StudyData, curves: list[Curve], level: float) -> list[Generalisation]:
    """Return every arm against the baseline in the cell that is shown alone; none of an arm without a pair there."""
    if not curves:
        return []
    cell = default_cell(curves)
    found = [_of_arm(study, arm, cell, level) for arm in study.treatments]
    return [one for one in found if one is not None]


def _of_arm(study: StudyData, arm: str, cell: Cell, level: float) -> Generalisation | None:
    runs = [_last_epochs(study, name, cell) for name in (study.baseline, arm)]
    seeds = runs[0].index.intersection(runs[1].index)
    if seeds.empty:
        return None
    paired = [of.loc[seeds] for of in runs]
    sides = [_measured(of, study) for of in paired]
    d = {key: zero_rounding_noise(sides[1][key] - sides[0][key]) for key in sides[0]}
    gains = {images: t_interval(-d["error rate", images], level) for images in ("test", "train", "gap")}
    return Generalisation(
        cell=cell,
        baseline=study.baseline,
        arm=arm,
        n=len(seeds),
        n_diverged_baseline=int(paired[0].isna().any(axis=1).sum()),
        n_diverged_arm=int(paired[1].isna().any(axis=1).sum()),
        level=level,
        measures=[Measure(*key, *(t_interval(of[key], level) for of in (*sides, d))) for key in d],
        test_gain=gains["test"],
        training_gain=gains["train"],
        gap_gain=gains["gap"],
        verdict=_verdict(gains["test"], gains["train"], gains["gap"]),
    )


def _last_epochs(study: StudyData, arm: str, cell: Cell) -> pd.DataFrame:
    """Return a row per seed with the means of the last epochs, columns (metric, split); NaN where the run diverged."""
    rows = rows_in(study.trained, cell, study.cell_key)
    last = rows[(rows.arm == arm) & rows.epoch.isin(study.last_epochs)]
    means = {
        (metric, split): of.pivot(index="seed", columns="epoch", values=metric).mean(axis=1, skipna=False)
        for split, of in last.groupby("split")
        for metric in METRICS
    }
    return pd.DataFrame(means)


def _measured(runs: pd.DataFrame, study: StudyData) -> dict[Key, NDArray[np.float64]]:
    """Return every measure by seed; a diverged run has those of guessing."""
    loss = runs["loss"].fillna(study.guessing_loss)
    errors = 1 - runs["accuracy"].fillna(study.chance)
    return {**_with_gap("loss", loss), **_with_gap("error rate", errors)}


def _with_gap(metric: Metric, table: "pd.Series | pd.DataFrame") -> dict[Key, NDArray[np.float64]]:
    train, test = table["train"].to_numpy(float), table["test"].to_numpy(float)
    return {(metric, "train"): train, (metric, "test"): test, (metric, "gap"): test - train}


def _verdict(test: Interval, training: Interval, gap: Interval) -> str:
    has_spread = all(interval.high > interval.low for interval in (test, training, gap))
    if test.n < seeds_to_reach(1 - test.level) or not has_spread:
        return DESCRIPTION
    side = _side(test)
    return VERDICTS.get((side * _side(training), side * _side(gap)), UNDIVIDED) if side else NO_CHANGE


def _side(interval: Interval) -> int:
    """Return the sign that the interval decides for, 0 where it holds zero."""
    return int(interval.low > 0) - int(interval.high < 0)
