"""Every number and verdict of the report: contrasts of an arm with the baseline, and the curves.

A contrast is the mean difference over the pairs of one cell, or over all cells. Over all cells the unit
is the seed: its differences are averaged over the grid first, since the cells of a seed share weights
and images and are not independent.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.effects import cohen_dz
from analysis.intervals import Interval, t_interval
from analysis.paired import paired_t, sign_flip
from analysis.pairs import CELL, ENDPOINTS, PRIMARY, Pairs, Study, pair

METRICS = ("loss", "accuracy")


@dataclass(frozen=True)
class Contrast:
    """Arm minus baseline on one endpoint: the columns of ``contrasts.csv`` first, in their order.

    Accuracies are fractions. NaN where there is no such number; ``reason`` then says why.
    """

    batch_size: int | None
    """None, with ``lr``: over all cells."""
    lr: float | None
    baseline: str
    arm: str
    endpoint: str
    n_pairs: int
    """Independent differences: pairs of the cell, or seeds with a pair in every cell."""
    n_failed_baseline: int
    """Runs of the baseline that diverged or failed to learn."""
    n_failed_arm: int
    mean_baseline: float
    mean_arm: float
    mean_diff: float
    sd_diff: float
    ci_low: float
    ci_high: float
    t: float
    df: float
    p_t: float
    p_sign_flip: float
    d_z: float
    # beyond the table
    n_cells: int
    """Averaged over: 1 in a cell, over all cells those in which both arms can be trained."""
    n_runs: int
    """Runs behind each side: the denominator of the failures."""
    n_diverged_baseline: int
    n_diverged_arm: int
    sign_flip_extreme: int | None
    sign_flip_total: int | None
    level: float
    verdict: str
    reason: str | None

    @property
    def over_all_cells(self) -> bool:
        return self.batch_size is None


COLUMNS = [field.name for field in fields(Contrast)][:19]

VERDICTS = {
    "better": "it helps",
    "worse": "it hurts",
    "better, by less than the margin": "it helps, by less than the margin that matters",
    "worse, by less than the margin": "it hurts, by less than the margin that matters",
    "equivalent": "any difference is smaller than the margin that matters",
    "inconclusive": "the data do not decide",
    "not testable": "too few pairs, or differences without spread, for a test",
}


@dataclass(frozen=True)
class Curve:
    """One arm in one cell, one metric on one split: over epochs, the seeds and their summary."""

    batch_size: int
    lr: float
    arm: str
    split: str
    metric: str
    epochs: list[int]
    mean: list[float]
    """Over the seeds that have not diverged by then; NaN where all have."""
    low: list[float]
    """Pointwise 95 % t interval of the mean."""
    high: list[float]
    n: list[int]
    seeds: list[list[float]]
    """A row per seed; NaN from its first bad epoch on."""


def contrasts(study: Study, alpha: float, margin: float) -> list[Contrast]:
    """All contrasts of a study: over all cells first, then cell by cell, for every endpoint and arm."""
    found = []
    for arm in study.contenders:
        for endpoint in ENDPOINTS:
            pairs = pair(study, arm, endpoint)
            found.append(over_all_cells(pairs, alpha, margin))
            found += [
                in_cell(pairs, batch_size, lr, alpha, margin)
                for batch_size in study.design.batch_sizes
                for lr in study.design.lrs
            ]
    return found


def in_cell(pairs: Pairs, batch_size: int, lr: float, alpha: float, margin: float) -> Contrast:
    """The contrast over the pairs of one cell."""
    table = pairs.cell(batch_size, lr)
    sides = table[["of_baseline", "of_arm"]].to_numpy(float)
    return _contrast(pairs, (batch_size, lr), sides, table, alpha, margin)


def over_all_cells(pairs: Pairs, alpha: float, margin: float) -> Contrast:
    """The contrast of the seeds' means over the grid; seeds without a pair in some cell are left out."""
    table = pairs.complete
    sides = table.groupby("seed")[["of_baseline", "of_arm"]].mean().to_numpy(float)
    return _contrast(pairs, (None, None), sides, table, alpha, margin)


def _contrast(
    pairs: Pairs,
    cell: tuple[int | None, float | None],
    sides: NDArray[np.float64],
    runs: pd.DataFrame,
    alpha: float,
    margin: float,
) -> Contrast:
    """``sides`` (n, 2): baseline and arm of every independent unit; ``runs``: the pairs behind them."""
    d = sides[:, 1] - sides[:, 0]
    t_test, flips = paired_t(d), sign_flip(d)
    interval = t_interval(d, 1 - alpha)
    means = sides.mean(0) if len(sides) else np.full(2, math.nan)
    return Contrast(
        batch_size=cell[0],
        lr=cell[1],
        baseline=pairs.baseline,
        arm=pairs.arm,
        endpoint=pairs.endpoint,
        n_pairs=len(d),
        n_failed_baseline=int(runs.failed_baseline.sum()),
        n_failed_arm=int(runs.failed_arm.sum()),
        mean_baseline=float(means[0]),
        mean_arm=float(means[1]),
        mean_diff=interval.estimate,
        sd_diff=float(d.std(ddof=1)) if len(d) > 1 else math.nan,
        ci_low=interval.low,
        ci_high=interval.high,
        t=t_test.statistic,
        df=t_test.df,
        p_t=t_test.pvalue,
        p_sign_flip=flips.pvalue,
        d_z=cohen_dz(d).estimate,
        n_cells=len(pairs.cells) if cell == (None, None) else 1,
        n_runs=len(runs),
        n_diverged_baseline=int(runs.diverged_baseline.sum()),
        n_diverged_arm=int(runs.diverged_arm.sum()),
        sign_flip_extreme=flips.n_extreme,
        sign_flip_total=flips.n_total,
        level=interval.level,
        verdict=verdict(interval, t_interval(d, 1 - 2 * alpha), margin),
        reason=t_test.reason,
    )


def verdict(interval: Interval, inner: Interval, margin: float) -> str:
    """One of VERDICTS, from the (1 - alpha) interval and the (1 - 2 alpha) one.

    The inner interval within +-margin is the two one-sided tests of equivalence (Schuirmann 1987).
    """
    if interval.reason is not None:
        return "not testable"
    negligible = -margin < inner.low and inner.high < margin
    if interval.low > 0:
        return "better, by less than the margin" if negligible else "better"
    if interval.high < 0:
        return "worse, by less than the margin" if negligible else "worse"
    return "equivalent" if negligible else "inconclusive"


def curves(study: Study) -> list[Curve]:
    """Every curve of the study, sorted by cell, arm, split and metric."""
    found = []
    for key, rows in study.trained.groupby([*CELL, "arm", "split"], sort=True):
        for metric in METRICS:
            found.append(_curve((*key, metric), rows.pivot(index="seed", columns="epoch", values=metric)))
    return found


def _curve(key: tuple[Any, ...], by_seed: pd.DataFrame) -> Curve:
    """``key``: batch size, rate, arm, split, metric; ``by_seed``: seeds x epochs."""
    batch_size, lr, arm, split, metric = key
    summary = [t_interval(column.dropna()) for _, column in by_seed.items()]
    return Curve(
        batch_size=int(batch_size),
        lr=float(lr),
        arm=str(arm),
        split=str(split),
        metric=str(metric),
        epochs=[int(epoch) for epoch in by_seed.columns.to_numpy()],
        mean=[point.estimate for point in summary],
        low=[point.low for point in summary],
        high=[point.high for point in summary],
        n=[point.n for point in summary],
        seeds=by_seed.to_numpy(float).tolist(),
    )


def completeness(study: Study) -> dict[str, dict[str, int]]:
    """How many runs were planned and what became of them, by arm."""
    status = pd.crosstab(study.runs.arm, study.runs.status)
    failed = study.outcomes[study.outcomes.failed & ~study.outcomes.diverged].arm.value_counts()
    counts: dict[str, Any] = {
        "recorded": study.runs.arm.value_counts(),
        "diverged": status.get("diverged", {}),
        "failed to learn": failed,
        "not applicable": status.get("not_applicable", {}),
    }
    planned = len(study.design.runs) // len(study.design.arms)
    return {
        arm: {"planned": planned} | {what: int(count.get(arm, 0)) for what, count in counts.items()}
        for arm in study.design.arms
    }


def to_csv(found: Sequence[Contrast]) -> str:
    """The table ``contrasts.csv``: COLUMNS, a row per contrast, empty where there is no number."""
    table = pd.DataFrame([asdict(contrast) for contrast in found], columns=COLUMNS)
    return table.astype({"batch_size": "Int64"}).to_csv(index=False, lineterminator="\n")


def whole(found: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> Contrast:
    """The contrast over all cells of one arm and endpoint."""
    return next(c for c in found if (c.arm, c.endpoint) == (arm, endpoint) and c.over_all_cells)


def by_cell(found: Sequence[Contrast], arm: str, endpoint: str = PRIMARY) -> dict[tuple[int, float], Contrast]:
    """The contrasts of one arm and endpoint by (batch size, learning rate)."""
    return {
        (c.batch_size, c.lr): c
        for c in found
        if (c.arm, c.endpoint) == (arm, endpoint) and c.batch_size is not None and c.lr is not None
    }
