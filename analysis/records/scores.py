"""What did each arm score, unit by unit? The pairs behind a difference, as a figure joins them."""

from dataclasses import dataclass

import pandas as pd

from analysis.records.pairs import zero_rounding_noise
from study.spec.factors import Cell


@dataclass(frozen=True)
class Scores:
    """Both arms' scores of every independent unit: what a difference is made of."""

    cell: Cell | None
    """The cell of both arms; None where scores are averaged over cells, or each arm has a cell of its own."""
    seeds: list[int]
    """Numbers of the units: seeds, or searches where a study was tuned several times."""
    of_baseline: list[float]
    of_arm: list[float]
    differences: list[float]
    learned: list[bool]
    """Whether all runs of the unit learn."""
    unit: str = "seeds"
    """What the units are, in the plural."""


def scores_of(table: pd.DataFrame, cell: Cell | None = None, unit: str = "seeds") -> Scores:
    """Return the scores in a table of pairs, one row a unit, whose ``failed_baseline`` and ``failed_arm`` are the
    numbers, or the shares, of its failed runs."""
    seeds, of_baseline, of_arm = (table[name].tolist() for name in ("seed", "of_baseline", "of_arm"))
    learned = ((table.failed_baseline == 0) & (table.failed_arm == 0)).tolist()
    d = zero_rounding_noise(table.of_arm - table.of_baseline).tolist()
    return Scores(cell, seeds, of_baseline, of_arm, d, learned, unit)
