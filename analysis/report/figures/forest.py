"""Figure of differences one below the other, with their intervals: a forest plot."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.report.figures.style import GREY, WIDE, Medium, styled
from analysis.stats.intervals import Interval

TICKS = {False: (1, 2, 5, 10, 20, 50), True: (1, 10, 50)}
"""Ticks of a logarithmic axis, by whether panels stand below one another: on a phone, fewer have room."""
PITCH, LINE = 0.15, 0.17
"""Inches that an interval takes, and a line of text."""
MAX_LABEL = 44
"""Letters of a line of the legend."""
ROW_LABEL = {False: 36, True: 18}
"""Letters of a line of the name of a row, by whether panels stand below one another."""


@dataclass(frozen=True)
class Series:
    """Intervals of one style, one a row of a forest plot; None where there is none."""

    label: str
    colour: str
    marker: str
    intervals: Sequence[Interval | None]


def height(rows: Sequence[str], n_series: int, medium: Medium = WIDE) -> float:
    """Return the inches that the rows of a drawing take, names and intervals."""
    n_lines = max((label.count("\n") + 1 for label in _labels(rows, medium)), default=1)
    return len(rows) * (LINE / 2 + max(PITCH * n_series, LINE * n_lines))


@styled
def forest(rows: Sequence[str], series: Sequence[Series], medium: Medium = WIDE) -> Figure:
    """Draw differences in points with their intervals, one below the other."""
    tall = height(rows, len(series), medium)
    legend = LINE * len(series) if len(series) > 1 else 0.0
    figure = Figure(figsize=(medium.width, 0.6 + tall + legend), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row in range(len(rows)):
        _draw_row(axes, row, series, PITCH * len(rows) / tall)
    for one in series:
        axes.plot([], [], **_marked(one), linestyle="-", label=fill(one.label, MAX_LABEL))
    _logarithmic_beyond_a_point(axes, series, TICKS[medium.stacked])
    axes.set_yticks(range(len(rows)), _labels(rows, medium), multialignment="left")  # as any font of a page aligns
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("difference (points)")
    axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.4)
    if len(series) > 1:
        figure.legend(loc="outside upper left", ncols=_columns(series, medium))
    return figure


def _labels(rows: Sequence[str], medium: Medium) -> list[str]:
    return [fill(row, ROW_LABEL[medium.stacked], break_on_hyphens=False) for row in rows]


def _columns(series: Sequence[Series], medium: Medium) -> int:
    """Return how many columns of the legend have room."""
    longest = min(MAX_LABEL, max(len(one.label) for one in series))
    return min(len(series), max(1, int(medium.width / (0.5 + 0.065 * longest))))


def _draw_row(axes: Axes, row: int, series: Sequence[Series], apart: float) -> None:
    """Draw the intervals that there are in a row below one another, in the order of ``series``, about its place."""
    intervals = [(one, interval) for one in series if (interval := one.intervals[row]) is not None]
    known = [(one, interval) for one, interval in intervals if not math.isnan(interval.estimate)]
    for i, (one, interval) in enumerate(known):
        y = row + apart * (i - (len(known) - 1) / 2)
        if math.isfinite(interval.low) and math.isfinite(interval.high):
            axes.plot([100 * interval.low, 100 * interval.high], [y, y], color=one.colour, linewidth=1.6)
        axes.plot([100 * interval.estimate], [y], **_marked(one), linestyle="none")


def _marked(one: Series) -> dict[str, Any]:
    return {"color": one.colour, "marker": one.marker, "markersize": 5}


def _logarithmic_beyond_a_point(axes: Axes, series: Sequence[Series], ticks: Sequence[int]) -> None:
    """Make an x axis with differences more than ten times others logarithmic beyond a point."""
    values = [100 * interval.estimate for one in series for interval in one.intervals if interval]
    sizes = [abs(value) for value in values if math.isfinite(value) and value != 0]
    if sizes and max(sizes) > 10 * min(sizes) and max(sizes) > 5:
        axes.set_xscale("symlog", linthresh=1)
        limit = max(sizes)
        both = [sign * tick for sign in (-1, 1) for tick in ticks if tick <= 1.5 * limit]
        low, high = axes.get_xlim()
        shown = [tick for tick in sorted([0, *both]) if low <= tick <= high]
        axes.set_xticks(shown, [f"{tick:+d}" if tick else "0" for tick in shown])
        axes.xaxis.set_minor_locator(NullLocator())
