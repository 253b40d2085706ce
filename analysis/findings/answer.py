"""The answer: four questions of one arm against the baseline, none of which waits for another.

Each arm at its best, at the tutorial's setting, where an arm does not learn, and the mean over the cells with what it
is made of. The page, ``report.json``, the terminal and the README all read this value.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.findings.family import Bounds, Member, conclude, joint_family, samples, tally
from analysis.findings.tipping import Tipping, at_rate, tipping_rate
from analysis.findings.tuning import Tuned
from analysis.records.pairs import Pairs, Scored, pair
from analysis.stats.intervals import Interval, proportion, upper_share
from analysis.stats.multiple_tests import bonferroni_level
from analysis.stats.power import seeds_for_equivalence
from analysis.stats.tuning.cross_fitting import CrossFit, crossfit, held_out_bounds
from study.spec.factors import REFERENCE_SETTING, Cell, Level


@dataclass(frozen=True)
class Part:
    """One question's answer: both arms' accuracies, their difference and what is concluded."""

    key: str
    """``best``, ``setting`` or ``mean``."""
    source: str
    """What it is made of: ``tuned``, ``cross-fitted``, ``cell`` or ``cells``."""
    cells: Mapping[str, Cell]
    """The cell of each arm; empty for the mean over all cells."""
    n: int
    unit: str
    """Name of the independent units, in the plural."""
    n_better: int
    """Units in which the arm is better."""
    mean_baseline: float
    mean_arm: float
    difference: Interval
    """Arm minus baseline: simultaneous with the other members of its family, for ``best`` with those of other arms."""
    inner: Interval
    """Its own interval at 1 - 2 alpha, which decides on equivalence."""
    n_runs: int
    n_failed_baseline: int
    n_failed_arm: int
    verdict: str
    reason: str | None
    bounds: Bounds | None
    tipping: Tipping | None
    qualified: bool
    """Whether collapses that the seeds do not exclude would reverse the difference."""


@dataclass(frozen=True)
class Learning:
    """How many runs of each arm learn in a cell in which some do not."""

    cell: Cell
    n: int
    n_baseline: int
    """Runs of the baseline that learn."""
    n_arm: int
    of_baseline: Interval
    """Share of the runs that learn: Clopper & Pearson (1934)."""
    of_arm: Interval


@dataclass(frozen=True)
class LevelShare:
    """The part of the mean over the cells that comes from the cells of one level of a factor."""

    factor: str
    level: Level
    share: float
    """The shares of a factor's levels add up to 1."""


@dataclass(frozen=True)
class Answer:
    """All parts of the answer on the primary endpoint."""

    arm: str
    baseline: str
    alpha: float
    margin: float
    best: Part | None
    """None where there is no choice between cells and no tuning."""
    setting: Part | None
    """None where the tutorial's setting is not in the design."""
    not_learning: list[Learning]
    n_seeds: int
    """Seeds with a pair in one cell or more."""
    unseen_failures: float
    """Upper limit of the share of seeds with a failed run where none was seen, one-sided at alpha."""
    mean: Part | None
    """None where the design has one cell, the tutorial's setting."""
    shares: list[LevelShare]
    """The decomposition of the mean, by factor and level; empty where it is zero or unknown."""
    n_cells: int
    cells: Mapping[str, int]
    """Cells by verdict."""
    seeds_for_equivalence: int | None
    """Seeds with which every cell's interval and the mean's would lie within the margin, were the true differences zero
    and the spreads as they are; None where a spread is not known."""
    qualified: bool
    """Whether the first part's verdict is."""

    @property
    def first(self) -> Part:
        """The part that is told first."""
        return self.parts[0]

    @property
    def parts(self) -> list[Part]:
        """The parts with a difference, in the order in which they are told."""
        return [part for part in (self.best, self.setting, self.mean) if part is not None]


def answers(study: Scored, alpha: float, margin: float, tuned: Sequence[Tuned] = ()) -> dict[str, Answer]:
    """Return the answer of every arm on the first endpoint; ``tuned`` are the results of tuning, if there was one."""
    found, n_arms = {}, len(study.treatments)
    every = [pair(study, arm, next(iter(study.endpoints))) for arm in study.treatments]
    families = joint_family([(pairs, samples(pairs, study.cells, alpha)) for pairs in every], alpha, margin)
    for pairs, members in zip(every, families, strict=True):
        best = next((best_tuned(of_arm) for of_arm in tuned if of_arm.arm == pairs.arm), None)
        if best is None and len(pairs.cells) > 1 and len(pairs.rows(pairs.cells)):
            best = best_on_grid(pairs, cross_fitted(pairs, 1 - alpha, n_arms), alpha, margin, n_arms)
        found[pairs.arm] = answer(pairs, members, best, n_arms)
    return found


def answer(pairs: Pairs, members: Sequence[Member], best: Part | None, n_arms: int = 1) -> Answer:
    """Return the answer of one arm from its pairs on the primary endpoint, their family and the part ``best``.

    ``members`` are as ``family`` returns them: over all cells first; ``n_arms`` are compared with the baseline.
    """
    mean, cells = members[0], members[1:]
    setting = next((cell for cell in cells if cell.cell == REFERENCE_SETTING), None)
    of_setting = None if setting is None else _part(pairs, setting, "setting", "cell")
    of_mean = None if of_setting and len(cells) == 1 else _part(pairs, mean, "mean", "cells")
    first = best or of_setting or of_mean
    n_seeds = pairs.table.seed.nunique()
    return Answer(
        arm=pairs.arm,
        baseline=pairs.baseline,
        alpha=mean.alpha,
        margin=mean.margin,
        best=best,
        setting=of_setting,
        not_learning=_not_learning(pairs, 1 - mean.alpha),
        n_seeds=n_seeds,
        unseen_failures=upper_share(0, n_seeds, 1 - mean.alpha),
        mean=of_mean,
        shares=_shares(pairs),
        n_cells=len(cells),
        cells=dict(tally(cells)),
        seeds_for_equivalence=_seeds_for_equivalence(members, n_arms),
        qualified=first is not None and first.qualified,
    )


def _part(pairs: Pairs, member: Member, key: str, source: str) -> Part:
    return Part(
        key=key,
        source=source,
        cells={} if member.cell is None else {pairs.baseline: member.cell, pairs.arm: member.cell},
        n=member.n_pairs,
        unit=pairs.units,
        n_better=member.n_better,
        mean_baseline=member.mean_baseline,
        mean_arm=member.mean_arm,
        difference=member.shown,
        inner=member.inner,
        n_runs=member.n_runs,
        n_failed_baseline=member.n_failed_baseline,
        n_failed_arm=member.n_failed_arm,
        verdict=member.verdict,
        reason=member.reason,
        bounds=member.bounds,
        tipping=member.tipping,
        qualified=member.tipping is not None and member.tipping.qualified,
    )


def best_on_grid(pairs: Pairs, found: CrossFit, alpha: float, margin: float, n_arms: int = 1) -> Part:
    """Return the part of each arm in its own best cell, chosen on other seeds than it is scored on; ``found`` is the
    cross-fit of all pairs, failures as they ended."""
    missing = _bounds_at_best(pairs)
    inner = cross_fitted(pairs, 1 - 2 * alpha, n_arms).interval
    verdict, reason = conclude(found.interval, inner, missing, alpha, margin)
    cells = [pairs.cells[index] for index in (found.best_baseline, found.best_arm) if index is not None]
    tables = [pairs.cell(cell) for cell in cells]
    seen = _tipping_at_best(pairs, found, tables, alpha) if verdict.startswith(("better", "worse")) else None
    return Part(
        key="best",
        source="cross-fitted",
        cells=dict(zip((pairs.baseline, pairs.arm), cells, strict=False)),
        n=found.interval.n,
        unit=pairs.units,
        n_better=int(np.sum(np.array(found.differences) > 0)),
        mean_baseline=found.mean_baseline,
        mean_arm=found.mean_arm,
        difference=found.interval,
        inner=inner,
        n_runs=max((len(table) for table in tables), default=0),
        n_failed_baseline=int(sum(table.failed_baseline.sum() for table in tables[:1])),
        n_failed_arm=int(sum(table.failed_arm.sum() for table in tables[1:])),
        verdict=verdict,
        reason=reason,
        bounds=missing,
        tipping=seen,
        qualified=seen is not None and seen.qualified,
    )


def best_tuned(tuned: Tuned) -> Part:
    """Return the part of each arm in the configurations that its searches chose."""
    after = tuned.after
    return Part(
        key="best",
        source="tuned",
        cells={chosen.arm: chosen.cell for chosen in tuned.chosen} if len(tuned.searches) == 1 else {},
        n=after.interval.n,
        unit=tuned.unit,
        n_better=after.n_better,
        mean_baseline=after.mean_baseline,
        mean_arm=after.mean_arm,
        difference=after.interval,
        inner=tuned.inner,
        n_runs=after.n_runs,
        n_failed_baseline=after.n_failed_baseline,
        n_failed_arm=after.n_failed_arm,
        verdict=tuned.verdict,
        reason=tuned.reason,
        bounds=None,
        tipping=tuned.tipping,
        qualified=tuned.tipping is not None and tuned.tipping.qualified,
    )


def cross_fitted(pairs: Pairs, level: float, n_arms: int = 1) -> CrossFit:
    """Return both arms' best cells, each scored on the seeds that did not choose it; the interval holds for ``n_arms``
    together, by Bonferroni's level."""
    of_baseline, of_arm = (pairs.matrix(pairs.cells, column) for column in ("of_baseline", "of_arm"))
    found = crossfit(of_baseline, of_arm, bonferroni_level(level, n_arms))
    return replace(found, interval=replace(found.interval, level=level))


def _bounds_at_best(pairs: Pairs) -> Bounds | None:
    """Return the bounds of the difference between the best cells: missing runs decide too which cells these are."""
    n_missing = len(pairs.missing)
    if not n_missing:
        return None
    if pairs.limits is None:
        return Bounds(n_missing, -math.inf, math.inf)
    filled = [pairs.filled(limit, limit) for limit in pairs.limits]
    baseline, arm = (
        held_out_bounds(*(one.matrix(one.cells, side) for one in filled)) for side in ("of_baseline", "of_arm")
    )
    return Bounds(n_missing, arm[0] - baseline[1], arm[1] - baseline[0])


def _tipping_at_best(pairs: Pairs, found: CrossFit, tables: Sequence[pd.DataFrame], alpha: float) -> Tipping | None:
    """Return the tipping rate of the better arm in its best cell, against the other's held-out mean."""
    if pairs.chance is None:
        return None
    side, arm, other, table = "baseline", pairs.baseline, found.mean_arm, tables[0]
    if found.interval.estimate > 0:
        side, arm, other, table = "arm", pairs.arm, found.mean_baseline, tables[1]
    failed = table[f"failed_{side}"].astype(bool)
    rate = tipping_rate(float(table[f"of_{side}"][~failed].mean()), other, pairs.chance)
    return at_rate(arm, rate, int(failed.sum()), len(failed), alpha)


def _not_learning(pairs: Pairs, level: float) -> list[Learning]:
    found = []
    for cell in pairs.cells:
        table = pairs.cell(cell)
        n, (a, b) = len(table), (int((~table[f"failed_{side}"].astype(bool)).sum()) for side in ("baseline", "arm"))
        if min(a, b) < n:
            found.append(Learning(cell, n, a, b, proportion(a, n, level), proportion(b, n, level)))
    return found


def _shares(pairs: Pairs) -> list[LevelShare]:
    """Return how the mean difference over complete seeds divides among the levels of each factor."""
    table = pairs.complete
    total = float(table.difference.sum())
    if not total:
        return []
    return [
        LevelShare(key, level, float(table.difference[table[key] == level].sum()) / total)
        for key in pairs.cell_key
        for level in dict.fromkeys(cell[key] for cell in pairs.cells)
    ]


def _seeds_for_equivalence(members: Sequence[Member], n_arms: int) -> int | None:
    needed = [seeds_for_equivalence(member.sd_diff, member.margin, member.alpha / n_arms) for member in members]
    return max((n for n in needed if n is not None), default=None) if None not in needed else None
