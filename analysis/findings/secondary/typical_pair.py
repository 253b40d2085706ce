"""What does a typical seed gain, and will the next pair be worse? Failures count as they ended."""

from dataclasses import dataclass

from analysis.records.pairs import Pairs, over_cells
from analysis.stats.intervals import Interval
from analysis.stats.secondary.interquartile_mean import interquartile_mean
from analysis.stats.secondary.next_pair import NextPair, next_pair
from study.spec.factors import Cell


@dataclass(frozen=True)
class TypicalPair:
    cell: Cell | None
    """None over all cells, of whose differences each seed has the mean."""
    interquartile_mean: Interval
    """Of the seeds' differences: their middle half."""
    next: NextPair


def typical_pairs(pairs: Pairs, level: float) -> list[TypicalPair]:
    """Return what is typical over all cells first, of the seeds with a pair in each, then in every cell."""
    differences = [(None, over_cells(pairs.rows(pairs.cells)))]
    differences += [(cell, pairs.cell(cell).difference.to_numpy(float)) for cell in pairs.cells]  # type: ignore[misc]
    return [TypicalPair(cell, interquartile_mean(d, level), next_pair(d, level)) for cell, d in differences]
