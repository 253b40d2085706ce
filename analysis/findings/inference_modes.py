"""The inference-mode ablation: what each mode does to the same networks, against the running statistics and against
the networks without batch normalisation.

Pairs are networks: two modes differ in nothing else. The unit is the seed, whose accuracies are averaged over the cells
first. The modes of one condition are tested together, as the cells of a grid are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.records.tables import Ablation, StudyData
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.multiple_tests import max_t
from analysis.stats.paired_tests import Test
from study.spec import inference_modes
from study.spec.arms import ARMS
from study.spec.factors import FACTORS
from study.spec.inference_modes import InferenceMode, parse

SETTING = ["inference", "eval_batch_size", "order"]
CONDITION = ["shift", "severity"]
COMPARED = ("running", "precise", "cumulative_last", "cumulative_all")
ORDERS = (None, "shuffled", "natural", "sorted")
REFERENCE, NO_NORM, CLEAN = "running", "none", inference_modes.CLEAN


@dataclass(frozen=True)
class ModeResult:
    """One inference mode under one condition, over the networks with batch norm of every cell."""

    inference: str
    eval_batch_size: int | None
    order: str | None
    shift: str
    severity: int
    n: int
    """Seeds with a network in every cell."""
    n_networks: int
    accuracy: float
    loss: float
    ece: float
    flip_rate: float
    """Share of predicted labels that differ from those by the population statistics."""
    degenerate: bool
    against_running: Interval
    """Interval of the mean difference of accuracy on the same images."""
    p_running: Test
    """Step-down max-T over the modes of this condition."""
    against_no_norm: Interval | None
    """The same against networks without normalisation, paired by seed and cell; None where the study has none."""
    p_no_norm: Test | None

    @property
    def mode(self) -> InferenceMode:
        return parse(self.inference)


@dataclass(frozen=True)
class SwapResult:
    """One image in two batches that share all but ``n_swapped`` of the others."""

    eval_batch_size: int
    n_swapped: int
    n: int
    mean_change: Interval
    """Change of the first layer's batch mean, in standard deviations."""
    law: float
    """sqrt(2 k) / m for k of m images: what random draws give in expectation."""
    value_change: Interval
    logit_change: Interval
    flip_rate: Interval


@dataclass(frozen=True)
class CompositionResult:
    """All test images in 32 random compositions of the batches."""

    eval_batch_size: int
    n: int
    any_flip: Interval
    mates_share: Interval
    """Share of the variance of logits that comes from the other images of the batch."""


@dataclass(frozen=True)
class StatisticResult:
    """Distance of a statistic from training to that of the whole population, in one layer."""

    inference: str
    layer: int
    n: int
    mean_error: Interval
    """Root mean square over units, in standard deviations of the unit."""
    log_var_error: Interval

    @property
    def mode(self) -> InferenceMode:
        return parse(self.inference)


@dataclass(frozen=True)
class Modes:
    results: list[ModeResult]
    swaps: list[SwapResult]
    compositions: list[CompositionResult]
    statistics: list[StatisticResult]

    def clean(self, inference: str, size: int | None = None, order: str | None = None) -> ModeResult | None:
        """Return the result of one inference mode on the test images as they are."""
        wanted = (inference, size, order, *CLEAN)
        return next((r for r in self.results if _key(r) == wanted), None)


def _key(result: ModeResult) -> tuple[str, int | None, str | None, str, int]:
    return result.inference, result.eval_batch_size, result.order, result.shift, result.severity


def modes(study: StudyData, ablation: Ablation, level: float) -> Modes:
    """Return what the ablation says of the first arm that keeps statistics, and of it against the baseline."""
    arm = next((arm for arm in study.design.arms if ARMS[arm].statistics), None)
    table = ablation.ablation[ablation.ablation.run_id.isin(study.runs.run_id)]
    results = [
        result
        for condition, rows in _groups(table[table.arm.isin((arm, study.baseline))], *CONDITION)
        for result in _results_under(str(condition[0]), int(condition[1]), rows, level)
    ]
    return Modes(
        sorted(results, key=_place),
        _swaps(_of_arm(ablation.swaps, arm), level),
        _compositions(_of_arm(ablation.compositions, arm), level),
        _statistics(_of_arm(ablation.statistics, arm), level),
    )


def _of_arm(table: pd.DataFrame, arm: str | None) -> pd.DataFrame:
    return table[table.arm == arm] if len(table) else table


def _place(result: ModeResult) -> tuple[Any, ...]:
    """Return the sorting key: clean images first, then statistics from training, then order and size of the batch."""
    family, number = result.mode.place
    mode = (family, ORDERS.index(result.order), number, result.eval_batch_size or 0)
    return (result.shift, result.severity) != CLEAN, result.shift, result.severity, mode


def _results_under(shift: str, severity: int, rows: pd.DataFrame, level: float) -> list[ModeResult]:
    """Return the results under one condition, in the order of the table."""
    networks = {_setting(key): of_setting for key, of_setting in rows.groupby(SETTING, dropna=False, sort=False)}
    by_setting = {setting: _by_seed(of_setting, "accuracy") for setting, of_setting in networks.items()}
    without = by_setting.pop((NO_NORM, None, None), None)
    if (REFERENCE, None, None) not in by_setting:
        return []
    scores = pd.DataFrame(by_setting)  # seeds x settings
    reference = scores[(REFERENCE, None, None)]
    d = scores.sub(reference, axis=0).to_numpy(float)
    against = None if without is None else scores.sub(without.reindex(scores.index), axis=0).to_numpy(float)
    p_running = max_t(d)
    p_without = None if against is None else max_t(against)
    return [
        _result(
            setting,
            (shift, severity),
            networks[setting],
            (d[:, i], p_running[i]),
            None if against is None or p_without is None else (against[:, i], p_without[i]),
            level,
        )
        for i, setting in enumerate(by_setting)
    ]


def _setting(key: Sequence) -> tuple[str, int | None, str | None]:
    inference, size, order = key
    return str(inference), None if pd.isna(size) else int(size), None if pd.isna(order) else str(order)


def _by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean over the cells by seed, of the seeds that have a network in every cell."""
    wide = rows.pivot(index="seed", columns=[key for key in FACTORS if key in rows], values=column)
    return wide.dropna().mean(axis=1)


def _result(
    setting: tuple[str, int | None, str | None],
    condition: tuple[str, int],
    rows: pd.DataFrame,
    running: tuple[NDArray[np.float64], Test],
    without: tuple[NDArray[np.float64], Test] | None,
    level: float,
) -> ModeResult:
    return ModeResult(
        *setting,
        *condition,
        n=int(np.isfinite(running[0]).sum()),
        n_networks=len(rows),
        accuracy=float(rows.accuracy.mean()),
        loss=float(rows.loss.mean()),
        ece=float(rows.ece.mean()),
        flip_rate=float((rows.n_flips / rows.n_examples).mean()),
        degenerate=bool(rows.degenerate.any()),
        against_running=_interval(running[0], level),
        p_running=running[1],
        against_no_norm=None if without is None else _interval(without[0], level),
        p_no_norm=None if without is None else without[1],
    )


def _interval(d: NDArray[np.float64], level: float) -> Interval:
    return t_interval(d[np.isfinite(d)], level)


def _over_seeds(rows: pd.DataFrame, column: str, level: float) -> Interval:
    return t_interval(_by_seed(rows, column).to_numpy(float), level)


def _groups(table: pd.DataFrame, *columns: str) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Return the rows by their values in ``columns``, in the table's order."""
    return [(tuple(key), rows) for key, rows in table.groupby(list(columns), sort=False)] if len(table) else []


def _swaps(table: pd.DataFrame, level: float) -> list[SwapResult]:
    return [
        SwapResult(
            int(size),
            int(k),
            rows.seed.nunique(),
            mean_change=_over_seeds(rows, "mean_change", level),
            law=math.sqrt(2 * k) / size,
            value_change=_over_seeds(rows, "value_change", level),
            logit_change=_over_seeds(rows, "logit_change", level),
            flip_rate=_over_seeds(rows, "flip_rate", level),
        )
        for (size, k), rows in _groups(table, "eval_batch_size", "n_swapped")
    ]


def _compositions(table: pd.DataFrame, level: float) -> list[CompositionResult]:
    return [
        CompositionResult(
            int(size),
            rows.seed.nunique(),
            any_flip=_over_seeds(rows, "any_flip", level),
            mates_share=_over_seeds(rows, "mates_share", level),
        )
        for (size,), rows in _groups(table, "eval_batch_size")
    ]


def _statistics(table: pd.DataFrame, level: float) -> list[StatisticResult]:
    results = [
        StatisticResult(
            str(inference),
            int(layer),
            rows.seed.nunique(),
            mean_error=_over_seeds(rows, "rms_mean_error", level),
            log_var_error=_over_seeds(rows, "rms_log_var_error", level),
        )
        for (inference, layer), rows in _groups(table, "inference", "layer")
    ]
    return sorted(results, key=lambda result: (COMPARED.index(result.inference), result.layer))
