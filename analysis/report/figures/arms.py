"""Figures of several arms: ranked by their difference from the baseline, and a matrix of all pairs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, arm_style, heat, styled
from analysis.stats.intervals import Interval

LETTER = 0.62 * SMALL / 72
"""Inches that a letter takes."""
MAX_HIGH = 8
"""Arms that get high rows."""


def _row(n: int) -> float:
    """Return the height of a row of ``n``, in inches."""
    return 0.28 if n <= MAX_HIGH else 0.19


@dataclass(frozen=True)
class Ranked:
    """An arm in its row."""

    arm: str
    label: str
    difference: Interval | None
    """From the baseline; None for the baseline itself."""


@styled
def ranking(rows: Sequence[Ranked], medium: Medium = WIDE) -> Figure:
    """Draw each arm's difference from the baseline in points with its interval, in the arm's look."""
    figure = Figure(figsize=(medium.width, 0.6 + _row(len(rows)) * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=0.8)
    for place, row in enumerate(rows):
        style = arm_style(row.arm)
        mean, low, high = (0.0, 0.0, 0.0) if row.difference is None else fmt.as_triple(row.difference)
        if math.isfinite(low) and math.isfinite(high):
            axes.plot([100 * low, 100 * high], [place, place], color=style["color"], linewidth=1.6)
        axes.plot([100 * mean], [place], style["marker"], color=style["color"], markersize=5)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("minus the baseline (points)")
    axes.grid(axis="x", color=GREY, alpha=0.35, linewidth=0.4)
    axes.tick_params(axis="y", length=0)
    return figure


@dataclass(frozen=True)
class Entry:
    """A row's arm minus a column's."""

    difference: float
    """A fraction; NaN where there is none."""
    decided: bool
    """Whether its interval excludes zero."""


@styled
def matrix(names: Sequence[str], entry: Callable[[int, int], Entry], medium: Medium = WIDE) -> Figure:
    """Draw the difference of every two arms in points, row minus column; bold where it is decided.

    Where a column has no room for a number, the sign of a decided difference stands alone.
    """
    n, margin = len(names), LETTER * max(map(len, names)) + 0.15
    room = (medium.width - margin - 0.2) / n
    figure = Figure(figsize=(medium.width, margin + _row(n) * n + 0.1), layout="constrained")
    axes = figure.subplots()
    entries = {(i, j): entry(i, j) for i in range(n) for j in range(n) if i != j}
    values = np.full((n, n), np.nan)
    for place, one in entries.items():
        values[place] = 100 * one.difference
    ink = heat(axes, values)
    has_room = LETTER * max(len(fmt.points(one.difference, 1)) for one in entries.values()) < room
    for (i, j), one in entries.items():
        text = fmt.points(one.difference, 1) if has_room else _sign(one)
        weight = "bold" if one.decided else "normal"
        colour = ink(values[i, j])
        axes.text(j, i, text, ha="center", va="center", color=colour, size=SMALL, weight=weight)
    for i in range(n):
        axes.text(i, i, "·", ha="center", va="center", size=SMALL)
    axes.set_xticks(range(n), names, rotation=90, size=SMALL)
    axes.set_yticks(range(n), names, size=SMALL)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


def _sign(one: Entry) -> str:
    if not one.decided or math.isnan(one.difference):
        return ""
    return "+" if one.difference > 0 else "\N{MINUS SIGN}"
