"""Figure of all pairs of arms: a matrix of differences, row minus column."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from analysis.report import number_format as fmt
from analysis.report.figures.style import SMALL, WIDE, Medium, heat, styled

LETTER = 0.62 * SMALL / 72
"""Inches that a letter takes."""
CELL = 0.3
"""Height of a row, in inches."""


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
    figure = Figure(figsize=(medium.width, margin + CELL * n + 0.1), layout="constrained")
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
