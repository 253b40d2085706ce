"""Figures over epochs: learning curves, the difference, and how many runs have reached an accuracy."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from analysis.findings.curves import Curve, DifferenceCurve
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.style import (
    GREY,
    SMALL,
    WIDE,
    Errors,
    Medium,
    arm_style,
    epoch_axis,
    lines_of,
    stretched,
    styled,
)
from analysis.stats.time_to_event import TimeToAccuracy
from study.spec.factors import FACTORS, Cell

AXIS = {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}
SPLIT = {"train": "Training", "test": "Test"}
FOUR_PLOTS = (("loss", "train"), ("loss", "test"), ("accuracy", "train"), ("accuracy", "test"))
MAX_DRAWN_SEEDS = 20
"""Single seeds drawn as thin lines; more would be a blot."""
MAX_DRAWN_POINTS = 4000
"""Points of all thin lines of a drawing; more would make the page large."""
MAX_WIDE = 4
"""The same in a wide drawing, where the factors across have fewer levels."""
MAX_ACROSS = 3
"""Small panels beside one another in a narrow drawing; a grid with more across continues below."""


def drawn_seeds(curves: Sequence[Curve]) -> int:
    """Return the number of seeds that get a thin line each in a drawing of these curves."""
    n_points = sum(len(curve.epochs) - 1 for curve in curves)
    return min(MAX_DRAWN_SEEDS, max(1, MAX_DRAWN_POINTS // max(1, n_points)))


@styled
def learning_curves(curves: Sequence[Curve], medium: Medium = WIDE) -> Figure:
    """Draw the tutorial's four plots for one cell: loss and accuracy on training and test images."""
    rows, columns, height = (4, 1, 1.6) if medium.stacked else (2, 2, 2.3)
    figure = Figure(figsize=(medium.width, height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, (metric, split) in zip(panels.flat, FOUR_PLOTS, strict=True):
        shown = [curve for curve in curves if (curve.metric, curve.split) == (metric, split)]
        _draw_curves(axes, shown, drawn_seeds(curves))
        axes.set(title=f"{SPLIT[split]} {metric}", ylabel=AXIS[metric])
    for axes in panels[-1]:
        axes.set_xlabel("epoch")
    for axes, (metric, split) in zip(panels.flat, FOUR_PLOTS, strict=True):
        if medium.stacked or split == "test":  # beside one another, the label of a row stands at its right
            scale = 100 if metric == "accuracy" else 1
            last = {c.arm: scale * c.mean[-1] for c in curves if (c.metric, c.split) == (metric, split)}
            _label_arms(axes, last, height)
    return figure


def _label_arms(axes: Axes, ends: Mapping[str, float], height: float) -> None:
    """Name the lines of arms where they end, in panels of ``height`` inches with their titles and labels."""
    labels = [Label(fmt.side(arm), y, arm_style(arm)["color"]) for arm, y in ends.items()]
    label_ends(axes, labels, height - 0.6)


@styled
def accuracy_by_setting(curves: Sequence[Curve], medium: Medium = WIDE, only: Collection[Cell] | None = None) -> Figure:
    """Draw curves of test accuracy, a small panel a cell, in the order of the grid; of the cells those in ``only``, if
    it is given, on the axes of all."""
    grid, cells = Grid.over(curve.cell for curve in curves), {curve.cell for curve in curves}
    ordered = [cell for cell in panels_of(curves) if only is None or cell in only]
    n_columns = _beside_one_another(grid, len(grid.across_of(cells)), len(ordered), medium)
    titles = [_in_short(grid, cell, medium.width / n_columns) for cell in ordered]
    arms = list(dict.fromkeys(curve.arm for curve in curves))
    n_lines = max(title.count("\n") + 1 for title in titles)
    layout = SmallPanels(-(-len(ordered) // n_columns), n_columns, n_lines, -(-len(arms) // 3))
    figure, panels = layout.figure(medium)
    errors, n_seeds = Errors.around(_accuracies(curves)), drawn_seeds(curves)
    for i, (axes, cell, title) in enumerate(zip(panels, ordered, titles, strict=False)):
        _draw_curves(axes, [curve for curve in curves if curve.cell == cell], n_seeds, is_small=True)
        _small_axes(axes, errors, curves[0].epochs[1:])
        axes.set_title(title, size=SMALL)
        axes.tick_params(labelbottom=i + n_columns >= len(ordered), labelsize=SMALL)
    for axes in panels[len(ordered) :]:
        axes.set_visible(False)
    handles = [Line2D([], [], **arm_style(arm), markersize=3, label=fmt.side(arm)) for arm in arms]
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2)
    return figure


def panels_of(curves: Sequence[Curve]) -> list[Cell]:
    """Return the cells that have a panel, in the order of the grid."""
    cells = {curve.cell for curve in curves}
    grid = Grid.over(cells)
    return [grid.cell(row, column) for row in grid.down(cells) for column in grid.across_of(cells)]


def _beside_one_another(grid: Grid, n_across: int, n_panels: int, medium: Medium) -> int:
    """Return how many panels stand in a line: the levels across, and where panels are told apart by more factors as
    many times these as there is room for."""
    if medium.stacked:
        return min(n_across, MAX_ACROSS)
    return min(n_panels, n_across * max(1, MAX_WIDE // n_across)) if grid.apart else n_across


@dataclass(frozen=True)
class SmallPanels:
    """The places of many panels with a title each, below a key and beside labels that they share, in inches: set by
    hand, since to measure so many texts takes seconds."""

    rows: int
    columns: int
    title_lines: int
    key_lines: int

    LEFT, RIGHT, BOTTOM, PANEL = 0.6, 0.1, 0.48, 0.85
    LINE = 0.145

    def figure(self, medium: Medium) -> tuple[Figure, list[Axes]]:
        title = self.LINE * self.title_lines + 0.12
        top = self.BOTTOM + self.rows * self.PANEL + (self.rows - 1) * title
        height = top + title + self.LINE * self.key_lines + 0.1
        figure = Figure(figsize=(medium.width, height))
        panels = figure.subplots(
            self.rows, self.columns, sharex=True, sharey=True, squeeze=False,
            gridspec_kw={
                "left": self.LEFT / medium.width, "right": 1 - self.RIGHT / medium.width,
                "bottom": self.BOTTOM / height, "top": top / height,
                "hspace": title / self.PANEL, "wspace": 0.14,
            },
        )  # fmt: skip
        figure.supxlabel("epoch", size="medium", y=0.06 / height, va="bottom")
        label, place = "test accuracy (%), stretched towards 100", 0.5
        if self.key_lines > 1:  # a long key moves the panels down
            label, place = label.replace(", ", ",\n"), (self.BOTTOM + top) / 2 / height
        figure.supylabel(label, size="medium", x=0.05 / medium.width, y=place, ha="left")
        return figure, [*panels.flat]


def _small_axes(axes: Axes, errors: Errors, epochs: Sequence[int]) -> None:
    """Make the axes of a small panel: the first, the middle and the last epoch, and as many accuracies as stand
    apart."""
    stretched(axes, errors)
    axes.set_xticks(sorted({epochs[0], epochs[(len(epochs) - 1) // 2], epochs[-1]}))
    inches = SmallPanels.PANEL / math.log(errors.highest / errors.lowest)
    kept: list[float] = []
    for error in sorted(axes.get_yticks()):
        if not kept or inches * math.log(error / kept[-1]) > 1.2 * SMALL / 72:
            kept.append(error)
    axes.yaxis.set_major_locator(FixedLocator(kept))


def _in_short(grid: Grid, cell: Cell, width: float) -> str:
    """Return the title of a panel of ``width`` inches: of each label the first word; where many factors tell panels
    apart, names without labels."""
    if grid.apart:
        return lines_of(grid.short((*grid.row(cell), grid.column(cell))), 72 * width - 20)
    levels = [f"{FACTORS[key].label.split()[0]} {FACTORS[key].show(level)}" for key, level in cell.said.items()]
    a_line = 2 if width > 1.8 else 1
    return "\n".join(", ".join(levels[i : i + a_line]) for i in range(0, len(levels), a_line))


def _accuracies(curves: Sequence[Curve]) -> Iterator[float]:
    """Yield the accuracy of every seed after every trained epoch, and their means."""
    for curve in curves:
        yield from (accuracy for line in (*curve.seeds, curve.mean) for accuracy in line[1:])


def _draw_curves(axes: Axes, curves: Sequence[Curve], n_seeds: int, is_small: bool = False) -> None:
    """Draw single seeds thin, their mean thick, its simultaneous band, from the first trained epoch on; in a small
    panel accuracies as errors."""
    size: dict[str, Any] = {"markersize": 2, "linewidth": 1.0} if is_small else {}

    def shown(values: Sequence[float] | Sequence[Sequence[float]]) -> np.ndarray:
        array = np.asarray(values)[..., 1:]
        if curve.metric == "loss":
            return array
        return 100 * (1 - array) if is_small else 100 * array

    for curve in curves:
        epochs = curve.epochs[1:]
        style = arm_style(curve.arm)
        axes.plot(*_one_line(epochs, shown(curve.seeds[:n_seeds])), color=style["color"], linewidth=0.5, alpha=0.4)
        axes.fill_between(epochs, shown(curve.band_low), shown(curve.band_high), color=style["color"], alpha=0.25, lw=0)
        axes.plot(epochs, shown(curve.mean), **style, **size, markevery=_every(epochs), label=fmt.side(curve.arm))
    epoch_axis(axes)


def _one_line(x: Sequence[float], rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows (n, len(x)) as one line with a gap behind each: one path of the drawing."""
    gap = np.full((len(rows), 1), np.nan)
    return np.tile([*x, np.nan], len(rows)), np.hstack([rows, gap]).ravel()


def _every(epochs: Sequence[int]) -> int:
    """Return at how many epochs from one another a line has its markers."""
    return max(1, len(epochs) // 10)


@styled
def difference_curves(curves: Sequence[DifferenceCurve], medium: Medium = WIDE) -> Figure:
    """Draw differences over epochs, a panel each: mean, pointwise interval and simultaneous band."""
    figure, panels = medium.panels(len(curves), 2.0 if medium.stacked else 2.6)
    for axes, curve in zip(panels, curves, strict=True):
        mean, low, high, band_low, band_high = (
            100 * np.asarray(values) for values in (curve.mean, curve.low, curve.high, curve.band_low, curve.band_high)
        )
        colour = arm_style(curve.arm)["color"]
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.fill_between(curve.epochs, band_low, band_high, color=colour, alpha=0.22, lw=0)
        axes.fill_between(curve.epochs, low, high, color=colour, alpha=0.3, lw=0)
        axes.plot(curve.epochs, mean, "o-", color=colour, markevery=_every(curve.epochs))
        axes.set(title=fmt.cell(curve.cell), xlabel="epoch", ylabel="difference (points)")
        epoch_axis(axes)
    return figure


@styled
def reached(times: Sequence[TimeToAccuracy], arms: tuple[str, str], medium: Medium = WIDE) -> Figure:
    """Draw the share of runs that have reached an accuracy by the end of each epoch, a panel a threshold; ``arms`` are
    the baseline and the arm."""
    height = 1.6 if medium.stacked else 2.4
    figure, panels = medium.panels(len(times), height, sharex=True, sharey=True)
    for axes, time in zip(panels, times, strict=True):
        epochs = range(1, time.epochs + 1)
        sides = dict(zip(arms, (time.share_baseline, time.share_arm), strict=True))
        for arm, shares in sides.items():
            axes.step(
                epochs, 100 * np.asarray(shares), where="post", **arm_style(arm),
                label=fmt.side(arm), markevery=_every(epochs),
            )  # fmt: skip
        axes.set(title=f"{fmt.percent(time.threshold, 0)} test accuracy", ylim=(-4, 104))
        epoch_axis(axes, most_ticks=6)
        if medium.stacked or axes is panels[-1]:
            _label_arms(axes, {arm: 100 * shares[-1] for arm, shares in sides.items()}, height)
        if not medium.stacked or axes is panels[-1]:
            axes.set_xlabel("epoch")
        if medium.stacked or axes is panels[0]:
            axes.set_ylabel("runs (%)" if medium.stacked else "runs that have reached it (%)")
    return figure
