"""Which cell is shown large, where a figure has room for one."""

from collections.abc import Sequence

from analysis.findings.arms import POST_CELL
from analysis.findings.curves import Curve


def shown_cell(curves: Sequence[Curve]) -> tuple[int, float]:
    """The tutorial's (batch size 32, rate 0.01), else the middle of those there are."""
    cells = sorted({(curve.batch_size, curve.lr) for curve in curves})
    return POST_CELL if POST_CELL in cells else cells[len(cells) // 2]
