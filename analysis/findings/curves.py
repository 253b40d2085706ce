"""Curves over epochs: one arm in one cell, and the difference of the arms with bands that hold for whole curves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records.cells import cell_at
from analysis.records.tables import StudyData
from analysis.stats.intervals import simultaneous, t_interval
from study.spec.factors import REFERENCE_SETTING, Cell

METRICS = ("loss", "accuracy")


@dataclass(frozen=True)
class Curve:
    """One arm in one cell, one metric on one split: over epochs, the seeds and their summary."""

    cell: Cell
    arm: str
    split: str
    metric: str
    epochs: list[int]
    mean: list[float]
    """Mean over all runs; a diverged one counts as guessing from its first bad epoch on: chance, or ln(classes)."""
    low: list[float]
    """Pointwise t interval of the mean."""
    high: list[float]
    band_low: list[float]
    """The sup-t band: the mean's whole curve lies in it with probability ``level``; NaN below five seeds."""
    band_high: list[float]
    level: float
    n: int
    """Runs, one a seed."""
    n_diverged: list[int]
    """Of these, runs that have diverged by then."""
    seeds: list[list[float]]
    """A row per seed; NaN from its first bad epoch on."""


@dataclass(frozen=True)
class DifferenceCurve:
    """Arm minus baseline in test accuracy over the trained epochs, in one cell or averaged over all."""

    cell: Cell | None
    baseline: str
    arm: str
    n: int
    """Seeds with a pair: in the cell, or in every cell."""
    level: float
    epochs: list[int]
    mean: list[float]
    """A diverged run scores chance from its first bad epoch on."""
    low: list[float]
    """Pointwise t interval."""
    high: list[float]
    band_low: list[float]
    """The sup-t band: with probability ``level`` the whole curve lies in it."""
    band_high: list[float]
    reason: str | None
    """Why there is no band."""


def arm_curves(study: StudyData, level: float) -> list[Curve]:
    """Return every curve of the study, sorted by cell, arm, split and metric."""
    key = study.cell_key
    guessing = {"loss": study.guessing_loss, "accuracy": study.chance}
    curves = [
        _curve(
            (cell_at(key, levels), str(arm), str(split), metric),
            rows.pivot(index="seed", columns="epoch", values=metric),
            guessing[metric],
            level,
        )
        for (*levels, arm, split), rows in study.trained.groupby([*key, "arm", "split"])
        for metric in METRICS
    ]
    return sorted(curves, key=lambda curve: (curve.cell, curve.arm, curve.split))


def default_cell(curves: Sequence[Curve]) -> Cell:
    """Return the cell that is shown where a figure shows one alone: the tutorial's, else the middle one."""
    cells = sorted({curve.cell for curve in curves})
    return next((cell for cell in cells if cell == REFERENCE_SETTING), cells[len(cells) // 2])


def _curve(key: tuple[Cell, str, str, str], by_seed: pd.DataFrame, guessing: float, level: float) -> Curve:
    """Return one curve; ``key``: cell, arm, split, metric; ``by_seed``: seeds x epochs, NaN from where a run diverged,
    which scores ``guessing`` there."""
    cell, arm, split, metric = key
    table = by_seed.fillna(guessing).to_numpy(float)
    summary, band = [t_interval(column, level) for column in table.T], simultaneous(table, level)
    return Curve(
        cell=cell,
        arm=arm,
        split=split,
        metric=metric,
        epochs=[int(epoch) for epoch in by_seed.columns.to_numpy()],
        mean=[point.estimate for point in summary],
        low=[point.low for point in summary],
        high=[point.high for point in summary],
        band_low=[point.low for point in band],
        band_high=[point.high for point in band],
        level=level,
        n=len(table),
        n_diverged=by_seed.isna().sum().tolist(),
        seeds=by_seed.to_numpy(float).tolist(),
    )


def difference_curves(study: StudyData, arm: str, baseline: str, level: float) -> list[DifferenceCurve]:
    """Return the difference over all cells, then in each."""
    cells = study.common_cells(arm, baseline)
    if not cells:
        return []
    d = study.accuracy_curves(arm, cells) - study.accuracy_curves(baseline, cells)  # (seeds, cells, epochs)
    in_cells = [_difference_curve(cell, (baseline, arm), d[:, i], level) for i, cell in enumerate(cells)]
    return [_difference_curve(None, (baseline, arm), d.mean(1), level), *in_cells]  # NaN where a seed lacks a cell


def _difference_curve(
    cell: Cell | None, arms: tuple[str, str], d: NDArray[np.float64], level: float
) -> DifferenceCurve:
    """Return the curve of ``d`` (seeds, epochs), which has a row of NaN where a seed has no pair."""
    d = d[~np.isnan(d).any(1)]
    pointwise, band = [t_interval(column, level) for column in d.T], simultaneous(d, level)
    return DifferenceCurve(
        cell=cell,
        baseline=arms[0],
        arm=arms[1],
        n=len(d),
        level=level,
        epochs=list(range(1, d.shape[1] + 1)),
        mean=[point.estimate for point in pointwise],
        low=[point.low for point in pointwise],
        high=[point.high for point in pointwise],
        band_low=[point.low for point in band],
        band_high=[point.high for point in band],
        reason=next((point.reason for point in band if math.isnan(point.low)), None),
    )
