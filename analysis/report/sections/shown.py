"""Which cell is shown large, where a figure has room for one."""

from collections.abc import Sequence

from analysis.findings.arms import POST_CELL
from analysis.findings.curves import Curve
from study.spec.factors import Cell


def shown_cell(curves: Sequence[Curve]) -> Cell:
    """Return the tutorial's, else the middle of those there are."""
    cells = sorted({curve.cell for curve in curves})
    return next((cell for cell in cells if cell == POST_CELL), cells[len(cells) // 2])
