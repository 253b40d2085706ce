"""Small multiples of lines by arm: by layer or step, rows of measures and columns of trainings."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.findings.claims.curves import Line
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, arm_style, logarithmic, styled


@dataclass(frozen=True)
class LineRow:
    """A row of panels: one measure in every training."""

    label: str
    panels: Sequence[Sequence[Line]]
    is_logarithmic: bool = False
    law: float | None = None
    """A height at which a dashed line stands: what chance alone would give."""
    law_name: str = ""
    scale: float = 1.0


HEIGHT, HEIGHT_NARROW = 1.45, 1.35


@styled
def line_grid(rows: Sequence[LineRow], titles: Sequence[str], axis: str, medium: Medium = WIDE) -> Figure:
    """Draw a panel for each row and title; ``axis`` is what runs from left to right. A row shares its y axis."""
    height = HEIGHT_NARROW if medium.stacked else HEIGHT
    figure = Figure(figsize=(medium.width, height * len(rows) + 0.45), layout="constrained")
    grid = figure.subplots(len(rows), len(titles), squeeze=False, sharex=True, sharey="row")
    for row, line_axes in zip(rows, grid, strict=True):
        for axes, lines in zip(line_axes, row.panels, strict=True):
            _draw(axes, row, lines)
        _scale(line_axes[0], row)
        line_axes[0].set_ylabel(row.label, size=SMALL if medium.stacked else None)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title.replace(", ", ",\n") if medium.stacked else title, size=SMALL if medium.stacked else None)
    figure.supxlabel(axis, size="medium")
    named = {handle.get_label(): handle for axes in grid.flat for handle in axes.get_legend_handles_labels()[0]}
    columns = 2 if medium.stacked else 4
    figure.legend(handles=[*named.values()], loc="outside upper left", ncols=columns, handlelength=2.6)
    return figure


def _draw(axes: Axes, row: LineRow, lines: Sequence[Line]) -> None:
    if row.law is not None:
        axes.axhline(row.scale * row.law, color=GREY, linestyle="--", linewidth=1.0, label=row.law_name)
    for line in lines:
        style = arm_style(line.arm)
        low, high = ([row.scale * value for value in of] for of in (line.low, line.high))
        axes.fill_between(line.at, low, high, color=style["color"], alpha=0.22, lw=0)
        mean = [row.scale * value for value in line.mean]
        axes.plot(line.at, mean, **style | {"markersize": 2.5, "linewidth": 1.1}, label=fmt.side(line.arm))
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.tick_params(labelsize=SMALL)


def _scale(axes: Axes, row: LineRow) -> None:
    """Make the y axis of a row, whose panels share it."""
    values = [row.scale * mean for lines in row.panels for line in lines for mean in line.mean]
    if row.is_logarithmic and values and min(values) > 0:
        logarithmic(axes, "y", values)
        axes.set_ylim(min(values) / 1.8, max(values) * 1.8)
    else:
        axes.set_ylim(bottom=0)
