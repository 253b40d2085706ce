"""Figures of test images that have changed since training: accuracy over severity, a panel a kind of change."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.modes.mode_looks import Look
from analysis.report.figures.style import SMALL, WIDE, Medium, styled

HEIGHT, LEGEND = 1.7, 0.5
"""Inches, of a row of panels and of the names below them."""


@dataclass(frozen=True)
class Panel:
    """Accuracies (fractions) of every way to predict, NaN where there is none, at the same places."""

    title: str
    places: Sequence[str]
    """Severities, or names of conditions that have none."""
    accuracy: Mapping[str, Sequence[float]]
    """By the name of the way to predict."""
    n_conditions: Sequence[int]
    """How many conditions each place averages over."""
    ordered: bool
    """Whether the places are severities, which a line joins."""


@styled
def accuracy_by_severity(
    panels: Sequence[Panel], looks: Mapping[str, Look], columns: Mapping[str, int], medium: Medium = WIDE
) -> Figure:
    """Draw small multiples in so many columns by medium; the lines are named behind the last panel, where the grid
    has a free place, or else below it."""
    n_columns = columns[medium.name]
    n_rows = math.ceil(len(panels) / n_columns)
    is_room = bool(len(panels) % n_columns) and panels[-1].ordered
    height = HEIGHT * n_rows + (0.1 if is_room else LEGEND)
    figure = Figure(figsize=(medium.width, height), layout="constrained")
    grid = [*figure.subplots(n_rows, n_columns, squeeze=False, sharey=True).flat]
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel, looks)
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes in grid[: len(panels) : n_columns]:
        axes.set_ylabel("test accuracy (%)")
    last = grid[len(panels) - 1]
    if is_room:
        _name_behind(last, panels[-1], looks)
    else:
        figure.legend(*last.get_legend_handles_labels(), loc="outside lower left", ncols=2, handlelength=3)
    return figure


def _draw(axes: Axes, panel: Panel, looks: Mapping[str, Look]) -> None:
    places = range(len(panel.places))
    for name, accuracy in panel.accuracy.items():
        look = looks[name] if panel.ordered else {**looks[name], "linestyle": ""}
        axes.plot(places, [100 * value for value in accuracy], label=name, **look)
    axes.set_title(panel.title)
    if panel.ordered:
        axes.set_xticks(places, panel.places)
    else:
        axes.set_xticks(places, panel.places, rotation=90, size=SMALL)
    axes.set(xlim=(-0.4, len(places) - 0.6), ylim=(0, 102))
    axes.set_xlabel("severity" if panel.ordered else "")


def _name_behind(axes: Axes, panel: Panel, looks: Mapping[str, Look]) -> None:
    """Name the lines at the ends of the last panel's, in the free place behind it."""
    ends = {
        name: [100 * value for value in accuracy if math.isfinite(value)] for name, accuracy in panel.accuracy.items()
    }
    label_ends(axes, [Label(name, y[-1], looks[name]["color"]) for name, y in ends.items() if y], HEIGHT - 0.7)
    for text in axes.texts:
        text.set_in_layout(False)
