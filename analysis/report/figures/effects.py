"""Figures of differences over the grid, and beside other differences."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.findings.contrasts import Contrast
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, TYPE, WIDE, Medium, heat, styled
from analysis.stats.intervals import Interval
from study.spec.factors import Cell


@styled
def effect_map(cells: Mapping[Cell, Contrast], medium: Medium = WIDE) -> Figure:
    """Draw the difference in every cell, as the grid has them, with its interval and failures where there is room."""
    grid = Grid.over(cells)
    rows, columns = grid.down(cells), grid.across_of(cells)
    values = np.full((len(rows), len(columns)), np.nan)
    places = {cell: (rows.index(grid.row(cell)), columns.index(grid.column(cell))) for cell in cells}
    for cell, place in places.items():
        values[place] = 100 * cells[cell].mean_diff
    figure = Figure(figsize=(medium.width, 0.8 + 0.6 * len(rows)), layout="constrained")
    axes = figure.subplots()
    ink = heat(axes, values)
    room = 72 * (medium.width - 0.7) / len(columns)
    for cell, (i, j) in places.items():
        _write_cell(axes, (j, i), _lines(cells[cell], room), ink(values[i, j]))
    axes.set_xticks(range(len(columns)), [grid.across.show(level) for level in columns])
    axes.set_yticks(range(len(rows)), [grid.tick(row) for row in rows])
    axes.set(xlabel=grid.across.axis, ylabel=", ".join(factor.axis for factor in grid.others))
    return figure


def _lines(cell: Contrast, room: float) -> list[str]:
    """Return estimate, interval and failures of a cell that is ``room`` points wide; no interval where there is one
    seed."""
    low, high = joint_ends(cell)
    lines = [] if math.isnan(cell.mean_diff) else [fmt.points(cell.mean_diff, fmt.digits(low, high))]
    lines += [] if math.isnan(low) else [fmt.interval(low, high)]
    if cell.n_failed_baseline or cell.n_failed_arm:
        counts = f"{cell.n_failed_baseline} | {cell.n_failed_arm}"
        lines.append(_fitting([f"failed {counts} of {cell.n_runs}", f"failed {counts}", counts], room))
    return [line for line in lines if _width(line) <= room] or lines[:1]


def _fitting(texts: Sequence[str], room: float) -> str:
    """Return the first of the texts that is at most ``room`` points wide, else the last."""
    return next((text for text in texts if _width(text) <= room), texts[-1])


def _width(text: str) -> float:
    """Return an estimate of the width of small text, in points."""
    return 0.62 * SMALL * len(text)


def _write_cell(axes: Axes, at: tuple[int, int], lines: Sequence[str], colour: str) -> None:
    """Write lines one below the other, the first of them bold."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    for i, line in enumerate(lines):
        weight = {"weight": "bold", "size": TYPE} if i == 0 else {"size": SMALL}
        axes.text(at[0], at[1] + 0.24 * (i - (len(lines) - 1) / 2), line, **style, **weight)


def joint_ends(cell: Contrast) -> tuple[float, float]:
    """Return the ends of the interval that holds for all cells at once."""
    return (cell.joint.ci.low, cell.joint.ci.high) if cell.joint else (math.nan, math.nan)


@dataclass(frozen=True)
class Series:
    """Intervals of one style, one a row of a forest plot; None where there is none."""

    label: str
    colour: str
    marker: str
    intervals: Sequence[Interval | None]


@styled
def forest(rows: Sequence[str], series: Sequence[Series], medium: Medium = WIDE) -> Figure:
    """Draw differences in points with their intervals, one below the other."""
    figure = Figure(figsize=(medium.width, 1.0 + 0.34 * len(rows) * max(1, len(series) * 0.7)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    offsets = np.linspace(-0.18, 0.18, len(series)) if len(series) > 1 else [0.0]
    for offset, one in zip(offsets, series, strict=True):
        for place, interval in enumerate(one.intervals):
            if interval is None or math.isnan(interval.estimate):
                continue
            y = place + offset
            if math.isfinite(interval.low) and math.isfinite(interval.high):
                axes.plot([100 * interval.low, 100 * interval.high], [y, y], color=one.colour, linewidth=2)
            axes.plot([100 * interval.estimate], [y], one.marker, color=one.colour, markersize=6)
        axes.plot([], [], one.marker, linestyle="-", color=one.colour, label=one.label)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    _logarithmic_beyond_a_point(
        axes, [100 * interval.estimate for one in series for interval in one.intervals if interval]
    )
    axes.set_xlabel("difference (points)")
    axes.grid(axis="x", linewidth=0.4)
    if len(series) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(0, 1.12), ncols=len(series))
    return figure


def _logarithmic_beyond_a_point(axes: Axes, values: Sequence[float]) -> None:
    """Make an x axis with differences more than ten times others logarithmic beyond a point."""
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if sizes and max(sizes) > 10 * min(sizes) and max(sizes) > 5:
        axes.set_xscale("symlog", linthresh=1)
        limit = max(sizes)
        ticks = [tick for tick in (-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50) if abs(tick) <= 1.5 * limit]
        low, high = axes.get_xlim()
        shown = [tick for tick in ticks if low <= tick <= high]
        axes.set_xticks(shown, [f"{tick:+d}" if tick else "0" for tick in shown])
        axes.xaxis.set_minor_locator(NullLocator())
