"""Figures over epochs: learning curves, the difference, and how many runs have reached an accuracy."""

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.curves import Curve, DifferenceCurve
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.style import (
    GREY,
    WIDE,
    Errors,
    Medium,
    arm_style,
    epoch_axis,
    stretched,
    styled,
)
from analysis.stats.time_to_event import TimeToAccuracy
from study.spec.factors import FACTORS, Cell

AXIS = {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}
SPLIT = {"train": "Training", "test": "Test"}
DRAWN_SEEDS = 20
"""Single seeds drawn as thin lines; more would be a blot."""


@styled
def learning_curves(curves: Sequence[Curve], medium: Medium = WIDE) -> Figure:
    """Draw the tutorial's four plots for one cell: loss and accuracy on training and test images."""
    figure = Figure(figsize=(medium.width, 6.4), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for row, metric in zip(grid, ("loss", "accuracy"), strict=True):
        for axes, split in zip(row, ("train", "test"), strict=True):
            shown = [curve for curve in curves if curve.metric == metric and curve.split == split]
            _draw_curves(axes, shown)
            axes.set(title=f"{SPLIT[split]} {metric}", ylabel=AXIS[metric])
    for axes in grid[1]:
        axes.set_xlabel("epoch")
    grid[0, 1].legend()
    return figure


@styled
def accuracy_by_cell(curves: Sequence[Curve], medium: Medium = WIDE) -> Figure:
    """Draw test accuracy over epochs in every cell, as the grid has them."""
    grid, cells = Grid.over(curve.cell for curve in curves), [curve.cell for curve in curves]
    rows, columns = grid.down(cells), grid.across_of(cells)
    figure = Figure(figsize=(medium.width, 0.9 + 1.8 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
    errors = Errors.around(_accuracies(curves))
    for (i, j), axes in np.ndenumerate(panels):
        cell = grid.cell(rows[i], columns[j])
        _draw_curves(
            axes, [c for c in curves if (c.metric, c.split, c.cell) == ("accuracy", "test", cell)], as_error=True
        )
        stretched(axes, errors)
        epoch_axis(axes, most_ticks=5)
        axes.set_title(_in_short(cell), size=10)
    panels[-1, -1].legend()
    figure.supxlabel("epoch", size=11)
    figure.supylabel("test accuracy (%), stretched towards 100", size=11)
    return figure


def _in_short(cell: Cell) -> str:
    """Return the title of a small panel: of each label the first word, two in a line."""
    levels = [f"{FACTORS[key].label.split()[0]} {FACTORS[key].show(level)}" for key, level in cell.said.items()]
    return "\n".join(", ".join(levels[i : i + 2]) for i in range(0, len(levels), 2))


def _accuracies(curves: Sequence[Curve]) -> Iterator[float]:
    """Yield the accuracy on test images of every seed after every trained epoch, and their means."""
    for curve in curves:
        if (curve.metric, curve.split) == ("accuracy", "test"):
            yield from (accuracy for line in (*curve.seeds, curve.mean) for accuracy in line[1:])


def _draw_curves(axes: Axes, curves: Sequence[Curve], as_error: bool = False) -> None:
    """Draw single seeds thin, their mean thick, its simultaneous band, from the first trained epoch on."""

    def shown(values: Sequence[float] | Sequence[Sequence[float]]) -> np.ndarray:
        array = np.asarray(values)[..., 1:]
        if curve.metric == "loss":
            return array
        return 100 * (1 - array) if as_error else 100 * array

    for curve in curves:
        epochs = curve.epochs[1:]
        style = arm_style(curve.arm)
        axes.plot(epochs, shown(curve.seeds[:DRAWN_SEEDS]).T, color=style["color"], linewidth=0.5, alpha=0.4)
        axes.fill_between(epochs, shown(curve.band_low), shown(curve.band_high), color=style["color"], alpha=0.25, lw=0)
        every = max(1, len(epochs) // 10)
        label = fmt.side(curve.arm)
        axes.plot(epochs, shown(curve.mean), **style, linewidth=2, markersize=4, markevery=every, label=label)
    epoch_axis(axes)


@styled
def difference_curves(curves: Sequence[DifferenceCurve], medium: Medium = WIDE) -> Figure:
    """Draw differences over epochs, a panel each: mean, pointwise interval and simultaneous band."""
    figure = Figure(figsize=(medium.width, 3.4), layout="constrained")
    for axes, curve in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        mean, low, high, band_low, band_high = (
            100 * np.asarray(values) for values in (curve.mean, curve.low, curve.high, curve.band_low, curve.band_high)
        )
        colour, every = arm_style(curve.arm)["color"], max(1, len(mean) // 10)
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.fill_between(
            curve.epochs, band_low, band_high, color=colour, alpha=0.22, lw=0, label="holds for all epochs"
        )
        axes.fill_between(curve.epochs, low, high, color=colour, alpha=0.3, lw=0, label="each epoch alone")
        axes.plot(curve.epochs, mean, "o-", color=colour, linewidth=2, markersize=4, markevery=every)
        axes.set(title=fmt.cell(curve.cell), xlabel="epoch", ylabel="difference (points)")
        epoch_axis(axes)
        axes.legend()
    return figure


@styled
def reached(times: Sequence[TimeToAccuracy], arms: tuple[str, str], medium: Medium = WIDE) -> Figure:
    """Draw the share of runs that have reached an accuracy by the end of each epoch, a panel a threshold; ``arms`` are
    the baseline and the arm."""
    figure = Figure(figsize=(medium.width, 3.2), layout="constrained")
    panels = figure.subplots(1, len(times), sharey=True, squeeze=False)[0]
    for axes, time in zip(panels, times, strict=True):
        epochs = np.arange(1, time.epochs + 1)
        for arm, shares in zip(arms, (time.share_baseline, time.share_arm), strict=True):
            axes.step(
                epochs, 100 * np.asarray(shares), where="post", **arm_style(arm), markersize=4, linewidth=2,
                label=fmt.side(arm), markevery=max(1, len(epochs) // 10),
            )  # fmt: skip
        axes.set(title=f"{fmt.percent(time.threshold, 0)} test accuracy", xlabel="epoch", ylim=(-4, 104))
        epoch_axis(axes)
    panels[0].set_ylabel("runs that have reached it (%)")
    panels[-1].legend(loc="best")
    return figure
