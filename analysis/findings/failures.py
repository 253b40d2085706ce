"""Failures of each arm, in every cell and over all: tests of binary outcomes on a study's pairs."""

from dataclasses import dataclass, replace

import pandas as pd
from numpy.typing import NDArray

from analysis.records.pairs import Pairs
from analysis.stats import binary_outcomes
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test
from study.spec.factors import Cell


@dataclass(frozen=True)
class Failures:
    """Runs that diverged or failed to learn, in a cell or over all cells; and what divergence does to the accuracy."""

    cell: Cell | None
    n_runs: int
    """Runs of each arm, which is the number of pairs."""
    n_failed_baseline: int
    n_failed_arm: int
    n_diverged_baseline: int
    n_diverged_arm: int
    n_only_baseline: int
    """Pairs in which the baseline failed and the arm did not."""
    n_only_arm: int
    test: Test
    """Exact McNemar in a cell; over all cells a sign-flip test of each seed's counts."""
    mid_p: float | None
    interval: Interval | None
    """Interval of the difference of the failure rates, arm minus baseline; in a cell alone."""
    worst_rank: Test | None
    """Wilcoxon's test with divergence as the worst score; in a cell alone."""
    survivors: binary_outcomes.Survivors
    """Sensitivity alone: pairs in which neither diverged, and the bounds over all pairs."""


def count_failures(pairs: Pairs, level: float) -> list[Failures]:
    """Return the failures over all cells first, then in each."""
    return [_over_cells(pairs, level), *(_in_cell(pairs, cell, level) for cell in pairs.cells)]


def _in_cell(pairs: Pairs, cell: Cell, level: float) -> Failures:
    table = pairs.cell(cell)
    failed = table.failed_baseline.to_numpy(bool), table.failed_arm.to_numpy(bool)
    scores = _scores(table)
    return Failures(
        cell=cell,
        **_counts(table),
        test=binary_outcomes.mcnemar(*failed),
        mid_p=binary_outcomes.mcnemar(*failed, mid=True).pvalue,
        interval=binary_outcomes.risk_difference(*failed, level),
        worst_rank=binary_outcomes.worst_rank(*scores),
        survivors=binary_outcomes.survivors(*scores, level),
    )


def _over_cells(pairs: Pairs, level: float) -> Failures:
    """Return the failures of the seeds with a pair in every cell."""
    table = pairs.complete
    by_seed = table.groupby("seed")[["failed_baseline", "failed_arm"]].sum().to_numpy(float)
    left = table[~(table.diverged_baseline | table.diverged_arm)].groupby("seed").difference.mean().to_numpy(float)
    return Failures(
        cell=None,
        **_counts(table),
        test=binary_outcomes.count_sign_flip(by_seed[:, 0], by_seed[:, 1]),
        mid_p=None,
        interval=None,
        worst_rank=None,
        survivors=replace(binary_outcomes.survivors(*_scores(table), level), interval=t_interval(left, level)),
    )


def _counts(table: pd.DataFrame) -> dict[str, int]:
    baseline, arm = table.failed_baseline, table.failed_arm
    counts = {
        "n_failed_baseline": baseline,
        "n_failed_arm": arm,
        "n_diverged_baseline": table.diverged_baseline,
        "n_diverged_arm": table.diverged_arm,
        "n_only_baseline": baseline & ~arm,
        "n_only_arm": arm & ~baseline,
    }
    return {"n_runs": len(table)} | {name: int(column.sum()) for name, column in counts.items()}


def _scores(table: pd.DataFrame) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    columns = ("of_baseline", "of_arm", "diverged_baseline", "diverged_arm")
    return tuple(table[name].to_numpy() for name in columns)  # type: ignore[return-value]
