"""Figure of accuracy over the learning rate, or another factor with most levels, a panel for each level of the others.

A hollow point has runs that failed. Where a panel has one or two such points they say how many; where it has more, the
shares that failed stand in a panel below.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.arms import ArmCell
from analysis.records.cells import Grid, Levels
from analysis.report import number_format as fmt
from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.style import (
    SMALL,
    WIDE,
    Errors,
    Medium,
    Scale,
    arm_style,
    level_axis,
    lines_of,
    stretched,
    styled,
)

PER_LINE = 3
"""Panels beside one another in the wide drawing."""
MAX_NAMED = 2
"""Points of a panel with failures that say how many."""
ACCURACY, FAILURES, LINE = 1.9, 1.1, 0.14
"""Heights of the panels, and of each line of a title after the first, in inches."""


@styled
def robustness(cells: Sequence[ArmCell], medium: Medium = WIDE, only: Collection[Levels] | None = None) -> Figure:
    """Draw mean accuracy with its interval, and the share of runs that failed where that is needed; of the panels those
    in ``only``, if it is given, on the axes of all."""
    grid, errors = Grid.over(of.cell for of in cells), _limits(cells)
    scale = Scale(grid.across, grid.across_of(of.cell for of in cells))
    arms = list(dict.fromkeys(of.arm for of in cells))
    rows = [row for row in panels_of(cells) if only is None or row in only]
    titles = {row: _title(grid, row, medium) for row in rows}
    figure, panels = _panels(titles, _rows_with_shares(cells), medium)
    for panel in panels:
        shown = [_shown(grid, scale, cells, panel.row, arm, place, arms) for place, arm in enumerate(arms)]
        for points in filter(None, shown):
            _accuracy(panel.above, points, errors)
            if panel.below:
                _failing(panel.below, points)
        if not panel.below:
            _name_failures(panel.above, [points for points in shown if points], grid)
        panel.above.set_title(titles[panel.row])
        stretched(panel.above, errors)
        _axes(panel, scale)
    _label_arms(panels, arms)
    return figure


def _limits(cells: Sequence[ArmCell]) -> Errors:
    """Return the limits of the accuracies, with room below for a line of text where some runs failed."""
    errors = Errors.around(of.accuracy.estimate for of in cells)
    room = (errors.highest / errors.lowest) ** 0.15 if any(of.n_failed for of in cells) else 1.0
    return replace(errors, highest=room * errors.highest)


def panels_of(cells: Sequence[ArmCell]) -> list[Levels]:
    """Return what the panels of the drawing are told apart by, in order."""
    return Grid.over(of.cell for of in cells).down(of.cell for of in cells)


def has_shares(cells: Sequence[ArmCell], only: Collection[Levels] | None = None) -> bool:
    """Return whether the drawing has a panel of the shares that failed."""
    counted = _rows_with_shares(cells)
    return bool(counted if only is None else counted & {*only})


def _rows_with_shares(cells: Sequence[ArmCell]) -> set[Levels]:
    """Return the rows that have more failing points than can be named, or two at the same place."""
    grid = Grid.over(of.cell for of in cells)
    places: dict[Levels, list[Any]] = {}
    for of in cells:
        if of.n_failed:
            places.setdefault(grid.row(of.cell), []).append(grid.column(of.cell))
    return {row for row, at in places.items() if len(at) > min(MAX_NAMED, len(set(at)))}


# --- panels


@dataclass(frozen=True)
class _Panel:
    row: Levels
    above: Axes
    below: Axes | None
    """None where no failures are drawn."""
    place: int
    """In its line, from the left."""
    is_first_below: bool
    """Whether no panel of its line to the left has one below."""


def _title(grid: Grid, row: Levels, medium: Medium) -> str:
    """Return what stands above a panel, in as many lines as its width takes."""
    if not grid.apart:
        return grid.title(row)
    return lines_of(grid.short(row), 72 * (medium.width if medium.stacked else medium.width / PER_LINE) - 60)


def _panels(titles: Mapping[Levels, str], counted: set[Levels], medium: Medium) -> tuple[Figure, list[_Panel]]:
    """Return the panels in lines; a line has a second one below where it has a row that is ``counted``."""
    rows = [*titles]
    width = 1 if medium.stacked else min(len(rows), PER_LINE)
    lines = [rows[start : start + width] for start in range(0, len(rows), width)]
    high = ACCURACY + LINE * max(title.count("\n") for title in titles.values())
    heights = [[high, *([FAILURES] if counted & set(line) else [])] for line in lines]
    every = [height for of_line in heights for height in of_line]
    figure = Figure(figsize=(medium.width, sum(every)), layout="constrained")
    grid, panels, at = figure.add_gridspec(len(every), width, height_ratios=every), [], 0
    for line, of_line in zip(lines, heights, strict=True):
        for place, row in enumerate(line):
            above = figure.add_subplot(grid[at, place])
            below = figure.add_subplot(grid[at + 1, place]) if row in counted else None
            panels.append(_Panel(row, above, below, place, not counted & set(line[:place])))
        at += len(of_line)
    return figure, panels


def _axes(panel: _Panel, scale: Scale) -> None:
    """Give a panel its axes, the factor across below its last part, the accuracy at the first of a line."""
    for axes in filter(None, (panel.above, panel.below)):
        level_axis(axes, scale.factor, scale.levels)
        axes.set_xlim(*scale.ends)
        axes.tick_params(labelleft=panel.place == 0)
    if panel.below:
        panel.above.tick_params(labelbottom=False)
        panel.above.set_xlabel("")
        panel.below.set(ylim=(-6, 106), yticks=(0, 50, 100))
        panel.below.set_ylabel("runs that\nfailed (%)" if panel.is_first_below else "")
        panel.below.tick_params(labelleft=panel.is_first_below)
    if panel.place == 0:
        panel.above.set_ylabel("test accuracy (%),\nstretched towards 100")


# --- points


@dataclass(frozen=True)
class _Points:
    """The cells of an arm in a panel, and where they stand."""

    arm: str
    x: Sequence[float]
    cells: Sequence[ArmCell]
    line: str
    """What joins them: nothing where levels are names."""


def _shown(
    grid: Grid, scale: Scale, cells: Sequence[ArmCell], row: Levels, arm: str, place: int, arms: Sequence[str]
) -> _Points | None:
    shown = sorted((of for of in cells if (grid.row(of.cell), of.arm) == (row, arm)), key=lambda of: of.cell)
    closer = min(1, 3 / len(arms))  # many arms stand closer
    aside = closer * (2 * place - len(arms) + 1)  # so that the arms stand side by side
    line = str(arm_style(arm)["linestyle"]) if grid.across.is_numeric else "none"
    return _Points(arm, [scale.place(grid.column(of.cell), aside) for of in shown], shown, line) if shown else None


def _accuracy(axes: Axes, points: _Points, limits: Errors) -> None:
    style = arm_style(points.arm)
    ys = [max(limits.lowest, 100 * (1 - of.accuracy.estimate)) for of in points.cells]
    axes.plot(points.x, ys, **style | {"linestyle": points.line}, label=fmt.side(points.arm), clip_on=False)
    for at, y, of in zip(points.x, ys, points.cells, strict=True):
        if math.isfinite(of.accuracy.low):
            errors = [100 * (1 - end) for end in (of.accuracy.low, of.accuracy.high)]
            ends = [min(max(limits.lowest, error), limits.highest) for error in errors]
            axes.plot([at, at], ends, color=style["color"], linewidth=1.5)
        if of.n_failed:
            axes.plot([at], [y], style["marker"], color=style["color"], markerfacecolor="white", zorder=3)


def _failing(axes: Axes, points: _Points) -> None:
    style = arm_style(points.arm)
    for at, of in zip(points.x, points.cells, strict=True):
        ends = [100 * end for end in (of.failing.low, of.failing.high)]
        axes.plot([at, at], ends, color=style["color"], linewidth=1.2, alpha=0.6)
    axes.plot(points.x, [100 * of.failing.estimate for of in points.cells], **style | {"linestyle": points.line})


def _name_failures(axes: Axes, shown: Sequence[_Points], grid: Grid) -> None:
    """Write below each point with failures how many there are, towards the middle."""
    first = grid.across_of(of.cell for points in shown for of in points.cells)[0]
    failing = [(x, of) for points in shown for x, of in zip(points.x, points.cells, strict=True) if of.n_failed]
    for x, of in failing:
        side = 1 if grid.column(of.cell) == first else -1
        axes.annotate(
            f"{of.n_failed} of {of.n} failed",
            (x, 100 * (1 - of.accuracy.estimate)),
            (4 * side, -4),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="top",
            size=SMALL,
            color=arm_style(of.arm)["color"],
        )


def _label_arms(panels: Sequence[_Panel], arms: Sequence[str]) -> None:
    """Name each arm at the end of its line in every last panel of a full line, and in another where none of these has
    it."""
    full, missing = max(panel.place for panel in panels), list(arms)
    for panel in sorted(panels, key=lambda panel: panel.place != full):
        ends = {line.get_label(): float(line.get_ydata()[-1]) for line in panel.above.get_lines()}  # type: ignore
        here = [arm for arm in (arms if panel.place == full else missing) if fmt.side(arm) in ends]
        missing = [arm for arm in missing if arm not in here]
        labels = [Label(fmt.side(arm), ends[fmt.side(arm)], arm_style(arm)["color"]) for arm in here]
        label_ends(panel.above, labels, height=ACCURACY - 0.6)
