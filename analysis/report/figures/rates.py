"""Figure of accuracy and failures over the learning rate, a column for each level of the other factors."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.arms import ArmCell
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.style import WIDE, Errors, Medium, arm_style, level_axis, stretched, styled


@styled
def robustness(cells: Sequence[ArmCell], medium: Medium = WIDE) -> Figure:
    """Draw mean accuracy with its interval above, the share of runs that failed with its own below."""
    grid = Grid.over(of_arm.cell for of_arm in cells)
    rows, rates = grid.down(of_arm.cell for of_arm in cells), grid.across_of(of_arm.cell for of_arm in cells)
    arms = list(dict.fromkeys(of_arm.arm for of_arm in cells))
    figure = Figure(figsize=(medium.width, 5.4), layout="constrained")
    panels = figure.subplots(2, len(rows), sharex=True, sharey="row", squeeze=False, height_ratios=[2, 1])
    errors = Errors.around(of_arm.accuracy.estimate for of_arm in cells)
    for row, above, below in zip(rows, *panels, strict=True):
        for place, arm in enumerate(arms):
            shown = sorted((c for c in cells if (grid.row(c.cell), c.arm) == (row, arm)), key=lambda c: c.cell)
            if shown:
                offset = 1.06 ** (2 * place - len(arms) + 1)  # a factor, so that the arms stand side by side
                x = [offset * grid.column(of_arm.cell) for of_arm in shown]
                _accuracy(above, shown, x, errors)
                _failing(below, shown, x)
        above.set_title(grid.title(row, separator="\n"))
        stretched(above, errors)
        level_axis(below, grid.across, rates)
        below.set_ylim(-6, 106)
    panels[0, 0].set_ylabel("test accuracy (%),\nstretched towards 100")
    panels[1, 0].set_ylabel("runs that fail (%)")
    panels[0, -1].legend(loc="lower left")
    return figure


def _accuracy(axes: Axes, cells: Sequence[ArmCell], x: Sequence[float], limits: Errors) -> None:
    errors = [100 * (1 - cell.accuracy.estimate) for cell in cells]
    for at, cell in zip(x, cells, strict=True):
        if math.isfinite(cell.accuracy.low):
            ends = [max(limits.lowest, 100 * (1 - end)) for end in (cell.accuracy.low, cell.accuracy.high)]
            axes.plot([at, at], ends, color=arm_style(cell.arm)["color"], linewidth=1.5)
    axes.plot(
        x, np.maximum(errors, limits.lowest), **arm_style(cells[0].arm), markersize=5, label=fmt.side(cells[0].arm)
    )


def _failing(axes: Axes, cells: Sequence[ArmCell], x: Sequence[float]) -> None:
    for at, cell in zip(x, cells, strict=True):
        ends = [100 * end for end in (cell.failing.low, cell.failing.high)]
        axes.plot([at, at], ends, color=arm_style(cell.arm)["color"], linewidth=1.2, alpha=0.6)
    axes.plot(x, [100 * cell.failing.estimate for cell in cells], **arm_style(cells[0].arm), markersize=5)
