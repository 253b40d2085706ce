"""The inference-mode ablation: what each mode does to the same networks, against the running statistics and against
the networks without batch normalisation.

Pairs are networks: two modes differ in nothing else. All is reported at one cell, the tutorial's where the study has
it, else each arm's best by the mean primary score; the main modes on the clean images also in the others. The modes of
one condition are tested together, as the cells of a grid are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.findings.modes.mode_comparisons import RULES, Compared, compare_all
from analysis.records.cells import cell_at, rows_in
from analysis.records.tables import PRIMARY, Ablation, StudyData
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.multiple_tests import max_t
from analysis.stats.paired_tests import Test
from study.spec.arms import ARMS
from study.spec.factors import Cell
from study.spec.inference import modes as inference_modes
from study.spec.inference.modes import InferenceMode, is_main, parse, shown_cell

SETTING = ["inference", "eval_batch_size", "order"]
CONDITION = ["shift", "severity"]
COMPARED = ("running", "precise", "cumulative_last", "cumulative_all")
ORDERS = (None, "shuffled", "natural", "sorted")
REFERENCE, NO_NORM, CLEAN = "running", "none", inference_modes.CLEAN


@dataclass(frozen=True)
class ModeResult:
    """One inference mode under one condition, over the networks with batch norm of a cell."""

    cell: Cell
    inference: str
    eval_batch_size: int | None
    order: str | None
    shift: str
    severity: int
    n: int
    """Seeds with a network."""
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
    """The same against networks without normalisation, paired by seed; None where the study has none."""
    p_no_norm: Test | None

    @property
    def mode(self) -> InferenceMode:
        return parse(self.inference)


@dataclass(frozen=True)
class NoNormResult:
    """The networks without normalisation under one condition, which have no statistics to choose."""

    shift: str
    severity: int
    n: int
    accuracy: float
    ece: float


@dataclass(frozen=True)
class SwapResult:
    """Images in two batches each that share all but ``n_swapped`` of the others."""

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
    running_flip_rate: Interval | None
    """Share of the ``n`` images, of all networks, that change class by the running averages, with exact limits (Clopper
    & Pearson 1934); None where these were not asked."""

    @property
    def running_flips(self) -> int | None:
        rate = self.running_flip_rate
        return None if rate is None else round(rate.n * rate.estimate)


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
    """Every result but ``elsewhere`` is of one cell of the arm."""

    cell: Cell | None
    """None where no network of the arm was evaluated."""
    baseline_cell: Cell | None
    """The cell of the networks without normalisation that it is compared with; None where there are none."""
    results: list[ModeResult]
    no_norm: list[NoNormResult]
    """In the baseline's cell, a condition each; empty where the study has none."""
    compared: list[Compared]
    """What the sentences are chosen by."""
    drawn_by_seed: bool
    """Whether the networks of different seeds saw different draws in swaps and compositions."""
    swaps: list[SwapResult]
    compositions: list[CompositionResult]
    statistics: list[StatisticResult]
    elsewhere: list[ModeResult]
    """The main ways on the test images as they are, in the other cells."""

    @property
    def on_clean(self) -> list[ModeResult]:
        """The results on the test images as they are."""
        return [result for result in self.results if (result.shift, result.severity) == CLEAN]

    def without(self, condition: tuple[str, int] = CLEAN) -> NoNormResult | None:
        """Return the networks without normalisation under a condition."""
        return next((one for one in self.no_norm if (one.shift, one.severity) == condition), None)

    def clean(self, inference: str, size: int | None = None, order: str | None = None) -> ModeResult | None:
        """Return the result of one inference mode on the test images as they are."""
        wanted = (inference, size, order, *CLEAN)
        return next((r for r in self.results if _key(r) == wanted), None)


def _key(result: ModeResult) -> tuple[str, int | None, str | None, str, int]:
    return result.inference, result.eval_batch_size, result.order, result.shift, result.severity


def modes(study: StudyData, ablation: Ablation, alpha: float, margin: float) -> Modes:
    """Return what the ablation says of the first arm that keeps statistics, and of it against the baseline, or where
    that one normalises against an arm that does not."""
    level, arm = 1 - alpha, next((arm for arm in study.design.arms if study.design.statistics(arm)), None)
    table = ablation.ablation[ablation.ablation.run_id.isin(study.runs.run_id)]
    without = next((arm for arm in (study.baseline, *study.design.arms) if ARMS[arm].norm is None), None)
    cell, baseline_cell = (_shown_cell(study, table, name) for name in (arm, without))

    def shown(of: pd.DataFrame, name: str | None, at: Cell | None) -> pd.DataFrame:
        of = of[of.arm == name] if len(of) else of
        return of if at is None or not len(of) else rows_in(of, at, study.cell_key)

    of_arm, of_baseline = shown(table, arm, cell), shown(table, without, baseline_cell)
    swaps, compositions = (shown(of, arm, cell) for of in (ablation.swaps, ablation.compositions))
    return Modes(
        cell=cell,
        baseline_cell=baseline_cell,
        results=sorted(_results(pd.concat([of_arm, of_baseline]), cell, level), key=_place),
        no_norm=_no_norm(of_baseline),
        compared=compare_all(RULES, of_arm, of_baseline, alpha, margin),
        drawn_by_seed=all((of.draw_seed == of.seed).all() for of in (swaps, compositions) if len(of)),
        swaps=_swaps(swaps, level),
        compositions=_compositions(compositions, level),
        statistics=_statistics(shown(ablation.statistics, arm, cell), level),
        elsewhere=_elsewhere(study, table[table.arm.isin((arm, without))], cell, level),
    )


def _shown_cell(study: StudyData, table: pd.DataFrame, arm: str | None) -> Cell | None:
    """Return the cell of an arm that is reported, of those in which it was evaluated."""
    of_arm = table[table.arm == arm][study.cell_key].drop_duplicates()
    cells = sorted(cell_at(study.cell_key, levels) for levels in of_arm.itertuples(index=False))
    if not cells:
        return None
    scores = study.outcomes[study.outcomes.arm == arm]
    found = shown_cell(cells, lambda cell: rows_in(scores, cell, study.cell_key)[PRIMARY].mean())
    return study.cell(found)


def _results(table: pd.DataFrame, cell: Cell | None, level: float) -> list[ModeResult]:
    """Return the results of every condition; the rows are of one cell of either arm."""
    return [
        result
        for condition, rows in _groups(table, *CONDITION)
        for result in _results_under((str(condition[0]), int(condition[1])), rows, cell, level)
    ]


def _no_norm(rows: pd.DataFrame) -> list[NoNormResult]:
    return [
        NoNormResult(
            str(shift), int(severity), rows.seed.nunique(), float(rows.accuracy.mean()), float(rows.ece.mean())
        )
        for (shift, severity), rows in _groups(rows[rows.inference == NO_NORM], *CONDITION)
    ]


def _elsewhere(study: StudyData, table: pd.DataFrame, shown: Cell | None, level: float) -> list[ModeResult]:
    """Return the main ways on the clean images in every cell but the shown one, in order; both arms in one cell."""
    clean = table[(table["shift"] == CLEAN[0]) & (table.severity == CLEAN[1])]
    main = [
        is_main(str(inference), size, order, n)
        for (inference, size, order), n in zip(
            map(_setting, zip(*(clean[name] for name in SETTING), strict=True)), clean.n_examples, strict=True
        )
    ]
    in_cells = [(cell, rows_in(clean[main], cell, study.cell_key)) for cell in study.cells if cell != shown]
    return [result for cell, rows in in_cells for result in sorted(_results(rows, study.cell(cell), level), key=_place)]


def _place(result: ModeResult) -> tuple[Any, ...]:
    """Return the sorting key: clean images first, then statistics from training, then order and size of the batch."""
    family, number = result.mode.place
    mode = (family, ORDERS.index(result.order), number, result.eval_batch_size or 0)
    return (result.shift, result.severity) != CLEAN, result.shift, result.severity, mode


def _results_under(condition: tuple[str, int], rows: pd.DataFrame, cell: Cell | None, level: float) -> list[ModeResult]:
    """Return the results under one condition, in the order of the table."""
    networks = {_setting(key): of_setting for key, of_setting in rows.groupby(SETTING, dropna=False, sort=False)}
    by_setting = {setting: _by_seed(of_setting, "accuracy") for setting, of_setting in networks.items()}
    without = by_setting.pop((NO_NORM, None, None), None)
    if cell is None or (REFERENCE, None, None) not in by_setting:
        return []
    scores = pd.DataFrame(by_setting)  # seeds x settings
    running = _joint(scores.sub(scores[(REFERENCE, None, None)], axis=0), level)
    against = None if without is None else _joint(scores.sub(without.reindex(scores.index), axis=0), level)
    return [
        _result(cell, setting, condition, networks[setting], running[i], None if against is None else against[i])
        for i, setting in enumerate(by_setting)
    ]


def _joint(differences: pd.DataFrame, level: float) -> list[tuple[Interval, Test]]:
    """Return of every column the interval of its mean, and its test among all columns."""
    d = differences.to_numpy(float)
    return [(_interval(column, level), test) for column, test in zip(d.T, max_t(d), strict=True)]


def _setting(key: Sequence) -> tuple[str, int | None, str | None]:
    inference, size, order = key
    return str(inference), None if pd.isna(size) else int(size), None if pd.isna(order) else str(order)


def _by_seed(rows: pd.DataFrame, column: str) -> pd.Series:
    """Return a column of the networks of one cell by seed."""
    return rows.set_index("seed")[column].dropna().sort_index()


def _result(
    cell: Cell,
    setting: tuple[str, int | None, str | None],
    condition: tuple[str, int],
    rows: pd.DataFrame,
    running: tuple[Interval, Test],
    without: tuple[Interval, Test] | None,
) -> ModeResult:
    return ModeResult(
        cell,
        *setting,
        *condition,
        n=running[0].n,
        accuracy=float(rows.accuracy.mean()),
        loss=float(rows.loss.mean()),
        ece=float(rows.ece.mean()),
        flip_rate=float((rows.n_flips / rows.n_examples).mean()),
        degenerate=bool(rows.degenerate.any()),
        against_running=running[0],
        p_running=running[1],
        against_no_norm=None if without is None else without[0],
        p_no_norm=None if without is None else without[1],
    )


def _interval(d: NDArray[np.float64], level: float) -> Interval:
    return t_interval(d[np.isfinite(d)], level)


def _over_seeds(rows: pd.DataFrame, column: str, level: float) -> Interval:
    return t_interval(_by_seed(rows, column).to_numpy(float), level)


def _groups(table: pd.DataFrame, *columns: str) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Return the rows by their values in ``columns``, in the table's order."""
    return [(tuple(key), rows) for key, rows in table.groupby(list(columns), sort=False)] if len(table) else []


def _share_of_images(rows: pd.DataFrame, level: float) -> Interval | None:
    """Return the share of images, of all networks, that change class by the running averages; None if not counted."""
    if rows.running_flips.isna().any():
        return None
    k, n = int(rows.running_flips.sum()), int(rows.n_images.sum())
    ends = stats.binomtest(k, n).proportion_ci(level, method="exact")
    return Interval("Clopper-Pearson", n, k / n, float(ends.low), float(ends.high), level)


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
            running_flip_rate=_share_of_images(rows, level),
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
