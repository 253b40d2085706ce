"""Figures over the size of the test batch: a line a way to predict, and a level for statistics that know no batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.report import number_format as fmt
from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.modes.mode_looks import Look
from analysis.report.figures.style import WIDE, Errors, Medium, logarithmic, stretched, styled

HEIGHT, LEGEND = 3.4, 0.8
"""Inches; the second is what the levels take that are named below a narrow drawing."""


@dataclass(frozen=True)
class Point:
    size: int
    """Images in the test batch."""
    value: float
    """A fraction."""
    degenerate: bool = False
    """Drawn hollow."""


@dataclass(frozen=True)
class Line:
    """A way to predict that looks at the test batch."""

    text: str
    look: Look
    points: Sequence[Point]
    corner: str
    """Where its name stands, seen from a point early on it: ``upper left`` of a line that rises."""


@dataclass(frozen=True)
class Level:
    """One that does not."""

    text: str
    look: Look
    value: float


@styled
def accuracy_by_size(lines: Sequence[Line], levels: Sequence[Level], medium: Medium = WIDE) -> Figure:
    """Draw accuracy on an axis that stretches what lies near 100 %."""
    figure, (axes,) = medium.panels(1, HEIGHT + LEGEND * medium.stacked)
    errors = Errors.around(_values(lines, levels))
    stretched(axes, errors)
    axes.set_ylabel("test accuracy (%)")

    def place(accuracy: float) -> float:
        return max(100 * (1 - accuracy), errors.lowest)

    _draw(axes, lines, levels, place)
    _name_lines(axes, lines, place, early=1 / 4)
    _name_levels(figure, axes, levels, place, medium)
    return figure


@styled
def calibration_by_size(lines: Sequence[Line], levels: Sequence[Level], medium: Medium = WIDE) -> Figure:
    """Draw the expected calibration error on a logarithmic axis."""
    figure, (axes,) = medium.panels(1, HEIGHT + LEGEND * medium.stacked)
    percent = [100 * value for value in _values(lines, levels)]
    logarithmic(axes, "y", percent)
    axes.set_ylim(0.5 * min(percent) if axes.get_yscale() == "log" else 0, max(1.0, 1.4 * max(percent)))
    axes.set_ylabel("expected calibration error (%)")

    def place(error: float) -> float:
        return 100 * error

    _draw(axes, lines, levels, place)
    _name_lines(axes, lines, place, early=1 / 6)
    _name_levels(figure, axes, levels, place, medium)
    return figure


def _values(lines: Sequence[Line], levels: Sequence[Level]) -> list[float]:
    return [*(point.value for line in lines for point in line.points), *(level.value for level in levels)]


Place = Callable[[float], float]
"""Makes a fraction a height."""


def _draw(axes: Axes, lines: Sequence[Line], levels: Sequence[Level], place: Place) -> None:
    for level in levels:
        look = {**level.look, "marker": ""}
        axes.axhline(place(level.value), linewidth=1.1, label=level.text, **look)
    for line in lines:
        x, y = [point.size for point in line.points], [place(point.value) for point in line.points]
        solid = [i for i, point in enumerate(line.points) if not point.degenerate]
        hollow = [i for i, point in enumerate(line.points) if point.degenerate]
        axes.plot(x, y, label=line.text, markevery=solid, **line.look)
        look = {**line.look, "linestyle": "", "markerfacecolor": "none"}
        axes.plot([x[i] for i in hollow], [y[i] for i in hollow], **look)
    _size_axis(axes, sorted({point.size for line in lines for point in line.points}))


def _size_axis(axes: Axes, sizes: Sequence[int]) -> None:
    """Make a logarithmic x axis, its ticks among the sizes that were tried, each four times the next at least."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(sizes[0] / 1.6, 1.6 * sizes[-1])
    ticks = [sizes[-1]]
    for size in reversed(sizes):
        if 4 * size <= ticks[-1]:
            ticks.append(size)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda size, _: fmt.count(round(size)))
    axes.set_xlabel("images in the test batch")


def _name_lines(axes: Axes, lines: Sequence[Line], place: Place, early: float) -> None:
    """Write every line's name beside a point of it, behind that share of its points."""
    for line in lines:
        at = line.points[int(early * len(line.points))]
        upper, left = line.corner.startswith("upper"), line.corner.endswith("left")
        axes.annotate(
            line.text, (at.size, place(at.value)), (-5 if left else 5, 4 if upper else -4),
            textcoords="offset points", ha="right" if left else "left", va="bottom" if upper else "top",
            color=line.look["color"],
        )  # fmt: skip


def _name_levels(figure: Figure, axes: Axes, levels: Sequence[Level], place: Place, medium: Medium) -> None:
    """Name the levels at their ends, or below a drawing that has no room beside it."""
    texts = [f"{level.text}: {fmt.percent(level.value)}" for level in levels]
    if medium.stacked:
        figure.legend(axes.get_lines()[: len(levels)], texts, loc="outside lower left", handlelength=3)
        return
    ends = [Label(text, place(level.value), level.look["color"]) for text, level in zip(texts, levels, strict=True)]
    label_ends(axes, ends, HEIGHT - 0.6)
