"""Figures of differences: seed by seed, over the grid, and beside other differences."""

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
from analysis.records.scores import Compared, Scores
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, arm_style, heat, styled
from analysis.stats.intervals import Interval
from study.spec.factors import Cell


@styled
def seed_pairs(panels: Sequence[tuple[Scores, Contrast | Compared]], medium: Medium = WIDE) -> Figure:
    """Draw each seed's two scores joined by a line, and beside them its difference with the mean and its interval
    (Gardner & Altman 1986); a panel a contrast."""
    figure = Figure(figsize=(medium.width, 4.2), layout="constrained")
    grid = figure.subplots(1, 2 * len(panels), squeeze=False, width_ratios=[1.25, 1] * len(panels))[0]
    for i, (scores, contrast) in enumerate(panels):
        _joined(grid[2 * i], scores, contrast)
        _differences(grid[2 * i + 1], scores, contrast)
        if len(panels) > 1:
            grid[2 * i].set_title(fmt.cell(contrast.cell))
    return figure


def _joined(axes: Axes, scores: Scores, contrast: Contrast | Compared) -> None:
    sides = np.array([scores.of_baseline, scores.of_arm]) * 100
    axes.plot([0, 1], sides, color=GREY, linewidth=0.8, alpha=0.7)
    for x, arm in enumerate((contrast.baseline, contrast.arm)):
        axes.plot([x] * len(scores.seeds), sides[x], **arm_style(arm) | {"linestyle": "none"}, markersize=5)
    axes.set_xticks([0, 1], [fmt.side(contrast.baseline), fmt.side(contrast.arm)])
    axes.set(xlim=(-0.3, 1.3), ylabel="test accuracy (%)")


def _differences(axes: Axes, scores: Scores, contrast: Contrast | Compared) -> None:
    d = 100 * (np.array(scores.of_arm) - np.array(scores.of_baseline))
    axes.axhline(0, color=GREY, linewidth=0.8)
    places, learned = np.linspace(-0.25, 0.25, len(d)) if len(d) > 1 else np.zeros(1), np.array(scores.learned)
    for of, face in ((learned, GREY), (~learned, "white")):  # hollow where a run did not learn
        if of.any():
            axes.plot(places[of], d[of], "o", color=GREY, markerfacecolor=face, markersize=4)
    low, high = 100 * contrast.shown.low, 100 * contrast.shown.high
    if math.isfinite(low):
        axes.plot([1, 1], [low, high], color="black", linewidth=2)
    axes.plot([1], [100 * contrast.mean_diff], "D", color="black", markersize=7)
    axes.set_xticks([0, 1], [scores.unit, "mean"])
    axes.set(xlim=(-0.5, 1.5), ylabel="difference (points)")
    axes.spines["right"].set_visible(False)


@styled
def effect_map(cells: Mapping[Cell, Contrast], medium: Medium = WIDE) -> Figure:
    """Draw the difference in every cell, as the grid has them, with its interval and failures."""
    grid = Grid.over(cells)
    rows, columns = grid.down(cells), grid.across_of(cells)
    values = np.full((len(rows), len(columns)), np.nan)
    places = {cell: (rows.index(grid.row(cell)), columns.index(grid.column(cell))) for cell in cells}
    for cell, place in places.items():
        values[place] = 100 * cells[cell].mean_diff
    figure = Figure(figsize=(medium.width, 1.0 + 0.95 * len(rows)), layout="constrained")
    axes = figure.subplots()
    ink = heat(axes, values)
    for cell, (i, j) in places.items():
        _write_cell(axes, j, i, cells[cell], ink(values[i, j]))
    axes.set_xticks(range(len(columns)), [grid.across.show(level) for level in columns])
    axes.set_yticks(range(len(rows)), [grid.tick(row) for row in rows])
    axes.set(xlabel=grid.across.axis, ylabel=", ".join(factor.axis for factor in grid.others))
    return figure


def _write_cell(axes: Axes, column: int, row: int, cell: Contrast, colour: str) -> None:
    """Write estimate, interval and failures; no interval where there is one seed."""
    low, high = joint_ends(cell)
    lines = [] if math.isnan(cell.mean_diff) else [fmt.points(cell.mean_diff, fmt.digits(low, high))]
    lines += [] if math.isnan(low) else [fmt.interval(low, high)]
    if cell.n_failed_baseline or cell.n_failed_arm:
        lines.append(f"✕ failed {cell.n_failed_baseline} | {cell.n_failed_arm} of {cell.n_runs}")
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    for i, line in enumerate(lines):
        weight = {"weight": "bold", "size": 12} if i == 0 else {"size": SMALL}
        axes.text(column, row + 0.24 * (i - (len(lines) - 1) / 2), line, **style, **weight)


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
