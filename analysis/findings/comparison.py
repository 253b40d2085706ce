"""Does the difference between the arms differ between two studies?

Where both have a setting, it is compared like with like. Seeds that both studies have share their random streams, so
the studies are compared within seeds, as arms are. Each study's arms at their best can be compared whatever the grids:
a grid's are cross-fitted, a tuned study's were tuned.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.findings.answer import best_tuned, cross_fitted
from analysis.findings.tuning import Tuned, tuned
from analysis.records.other_studies import check_others, distinct_names
from analysis.records.pairs import Pairs, over_cells, pair, zero_rounding_noise
from analysis.records.tables import PRIMARY, StudyData
from analysis.stats.families import simultaneous_inference
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test, paired_t
from study.spec.design import Design
from study.spec.factors import Cell


@dataclass(frozen=True)
class Side:
    """One contrast, arm minus baseline, in both studies."""

    cell: Cell | None
    """None over all cells that both studies have."""
    here: Interval
    """Interval over this study's own seeds; in a cell it holds for that cell alone."""
    there: Interval
    difference: Interval
    """Difference, here minus there, over the seeds that both have; the cells' hold all at once (sup-t)."""
    test: Test
    """The paired t test over all cells, sup-t in a cell, adjusted for all cells."""


@dataclass(frozen=True)
class Best:
    """Each arm at its best in one study."""

    source: str
    """What it is made of: ``tuned``, ``cross-fitted``, or the ``cell`` that a study has alone."""
    cells: Mapping[str, Cell]
    """The cell of each arm; empty where each search chose others."""
    unit: str
    """Name of the independent units, in the plural."""
    interval: Interval
    """Arm minus baseline."""


@dataclass(frozen=True)
class AtBest:
    """Each arm at its best in either study, which may be in other cells."""

    here: Best
    there: Best
    difference: Interval
    """Here minus there, whatever their seeds share."""


@dataclass(frozen=True)
class Comparison:
    arm: str
    baseline: str
    study: str
    """Name of this study, as it is told from the others."""
    name: str
    """Name of the other study."""
    dataset: str
    differs: list[str]
    """Differences between the designs beside seeds and grid."""
    n_common: int
    """Seeds of both with a pair in every common cell."""
    best: AtBest | None
    """None where a study has no seed with a pair in each of its cells, or both have one cell, the same."""
    sides: list[Side]
    """The contrast over all common cells, then in each; empty where no cell is common."""

    @property
    def leads_with_best(self) -> bool:
        """Whether the arms at their best are told first: where no cell is common, or one that nobody tuned in a study
        that is about tuning."""
        return self.best is not None and (not self.sides or "tuned" in (self.best.here.source, self.best.there.source))


@dataclass(frozen=True)
class Named:
    """A study as it is compared: its name among the others, and what its searches chose."""

    name: str
    data: StudyData
    tuned: Sequence[Tuned]


def compared(
    study: StudyData, others: Sequence[StudyData], of_tuned: Sequence[Tuned], alpha: float, margin: float
) -> list[Comparison]:
    """Return the comparisons with each of the others, by arm; ``of_tuned`` are the results of tuning of ``study``.

    Refuse the study itself, and another that has no arm or nothing else to compare with it.
    """
    if not others:
        return []
    check_others(study, others)
    name, *names = distinct_names([study, *others])
    here = Named(name, study, of_tuned)
    alike = [other.against(study.baseline) if study.baseline in other.design.arms else other for other in others]
    known = [Named(name, other, tuned(other, alpha, margin)) for name, other in zip(names, alike, strict=True)]
    for there in known:
        _check_arms(here, there)
    return [
        compare(here, there, arm, 1 - alpha)
        for arm in study.treatments
        for there in known
        if arm in there.data.treatments and there.data.baseline == study.baseline
    ]


def _check_arms(here: Named, there: Named) -> None:
    common = {*here.data.treatments} & {*there.data.treatments}
    if not common or here.data.baseline != there.data.baseline:
        arms = " and ".join(f"{', '.join(side.data.treatments) or 'none'} in {side.name!r}" for side in (here, there))
        raise AnalysisError(
            f"compare {there.name!r}: no arm stands against {here.data.baseline!r} in both studies ({arms}); name a"
            f" study of {here.data.baseline!r} and an arm of {here.name!r}"
        )


def compare(here: Named, there: Named, arm: str, level: float) -> Comparison:
    """Return the comparison of ``here`` with ``there``; refuse two with nothing to compare."""
    of_here, of_there = (pair(side.data, arm, PRIMARY) for side in (here, there))
    cells = [cell for cell in of_here.cells if cell in of_there.cells]
    alike = len(of_here.cells) == len(of_there.cells) == len(cells) == 1
    best = None if alike else _at_best((here, of_here), (there, of_there), level)
    if not cells and best is None:
        raise AnalysisError(
            f"compare {there.name!r}: it has no setting in common with {here.name!r}, and one of both has no seed with"
            " a pair in each of its settings, whose best could be compared; name a study with a common setting"
        )
    n_common, sides = _in_common(of_here, of_there, cells, level) if cells else (0, [])
    return Comparison(
        arm=arm,
        baseline=of_here.baseline,
        study=here.name,
        name=there.name,
        dataset=there.data.design.dataset,
        differs=_differs(here, there),
        n_common=n_common,
        best=best,
        sides=sides,
    )


# --- in common cells

BySeed = dict[int, NDArray[np.float64]]


def _in_common(here: Pairs, there: Pairs, cells: Sequence[Cell], level: float) -> tuple[int, list[Side]]:
    """Return the number of common seeds, and the contrast over all ``cells`` and in each."""
    tables = [_complete(here, cells), _complete(there, cells)]
    seeds = sorted(set(tables[0]) & set(tables[1]))
    d = zero_rounding_noise([tables[0][seed] - tables[1][seed] for seed in seeds]).reshape(len(seeds), len(cells))
    return len(seeds), [_over_cells(tables, d, level), *_in_cells(here, there, cells, d, level)]


def _complete(pairs: Pairs, cells: Sequence[Cell]) -> BySeed:
    """Return the differences in ``cells`` by seed, of the seeds with a pair in each."""
    seeds = sorted(set(pairs.table.seed))
    rows = zip(seeds, pairs.matrix(cells), strict=True)
    return {int(seed): row for seed, row in rows if not np.isnan(row).any()}


def _over_cells(tables: Sequence[BySeed], d: NDArray[np.float64], level: float) -> Side:
    here, there = (
        t_interval(over_cells(np.array([*table.values()]).reshape(-1, d.shape[1])), level) for table in tables
    )
    means = over_cells(d)
    return Side(None, here, there, t_interval(means, level), paired_t(means))


def _in_cells(here: Pairs, there: Pairs, cells: Sequence[Cell], d: NDArray[np.float64], level: float) -> list[Side]:
    both = [[t_interval(pairs.cell(cell).difference, level) for cell in cells] for pairs in (here, there)]
    return [
        Side(cell, of_here, of_there, joint.interval, joint.test)
        for cell, of_here, of_there, joint in zip(cells, *both, simultaneous_inference(d, level), strict=True)
    ]


# --- each at its best


def _at_best(here: tuple[Named, Pairs], there: tuple[Named, Pairs], level: float) -> AtBest | None:
    bests = [_best(side, pairs, level) for side, pairs in (here, there)]
    if bests[0] is None or bests[1] is None:
        return None
    return AtBest(bests[0], bests[1], less(bests[0].interval, bests[1].interval))


def _best(side: Named, pairs: Pairs, level: float) -> Best | None:
    """Return each arm in what its searches chose, else in its best cell, which may be the only one."""
    for of_arm in side.tuned:
        if of_arm.arm == pairs.arm:
            part = best_tuned(of_arm)
            return Best(part.source, part.cells, part.unit, part.difference)
    arms, cells = (pairs.baseline, pairs.arm), pairs.cells
    if not cells or not len(pairs.rows(cells)):
        return None
    if len(cells) == 1:
        interval = t_interval(pairs.cell(cells[0]).difference, level)
        return Best("cell", dict.fromkeys(arms, cells[0]), pairs.units, interval)
    found = cross_fitted(pairs, level, len(side.data.treatments))
    chosen = [cells[index] for index in (found.best_baseline, found.best_arm) if index is not None]
    return Best("cross-fitted", dict(zip(arms, chosen, strict=True)), pairs.units, found.interval)


def less(here: Interval, there: Interval) -> Interval:
    """Return ``here`` less ``there``, whatever they share: the largest of one less the smallest of the other.

    The standard error of a difference is at most the sum of both, as if the estimates moved against one another
    (MOVER, Zou & Donner 2008, with a correlation of -1): of independent ones the interval is wider than its level asks.

    >>> one, other = (Interval("t", 10, x, x - 1, x + 1, 0.95) for x in (5, 2))
    >>> less(one, other).estimate, less(one, other).low, less(one, other).high
    (3.0, 1.0, 5.0)
    """
    ends = (here.estimate, there.estimate), (here.low, there.high), (here.high, there.low)
    estimate, low, high = zero_rounding_noise([of_here - of_there for of_here, of_there in ends]).tolist()
    n, reason = min(here.n, there.n), here.reason or there.reason
    return Interval("ends of both intervals", n, estimate, low, high, here.level, reason)


# --- the designs


def _differs(here: Named, there: Named) -> list[str]:
    """Return what differs, less the seeds and the grid, which the page shows anyway."""
    values: dict[str, Callable[[Design], str]] = {
        "data set": lambda design: design.data.name,
        "epochs": lambda design: str(design.epochs),
        "hidden layers": lambda design: "-".join(map(str, design.hidden)),
    }
    both = [(what, value(here.data.design), value(there.data.design)) for what, value in values.items()]
    return [f"{what} {a} in {here.name} and {b} in {there.name}" for what, a, b in both if a != b]
