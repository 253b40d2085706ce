"""Two studies side by side: the same contrast in both, and the difference of their differences.

Seeds that both studies have share their random streams, so the studies are compared within seeds, as arms are. Only
cells that both have are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.errors import AnalysisError
from analysis.records.pairs import Pairs, over_cells, pair, zero_rounding_noise
from analysis.records.tables import PRIMARY, StudyData
from analysis.stats.families import simultaneous_inference
from analysis.stats.intervals import Interval, t_interval
from analysis.stats.paired_tests import Test, paired_t
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
class Comparison:
    arm: str
    baseline: str
    name: str
    """Name of the other study."""
    dataset: str
    differs: list[str]
    """Differences between the designs beside the data."""
    n_common: int
    """Seeds of both with a pair in every common cell."""
    sides: list[Side]
    """The contrast over all common cells, then in each."""


def compare(study: StudyData, other: StudyData, arm: str, level: float) -> Comparison:
    """Return the comparison of ``study`` (here) with ``other`` (there); refuse two with nothing in common."""
    if arm not in other.treatments:
        raise AnalysisError(f"the study {other.name!r} has no pairs of {arm!r} and {study.baseline!r} to compare with")
    here, there = pair(study, arm, PRIMARY), pair(other, arm, PRIMARY)
    cells = [cell for cell in here.cells if cell in there.cells]
    if not cells:
        raise AnalysisError(
            f"the studies {study.name!r} and {other.name!r} have no cell of"
            f" {' and '.join(factor.label for factor in study.design.factors)} in common"
        )
    tables = [_complete(here, cells), _complete(there, cells)]
    seeds = sorted(set(tables[0]) & set(tables[1]))
    d = zero_rounding_noise([tables[0][seed] - tables[1][seed] for seed in seeds]).reshape(len(seeds), len(cells))
    sides = [
        _over_cells(tables, d, level),
        *_in_cells(here, there, cells, d, level),
    ]
    return Comparison(arm, study.baseline, other.name, other.design.dataset, _differs(study, other), len(seeds), sides)


BySeed = dict[int, NDArray[np.float64]]


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


def _differs(study: StudyData, other: StudyData) -> list[str]:
    """Return what differs, less the data set, the seeds and the grid, which the page shows anyway."""

    def show(value: int | tuple[int, ...]) -> str:
        return str(value) if isinstance(value, int) else "-".join(map(str, value))

    names = ("epochs", "hidden")
    values = [(name, getattr(study.design, name), getattr(other.design, name)) for name in names]
    return [f"{name} {show(a)} here and {show(b)} there" for name, a, b in values if a != b]
