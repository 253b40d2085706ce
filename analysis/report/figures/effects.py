"""Figure of the differences over the grid."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.contrasts import Contrast
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.style import SMALL, TYPE, WIDE, Medium, heat, styled
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
    room = 72 * (medium.width - 0.7) / len(columns)
    lines = {cell: _lines(cells[cell], room) for cell in cells}
    height = 0.15 + 0.15 * max(map(len, lines.values()))
    figure = Figure(figsize=(medium.width, 0.7 + height * len(rows)), layout="constrained")
    axes = figure.subplots()
    ink = heat(axes, values)
    for cell, (i, j) in places.items():
        _write_cell(axes, (j, i), lines[cell], ink(values[i, j]), 0.15 / height)
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


def _write_cell(axes: Axes, at: tuple[int, int], lines: Sequence[str], colour: str, step: float) -> None:
    """Write lines one below the other, ``step`` of a cell's height apart, the first of them bold."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    for i, line in enumerate(lines):
        weight = {"weight": "bold", "size": TYPE} if i == 0 else {"size": SMALL}
        axes.text(at[0], at[1] + step * (i - (len(lines) - 1) / 2), line, **style, **weight)


def joint_ends(cell: Contrast) -> tuple[float, float]:
    """Return the ends of the interval that holds for all cells at once."""
    return (cell.joint.ci.low, cell.joint.ci.high) if cell.joint else (math.nan, math.nan)
