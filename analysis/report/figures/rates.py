"""How each arm bears the learning rate: accuracy and failures over it, a column a batch size."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.arms import ArmCell
from analysis.report import number_format as words
from analysis.report.figures.style import WIDTH, Errors, looks, rate_axis, stretched, styled


@styled
def robustness(cells: Sequence[ArmCell]) -> Figure:
    """Mean accuracy with its interval above, the share of runs that failed with its own below."""
    sizes, lrs = sorted({cell.batch_size for cell in cells}), sorted({cell.lr for cell in cells})
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    figure = Figure(figsize=(max(WIDTH, 1.9 * len(sizes)), 5.4), layout="constrained")
    grid = figure.subplots(2, len(sizes), sharex=True, sharey="row", squeeze=False, height_ratios=[2, 1])
    errors = Errors.around(cell.accuracy.estimate for cell in cells)
    for size, above, below in zip(sizes, *grid, strict=True):
        for place, arm in enumerate(arms):
            shown = sorted((c for c in cells if (c.batch_size, c.arm) == (size, arm)), key=lambda c: c.lr)
            if shown:
                shift = 1.06 ** (2 * place - len(arms) + 1)
                _accuracy(above, shown, shift, errors)
                _failing(below, shown, shift)
        above.set_title(f"batch size {size}")
        stretched(above, errors)
        rate_axis(below, lrs)
        below.set(xlabel="learning rate", ylim=(-6, 106))
    grid[0, 0].set_ylabel("test accuracy (%),\nstretched towards 100")
    grid[1, 0].set_ylabel("runs that fail (%)")
    grid[0, -1].legend(loc="lower left")
    return figure


def _accuracy(axes: Axes, cells: Sequence[ArmCell], shift: float, limits: Errors) -> None:
    errors = [100 * (1 - cell.accuracy.estimate) for cell in cells]
    x = [shift * cell.lr for cell in cells]
    for at, cell in zip(x, cells, strict=True):
        if math.isfinite(cell.accuracy.low):
            ends = [max(limits.lowest, 100 * (1 - end)) for end in (cell.accuracy.low, cell.accuracy.high)]
            axes.plot([at, at], ends, color=looks(cell.arm)["color"], linewidth=1.5)
    axes.plot(x, np.maximum(errors, limits.lowest), **looks(cells[0].arm), markersize=5, label=words.side(cells[0].arm))


def _failing(axes: Axes, cells: Sequence[ArmCell], shift: float) -> None:
    x = [shift * cell.lr for cell in cells]
    for at, cell in zip(x, cells, strict=True):
        ends = [100 * end for end in (cell.failing.low, cell.failing.high)]
        axes.plot([at, at], ends, color=looks(cell.arm)["color"], linewidth=1.2, alpha=0.6)
    axes.plot(x, [100 * cell.failing.estimate for cell in cells], **looks(cells[0].arm), markersize=5)
