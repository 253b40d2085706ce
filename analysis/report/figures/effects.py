"""Figure of the differences over the grid: a table of two ways in colours, and a panel for each combination of what is
neither across nor down."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.contrasts import Contrast
from analysis.records.cells import Grid, Levels
from analysis.report import number_format as fmt
from analysis.report.figures.style import NARROW, SMALL, TYPE, WIDE, Medium, heat, lines_of, small_width, styled
from study.spec.factors import Cell


@styled
def effect_map(cells: Mapping[Cell, Contrast], medium: Medium = WIDE, only: Collection[Levels] | None = None) -> Figure:
    """Draw the difference in every cell, as the grid has them, with its interval and failures where there is room; of
    several panels those in ``only``, if it is given, in the colours of all."""
    grid = Grid.over(cells)
    drawn = [panel for panel in panels_of(cells) if only is None or panel in only]
    layout = _Layout.of(grid, drawn, grid.down_inside(cells), grid.across_of(cells), medium)
    lines = {cell: _lines(cells[cell], layout.room) for cell in cells if grid.panel(cell) in drawn}
    height = 0.15 + 0.15 * max(map(len, lines.values()))
    limit = 100 * max((abs(of.mean_diff) for of in cells.values() if math.isfinite(of.mean_diff)), default=0.0)
    titles = {panel: layout.title(panel) for panel in drawn}
    figure, panels = layout.figure(height, max(title.count("\n") + 1 for title in titles.values()))
    for axes, panel in zip(panels, drawn, strict=False):
        inside = {cell: cells[cell] for cell in lines if grid.panel(cell) == panel}
        _draw_panel(axes, layout, inside, lines, 0.15 / height, limit)
        axes.set_title(titles[panel], size=SMALL)
    layout.label(figure, panels)
    return figure


def panels_of(cells: Iterable[Cell]) -> list[Levels]:
    """Return what the panels of the map are told apart by, in order; one of nothing where there is one table."""
    every = [*cells]
    return Grid.over(every).panels(every)


def first_panels(cells: Iterable[Cell], n_rows: int) -> list[Levels]:
    """Return the first panels of the narrow drawing, whose rows and titles are at most ``n_rows`` below one another; a
    line at least."""
    every = [*cells]
    grid, panels = Grid.over(every), panels_of(every)
    layout = _Layout.of(grid, panels, grid.down_inside(every), grid.across_of(every), NARROW)
    return panels[: layout.per_line * max(1, n_rows // (1 + len(layout.rows)))]


@dataclass(frozen=True)
class _Layout:
    """The panels of a map and where they stand."""

    grid: Grid
    n_panels: int
    rows: Sequence[Levels]
    columns: Sequence[Any]
    per_line: int
    medium: Medium

    LEFT, CELL = 0.7, {False: 0.9, True: 0.42}
    """Inches of the labels beside the panels, and those of a cell at least, by whether panels stand below others."""

    @classmethod
    def of(
        cls, grid: Grid, drawn: Sequence[Levels], rows: Sequence[Levels], columns: Sequence[Any], medium: Medium
    ) -> "_Layout":
        """Return as many panels a line as there is room for, their titles too: whole groups of the last factor that
        tells them apart."""
        words = [word for panel in drawn for word in grid.short(panel)] if len(drawn) > 1 else []
        widest = max((small_width(word) / 72 for word in words), default=0.0)
        room = int((medium.width - cls.LEFT) / max(cls.CELL[medium.stacked] * len(columns), widest))
        group = len({panel[-1] for panel in drawn}) if grid.n_apart else 1
        per_line = max(1, min(room, len(drawn)))
        whole = per_line - per_line % group if per_line > group else per_line
        return cls(grid, len(drawn), rows, columns, whole, medium)

    @property
    def n_lines(self) -> int:
        return -(-self.n_panels // self.per_line)

    @property
    def room(self) -> float:
        """Points that a cell is wide."""
        return 72 * (self.medium.width - self.LEFT) / (self.per_line * len(self.columns))

    def title(self, panel: Levels) -> str:
        """Return what stands above a panel where there are several, in as many lines as fit its width."""
        return lines_of(self.grid.short(panel), self.room * len(self.columns)) if self.n_panels > 1 else ""

    def figure(self, height: float, n_lines: int) -> tuple[Figure, list[Axes]]:
        """Return the panels, whose cells are ``height`` inches high, below titles of so many lines; those without a
        table are hidden."""
        title = 0.13 + 0.12 * n_lines if self.n_panels > 1 else 0.0
        size = (self.medium.width, 0.7 + self.n_lines * (height * len(self.rows) + title))
        figure = Figure(figsize=size, layout="constrained")
        panels = [*figure.subplots(self.n_lines, self.per_line, squeeze=False).flat]
        for axes in panels[self.n_panels :]:
            axes.set_visible(False)
        return figure, panels

    def label(self, figure: Figure, panels: Sequence[Axes]) -> None:
        """Name the factors at the outer sides of the panels."""
        across, down = self.grid.across.axis, ", ".join(factor.axis for factor in self.grid.inside)
        if self.n_panels == 1:
            panels[0].set(xlabel=across, ylabel=down)
            return
        figure.supxlabel(across, size=TYPE)
        figure.supylabel(down, size=TYPE)
        for i, axes in enumerate(panels[: self.n_panels]):
            axes.tick_params(labelleft=i % self.per_line == 0, labelbottom=i + self.per_line >= self.n_panels)


def _draw_panel(
    axes: Axes, layout: _Layout, cells: Mapping[Cell, Contrast], lines: Mapping[Cell, Sequence[str]], step: float,
    limit: float,
) -> None:  # fmt: skip
    grid, rows, columns = layout.grid, layout.rows, layout.columns
    values = np.full((len(rows), len(columns)), np.nan)
    places = {cell: (rows.index(grid.row(cell)[grid.n_apart :]), columns.index(grid.column(cell))) for cell in cells}
    for cell, place in places.items():
        values[place] = 100 * cells[cell].mean_diff
    ink = heat(axes, values, limit)
    for cell, (i, j) in places.items():
        _write_cell(axes, (j, i), lines[cell], ink(values[i, j]), step)
    axes.set_xticks(range(len(columns)), [grid.across.show(level) for level in columns])
    axes.set_yticks(range(len(rows)), [grid.tick(row) for row in rows])


def _lines(cell: Contrast, room: float) -> list[str]:
    """Return estimate, interval and failures of a cell that is ``room`` points wide; no interval where there is one
    seed."""
    low, high = joint_ends(cell)
    lines = [] if math.isnan(cell.mean_diff) else [fmt.points(cell.mean_diff, fmt.digits(low, high))]
    lines += [] if math.isnan(low) else [fmt.interval(low, high)]
    if cell.n_failed_baseline or cell.n_failed_arm:
        counts = f"{cell.n_failed_baseline} | {cell.n_failed_arm}"
        lines.append(_fitting([f"failed {counts} of {cell.n_runs}", f"failed {counts}", counts], room))
    return [line for line in lines if small_width(line) <= room] or lines[:1]


def _fitting(texts: Sequence[str], room: float) -> str:
    """Return the first of the texts that is at most ``room`` points wide, else the last."""
    return next((text for text in texts if small_width(text) <= room), texts[-1])


def _write_cell(axes: Axes, at: tuple[int, int], lines: Sequence[str], colour: str, step: float) -> None:
    """Write lines one below the other, ``step`` of a cell's height apart, the first of them bold."""
    style: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
    for i, line in enumerate(lines):
        weight = {"weight": "bold", "size": TYPE} if i == 0 else {"size": SMALL}
        axes.text(at[0], at[1] + step * (i - (len(lines) - 1) / 2), line, **style, **weight)


def joint_ends(cell: Contrast) -> tuple[float, float]:
    """Return the ends of the interval that holds for all cells at once."""
    return (cell.joint.ci.low, cell.joint.ci.high) if cell.joint else (math.nan, math.nan)
