"""What do the records say of one arm against the baseline beside its contrasts? How it fails, how fast it learns, where
its gain lies, where the noise comes from, how many seeds it takes, and whether the methods can be trusted here.

All on the primary endpoint and by ``analysis.stats``; nothing is computed here but the arrays that it takes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.findings.accuracy_shares import (
    FINAL,
    AccuracyLevel,
    AccuracyShares,
    accuracy_levels,
    accuracy_shares,
)
from analysis.findings.answer import Answer, answers, cross_fitted
from analysis.findings.arms import ArmCell, Claim, arm_cells, claims
from analysis.findings.claims.ledger import Ledger
from analysis.findings.claims.verdicts import ledger
from analysis.findings.comparison import Comparison, compared
from analysis.findings.contrasts import Contrast, compute_contrasts
from analysis.findings.curves import Curve, DifferenceCurve, arm_curves, difference_curves
from analysis.findings.failures import Failures, count_failures
from analysis.findings.modes.inference_modes import Modes, modes
from analysis.findings.secondary.all_pairs import AllPairs, all_pairs
from analysis.findings.secondary.balanced_accuracy import BalancedAccuracy, balanced_accuracies
from analysis.findings.secondary.generalisation import Generalisation, generalisation
from analysis.findings.secondary.sensitivity import Sensitivity, sensitivity
from analysis.findings.secondary.typical_pair import TypicalPair, typical_pairs
from analysis.findings.tuning import Tuned, tuned
from analysis.records.cells import Grid, Levels
from analysis.records.pairs import Pairs, over_cells, pair, zero_rounding_noise
from analysis.records.scores import Scores, scores_of
from analysis.records.tables import PRIMARY, StudyData, load_ablation
from analysis.stats import evalues, null_calibration, power, time_to_event, variance_components
from analysis.stats.grid import Axis, BestRate, LargestRate, LevelDifference, best_rate, largest_rate, level_differences
from analysis.stats.tuning.cross_fitting import CrossFit
from study.spec.factors import Cell, Level


@dataclass(frozen=True)
class Noise:
    """Components of the variance of the difference, in a cell or over all cells, at the last epoch."""

    cell: Cell | None
    two_way: variance_components.TwoWay
    """Variance over seeds and test images, from the predicted labels of every test image."""
    pairing: variance_components.VarianceRatio
    of_baseline: variance_components.Spread
    """Spread over seeds, and over the last epochs of a run."""
    of_arm: variance_components.Spread


@dataclass(frozen=True)
class BestRateAt:
    """The best rate of both arms at one combination of the other factors."""

    at: Mapping[str, Level]
    """The levels of the other factors."""
    found: BestRate


@dataclass(frozen=True)
class UsableRate:
    """The largest rates at which the runs of both arms reach an accuracy."""

    level: AccuracyLevel
    found: LargestRate


@dataclass(frozen=True)
class BestCell:
    """Both sides tuned on the grid: each in the cell that it did best in on the other seeds."""

    cells: list[Cell]
    """The cells to choose from, in the order of the choices in ``found``."""
    found: CrossFit
    scores: Scores
    """Each seed's scores in the cells that the other seeds chose; none where there is a single seed."""


@dataclass(frozen=True)
class Evidence:
    """E-values for those who add seeds and look again: at least 1/alpha, at any look, is evidence at level alpha.

    They ask whether one arm is better in more than half of the pairs. A pair is a seed: its mean difference over all
    cells, in which a failed run is worse than a sound one and two failed ones tie.
    """

    n: int
    """Seeds with a pair in every cell."""
    n_better: int
    """Seeds in which the arm is better; the others are worse, or tie."""
    n_worse: int
    sign: list[float]
    """E-value after each seed in order."""
    threshold: float


@dataclass(frozen=True)
class Findings:
    """Every number of one arm against the baseline, beside the contrasts."""

    arm: str
    baseline: str
    endpoint: str
    alpha: float
    scores: list[Scores]
    sensitivity: Sensitivity
    failures: list[Failures]
    typical_pairs: list[TypicalPair]
    gaps: list[DifferenceCurve]
    times: list[time_to_event.TimeToAccuracy]
    noise: list[Noise]
    level_differences: list[LevelDifference]
    """How the effect changes between neighbouring levels; all pairs, failures as they ended."""
    usable_rates: list[UsableRate]
    """At the learning threshold, and at 90 % of the best mean; none where the grid has gaps or a single rate."""
    best_rates: list[BestRateAt]
    best_cell: BestCell | None
    """None where there is but one cell, or no seed with a pair in each."""
    plan: power.Plan
    evidence: Evidence
    sizes: list[null_calibration.TypeIErrorRate]


@dataclass(frozen=True)
class Results:
    """Every number of a report."""

    alpha: float
    margin: float
    contrasts: list[Contrast]
    curves: list[Curve]
    arm_cells: list[ArmCell]
    accuracy_shares: list[AccuracyShares]
    claims: list[Claim]
    generalisation: list[Generalisation]
    """By arm, in the cell that is shown alone."""
    answers: dict[str, Answer]
    all_pairs: AllPairs | None
    """None for two arms."""
    of_arms: dict[str, Findings]
    modes: Modes | None
    """None where ``study.ablate`` never ran."""
    tuned: list[Tuned]
    """Results by arm, where the study was tuned."""
    comparisons: list[Comparison]
    """Comparisons by arm with each of the other studies that were named."""
    balanced: list[BalancedAccuracy]
    """By arm, where the classes are not of equal size."""
    ledger: Ledger | None = None
    """None of an ordinary study."""


def analyse(study: StudyData, alpha: float, margin: float, others: Sequence[StudyData] = ()) -> Results:
    """Return all that the records say; beside those of ``others``, if there are any."""
    of_tuned, level = tuned(study, alpha, margin), 1 - alpha
    comparisons = compared(study, others, of_tuned, alpha, margin)  # first, since it may refuse one of them
    of_study = compute_contrasts(study, alpha, margin)
    ablation, curves = load_ablation(study), arm_curves(study, level)
    return Results(
        alpha=alpha,
        margin=margin,
        contrasts=of_study,
        curves=curves,
        arm_cells=arm_cells(study, level),
        accuracy_shares=accuracy_shares(study, accuracy_levels(study), level),
        claims=claims(study, level),
        generalisation=generalisation(study, curves, level),
        answers=answers(study, alpha, margin, of_tuned),
        all_pairs=all_pairs(study, alpha, margin),
        of_arms={arm: findings(study, of_study, arm, alpha, margin) for arm in study.treatments},
        modes=None if ablation is None else modes(study, ablation, alpha, margin),
        tuned=of_tuned,
        comparisons=comparisons,
        balanced=balanced_accuracies(study, level),
        ledger=None if study.claims is None else ledger(study.claims),
    )


def findings(study: StudyData, of_study: Sequence[Contrast], arm: str, alpha: float, margin: float) -> Findings:
    """Return everything of one arm; ``of_study`` are the study's contrasts."""
    pairs, final, level = pair(study, arm, PRIMARY), pair(study, arm, FINAL), 1 - alpha
    complete = pairs.rows(pairs.cells)
    of_seeds = over_cells(complete)
    return Findings(
        arm=arm,
        baseline=pairs.baseline,
        endpoint=PRIMARY,
        alpha=alpha,
        scores=_scores_by_seed(pairs),
        sensitivity=sensitivity(pairs, final, alpha),
        failures=count_failures(pairs, level),
        typical_pairs=typical_pairs(pairs, level),
        gaps=difference_curves(study, arm, pairs.baseline, level),
        times=times(study, pairs, level),
        noise=_noise(study, pairs, level),
        level_differences=_level_differences(study, pairs, level),
        usable_rates=_usable_rates(study, final, level),
        best_rates=_best_rates(study, pairs, level),
        best_cell=_best_cell(pairs, level, len(study.treatments)),
        plan=power.plan(of_seeds, margin, alpha),
        evidence=_evidence(pairs, alpha),
        sizes=null_calibration.type_i_error_rates(complete, alpha),
    )


def _evidence(pairs: Pairs, alpha: float) -> Evidence:
    """Return the e-values of the seeds with a pair in every cell, in order."""
    rows = pairs.complete
    d = evalues.with_failures(rows.difference, rows.failed_baseline, rows.failed_arm)
    of_seeds = zero_rounding_noise(rows.assign(difference=d).groupby("seed").difference.mean())
    n_better, n_worse = int((of_seeds > 0).sum()), int((of_seeds < 0).sum())
    return Evidence(len(of_seeds), n_better, n_worse, evalues.sign_e_process(of_seeds).tolist(), 1 / alpha)


def _scores_by_seed(pairs: Pairs) -> list[Scores]:
    """Return the scores over all cells, of the seeds with a pair in each; then in every cell."""
    columns = ["of_baseline", "of_arm", "failed_baseline", "failed_arm"]
    averaged = pairs.complete.groupby("seed", as_index=False)[columns].mean()
    in_cells = [scores_of(pairs.cell(cell), cell) for cell in pairs.cells]
    return [scores_of(averaged), *in_cells]


# --- speed, noise


def times(study: StudyData, pairs: Pairs, level: float) -> list[time_to_event.TimeToAccuracy]:
    """Return the times to accuracy over the seeds that have a pair in every cell."""
    if not pairs.cells:
        return []
    both = [study.accuracy_curves(arm, pairs.cells, diverged=-math.inf) for arm in (pairs.baseline, pairs.arm)]
    complete = ~np.isnan(both).any((0, 2, 3))
    if not complete.any():
        return []
    return time_to_event.time_to_accuracy(both[0][complete], both[1][complete], level=level)


def _noise(study: StudyData, pairs: Pairs, level: float) -> list[Noise]:
    """Return the noise over all cells, then in each; a diverged run has chance for every image."""
    if not pairs.cells:
        return []
    total, in_cells = np.zeros((len(study.design.seeds), study.design.data.n_test), np.float32), []
    for cell in pairs.cells:
        c = study.correctness(pairs.arm, cell) - study.correctness(pairs.baseline, cell)
        total += c
        in_cells.append(_noise_of(study, pairs, cell, c, level))
    mean = total / np.float32(len(pairs.cells))
    return [_noise_of(study, pairs, None, mean, level), *in_cells]


def _noise_of(study: StudyData, pairs: Pairs, cell: Cell | None, c: NDArray[np.floating], level: float) -> Noise:
    """Return the noise of a cell, or of the mean over all; ``c`` (seeds, images) is as ``two_way`` takes it."""
    cells = pairs.cells if cell is None else [cell]
    curves = [study.accuracy_curves(arm, cells) for arm in (pairs.baseline, pairs.arm)]
    complete = ~np.isnan(curves).any((0, 2, 3))
    last = [curve[complete].mean(1)[:, -len(study.last_epochs) :] for curve in curves]  # (seeds, epochs)
    return Noise(
        cell=cell,
        two_way=variance_components.two_way(c[~np.isnan(c).any(1)], level),
        pairing=variance_components.variance_ratio(last[0].mean(1), last[1].mean(1)),
        of_baseline=variance_components.spread(last[0]),
        of_arm=variance_components.spread(last[1]),
    )


# --- the grid


@dataclass(frozen=True)
class _GridValues:
    """Values of a column of the pairs on the whole grid, of the seeds with a pair in every cell."""

    grid: Grid
    rows: list[Levels]
    """Levels of the other factors, in order."""
    rates: list[float]
    values: NDArray[np.float64]
    """(seeds, rows, rates)."""


def _grid_values(study: StudyData, pairs: Pairs, column: str) -> _GridValues | None:
    """Return a column on the grid, None where the grid is not whole or no seed has it whole."""
    planned = study.design.cells
    if len(pairs.cells) != len(planned):
        return None
    grid = Grid.of(study.design.factors)
    rows, rates = grid.down(planned), grid.across_of(planned)
    table = pairs.matrix([grid.cell(row, rate) for row in rows for rate in rates], column)
    values = table[~np.isnan(table).any(1)].reshape(-1, len(rows), len(rates))
    return _GridValues(grid, rows, rates, values) if len(values) else None


def _level_differences(study: StudyData, pairs: Pairs, level: float) -> list[LevelDifference]:
    """Return the differences between the levels of every factor, averaged over the levels of the others."""
    whole = _grid_values(study, pairs, "difference")
    if whole is None:
        return []
    factors = (*whole.grid.others, whole.grid.across)
    levels = [study.design.levels(factor.key) for factor in factors]
    axes = [Axis(f.key, of_factor, f.is_numeric) for f, of_factor in zip(factors, levels, strict=True)]
    return level_differences(whole.values.reshape(-1, *map(len, levels)), axes, level)


def _usable_rates(study: StudyData, final: Pairs, level: float) -> list[UsableRate]:
    of_baseline, of_arm = (_grid_values(study, final, column) for column in ("of_baseline", "of_arm"))
    if of_baseline is None or of_arm is None or len(of_arm.rates) < 2:
        return []
    return [
        UsableRate(
            least,
            largest_rate(of_baseline.values < least.accuracy, of_arm.values < least.accuracy, of_arm.rates, level),
        )
        for least in accuracy_levels(study)[:2]
    ]


def _best_rates(study: StudyData, pairs: Pairs, level: float) -> list[BestRateAt]:
    of_baseline, of_arm = (_grid_values(study, pairs, column) for column in ("of_baseline", "of_arm"))
    if of_baseline is None or of_arm is None:
        return []
    return [
        BestRateAt(
            of_arm.grid.named(row),
            best_rate(of_baseline.values[:, i], of_arm.values[:, i], of_arm.rates, level),
        )
        for i, row in enumerate(of_arm.rows)
    ]


def _best_cell(pairs: Pairs, level: float, n_arms: int) -> BestCell | None:
    if len(pairs.cells) < 2 or not len(pairs.rows(pairs.cells)):
        return None
    found = cross_fitted(pairs, level, n_arms)
    return BestCell(pairs.cells, found, _held_out(pairs, found))


def _held_out(pairs: Pairs, found: CrossFit) -> Scores:
    """Return the scores of the seeds that others chose for."""
    seeds, rows = sorted(set(pairs.table.seed)), []
    failed = [pairs.matrix(pairs.cells, f"failed_{side}") for side in ("baseline", "arm")]
    for i, choices in enumerate(zip(found.choices_baseline, found.choices_arm, strict=True)):
        if None not in choices:
            flags = [table[i, choice] for table, choice in zip(failed, choices, strict=True)]
            rows.append((seeds[i], found.of_baseline[i], found.of_arm[i], *flags))
    columns = ["seed", "of_baseline", "of_arm", "failed_baseline", "failed_arm"]
    return scores_of(pd.DataFrame(rows, columns=columns))
