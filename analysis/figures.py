"""Numbers already computed -> matplotlib figure. No interval is made here; the style is borrowed and given back."""

import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from analysis import words
from analysis.contrasts import Contrast
from analysis.curves import Curve, Gap

PALETTE = sns.color_palette("colorblind")
COLOUR = {"bn": PALETTE[0], "no_bn": PALETTE[1]}
LINE = {"bn": "-", "no_bn": "--"}
LABEL = {"bn": "with BN", "no_bn": "without BN"}
AXIS = {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}
SPLIT = {"train": "Training", "test": "Test"}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "study",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
}


@contextmanager
def style() -> Iterator[None]:
    """seaborn's ticks and our few settings, for as long as a figure is drawn."""
    with sns.axes_style("ticks"), sns.plotting_context("notebook"), mpl.rc_context(cast(Any, STYLE)):
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw inside ``style``."""

    @wraps(draw)
    def inside(*arguments: Any) -> Figure:
        with style():
            return draw(*arguments)

    return inside


def svg(figure: Figure) -> bytes:
    """The figure as SVG, equal bytes for equal figures: no date, fixed ids."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


@styled
def effect_map(cells: Mapping[tuple[int, float], Contrast]) -> Figure:
    """The difference by batch size (rows) and learning rate (columns), with its interval and failures."""
    sizes, lrs = (sorted(set(factor)) for factor in zip(*cells, strict=True))
    values = 100 * np.array([[cells[size, lr].mean_diff for lr in lrs] for size in sizes])
    figure = Figure(figsize=(2.2 + 1.9 * len(lrs), 1.5 + 1.0 * len(sizes)), layout="constrained")
    axes = figure.subplots()
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 1.0)
    # Effects of a tenth of a point and of seventy live in one grid: linear below half a point, then logarithmic.
    scale = SymLogNorm(linthresh=0.5, vmin=-limit, vmax=limit)
    image = axes.imshow(values, cmap="vlag_r", norm=scale, aspect="auto")
    for (size, lr), cell in cells.items():
        row, column = sizes.index(size), lrs.index(lr)
        _write_cell(axes, column, row, cell, dark=abs(scale(values[row, column]) - 0.5) > 0.33)
    axes.set_xticks(range(len(lrs)), [words.rate(lr) for lr in lrs])
    axes.set_yticks(range(len(sizes)), [str(size) for size in sizes])
    axes.set(xlabel="learning rate", ylabel="batch size")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, label="difference (points)", pad=0.02)
    ticks = [tick for size in (100, 10, 1) for tick in (-size, size) if size <= limit]
    bar.set_ticks([*ticks, 0], labels=[f"{tick:+d}" for tick in ticks] + ["0"])
    bar.minorticks_off()
    return figure


def _write_cell(axes: Axes, column: int, row: int, cell: Contrast, dark: bool) -> None:
    """Estimate, interval and failures; no interval where there is one seed."""
    low, high = ends(cell)
    lines = [] if math.isnan(low) else [words.interval(low, high)]
    if cell.n_failed_baseline or cell.n_failed_arm:
        lines.append(f"failed {cell.n_failed_baseline} | {cell.n_failed_arm} of {cell.n_runs}")
    look: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if dark else "black"}
    axes.text(column, row - 0.17, words.points(cell.mean_diff), weight="bold", **look)
    for place, line in enumerate(lines):
        axes.text(column, row + 0.09 + 0.19 * place, line, size="small", **look)


def ends(cell: Contrast) -> tuple[float, float]:
    """Of the interval that holds for all cells at once."""
    return (cell.joint.ci.low, cell.joint.ci.high) if cell.joint else (math.nan, math.nan)


@styled
def gap_curves(gaps: Sequence[Gap]) -> Figure:
    """The difference over epochs, a panel a gap: mean, pointwise interval and simultaneous band."""
    figure = Figure(figsize=(4.75 * len(gaps), 3.4), layout="constrained")
    for axes, gap in zip(figure.subplots(1, len(gaps), squeeze=False)[0], gaps, strict=True):
        mean, low, high, band_low, band_high = (
            100 * np.asarray(values) for values in (gap.mean, gap.low, gap.high, gap.band_low, gap.band_high)
        )
        axes.axhline(0, color="gray", linewidth=0.8)
        axes.fill_between(gap.epochs, band_low, band_high, color=COLOUR["bn"], alpha=0.25, linewidth=0)
        axes.fill_between(gap.epochs, low, high, color=COLOUR["bn"], alpha=0.2, linewidth=0)
        axes.plot(gap.epochs, mean, color=COLOUR["bn"], linewidth=2)
        axes.set(title=words.cell(gap.batch_size, gap.lr), xlabel="epoch", ylabel="difference (points)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


@styled
def learning_curves(curves: Sequence[Curve]) -> Figure:
    """The post's four plots for one cell: loss and accuracy on training and test images."""
    figure = Figure(figsize=(9.5, 6.5), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for row, metric in zip(grid, ("loss", "accuracy"), strict=True):
        for axes, split in zip(row, ("train", "test"), strict=True):
            shown = [curve for curve in curves if curve.metric == metric and curve.split == split]
            _draw_curves(axes, shown)
            axes.set_title(f"{SPLIT[split]} {metric}")
            axes.set_ylabel(AXIS[metric])
    for axes in grid[1]:
        axes.set_xlabel("epoch")
    grid[0, 1].legend(frameon=False)
    return figure


@styled
def error_by_cell(curves: Sequence[Curve]) -> Figure:
    """Test error over epochs in every cell: batch sizes down, learning rates across."""
    sizes = sorted({curve.batch_size for curve in curves})
    lrs = sorted({curve.lr for curve in curves})
    figure = Figure(figsize=(1.2 + 2.6 * len(lrs), 0.9 + 1.9 * len(sizes)), layout="constrained")
    grid = figure.subplots(len(sizes), len(lrs), sharex=True, sharey=True, squeeze=False)
    lowest = _lowest_error(curves)
    for row, size in zip(grid, sizes, strict=True):
        for axes, lr in zip(row, lrs, strict=True):
            wanted = ("accuracy", "test", size, lr)
            _draw_curves(axes, [c for c in curves if (c.metric, c.split, c.batch_size, c.lr) == wanted], as_error=True)
            axes.set_yscale("log", nonpositive="clip")
            axes.set_ylim(lowest, 100)
            axes.yaxis.set_major_formatter(ScalarFormatter())
            axes.set_title(f"batch {size}, rate {words.rate(lr)}", size="small")
    grid[-1, -1].legend(frameon=False, fontsize="small")
    figure.supxlabel("epoch", size="medium")
    figure.supylabel("test error (%), logarithmic", size="medium")
    return figure


def _lowest_error(curves: Sequence[Curve]) -> float:
    """Where the logarithmic axis of test errors (%) begins: below every seed, and above nought."""
    errors = [
        100 * (1 - accuracy)
        for curve in curves
        if (curve.metric, curve.split) == ("accuracy", "test")
        for seed in curve.seeds
        for accuracy in seed[1:]
        if accuracy < 1
    ]
    return 0.8 * min(errors, default=1.0)


def _draw_curves(axes: Axes, curves: Sequence[Curve], as_error: bool = False) -> None:
    """Single seeds thin, their mean thick, its pointwise interval as a band, from the first trained epoch."""

    def shown(values: Sequence[float] | Sequence[Sequence[float]]) -> np.ndarray:
        array = np.asarray(values)[..., 1:]
        if curve.metric == "loss":
            return array
        return 100 * (1 - array) if as_error else 100 * array

    for curve in curves:
        epochs = curve.epochs[1:]
        colour, line = COLOUR.get(curve.arm, "gray"), LINE.get(curve.arm, ":")
        axes.plot(epochs, shown(curve.seeds).T, color=colour, linewidth=0.5, alpha=0.35)
        axes.fill_between(epochs, shown(curve.low), shown(curve.high), color=colour, alpha=0.25, linewidth=0)
        axes.plot(epochs, shown(curve.mean), line, color=colour, linewidth=2, label=LABEL.get(curve.arm, curve.arm))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
