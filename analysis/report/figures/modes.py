"""Figures of the inference modes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.modes.inference_modes import CLEAN, ModeResult, Modes, StatisticResult, SwapResult
from analysis.report import number_format as fmt
from analysis.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    PALETTE,
    PURPLE,
    VERMILLION,
    WIDE,
    Medium,
    heat,
    logarithmic,
    styled,
)
from analysis.stats.intervals import Interval
from study.spec.inference_modes import parse

ORDERS = {"shuffled": ("-", "o", BLUE), "natural": ("--", "s", GREEN), "sorted": (":", "^", PURPLE)}
TRAINING = {
    "running": (VERMILLION, "-"),
    "population": (GREY, "--"),
    "cumulative_last": (PALETTE[5], "-."),
    "cumulative_all": (PALETTE[9], ":"),
}
LAYER_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE)
ROUNDING = 1e-9
"""An error of a statistic, in standard deviations, below which it is that of the arithmetic and is not drawn."""


@styled
def accuracy_by_size(modes: Modes, medium: Medium = WIDE) -> Figure:
    """Draw accuracy over the size of the test batch by order; modes without a batch are horizontal lines."""
    figure = Figure(figsize=(medium.width, 4.6), layout="constrained")
    axes = figure.subplots()
    for order, (line, marker, colour) in ORDERS.items():
        results = [r for r in _clean(modes) if r.inference == "batch" and r.order == order]
        sizes = [r.eval_batch_size or 0 for r in results]
        accuracy = [100 * r.accuracy for r in results]
        axes.plot(sizes, accuracy, line, marker=marker, color=colour, label=f"test batch, {order}")
    for inference, (colour, line) in TRAINING.items():
        known = modes.clean(inference)
        if known:
            axes.axhline(100 * known.accuracy, color=colour, linestyle=line, linewidth=1.5, label=known.mode.label)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="images in the test batch", ylabel="test accuracy (%)", ylim=(0, 100))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def swap_sensitivity(results: Sequence[SwapResult], medium: Medium = WIDE) -> Figure:
    """Draw how far the batch mean moves and how often the class flips over what random draws give in expectation."""
    figure = Figure(figsize=(medium.width, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    law = np.array([result.law for result in results])
    order = np.argsort(law)
    left.plot(law[order], law[order], color=GREY, linewidth=1, label="sqrt(2k)/m")
    _points(left, law, [result.mean_change for result in results], 1)
    _points(right, law, [result.flip_rate for result in results], 100)
    for result, above in zip(results, _above(results), strict=True):
        label, at = f"{result.n_swapped} of {result.eval_batch_size}", (result.law, 100 * result.flip_rate.estimate)
        right.annotate(label, at, (5, 3 if above else -10), textcoords="offset points", size=9)
    moved, flipped = ([getattr(r, what).estimate for r in results] for what in ("mean_change", "flip_rate"))
    for axes, what, y in (
        (left, "change of the batch mean (sd)", moved),
        (right, "images that change class (%)", flipped),
    ):
        axes.set(xlabel="sqrt(2k)/m: k of m images replaced", ylabel=what)
        logarithmic(axes, "x", law.tolist())
        logarithmic(axes, "y", y)
    left.legend()
    return figure


def _above(results: Sequence[SwapResult]) -> list[bool]:
    """Return whether the name of a result stands above its point: of one law the higher point's, else every other
    one's, so that neighbours do not meet."""
    laws = sorted({result.law for result in results})
    places = []
    for result in results:
        same = [other.flip_rate.estimate for other in results if other.law == result.law]
        alone = bool(laws.index(result.law) % 2)
        places.append(result.flip_rate.estimate > min(same) if len(same) > 1 else alone)
    return places


def _points(axes: Axes, x: np.ndarray, intervals: Sequence[Interval], scale: float) -> None:
    y, low, high = (scale * np.array([getattr(i, end) for i in intervals]) for end in ("estimate", "low", "high"))
    axes.errorbar(x, y, np.nan_to_num([y - low, high - y]), fmt="o", color=BLUE, markersize=5)


@styled
def statistic_errors(results: Sequence[StatisticResult], medium: Medium = WIDE) -> Figure:
    """Draw how far each statistic from training lies from the population's, by layer."""
    figure = Figure(figsize=(medium.width, 3.2), layout="constrained")
    names = list(dict.fromkeys(result.inference for result in results))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, what, title in zip(panels, ("mean_error", "log_var_error"), ("mean (sd)", "log variance"), strict=True):
        drawn = [result for result in results if getattr(result, what).estimate >= ROUNDING]
        for result in drawn:
            error: Interval = getattr(result, what)
            place = names.index(result.inference) + 0.15 * (result.layer - 0.5)
            axes.plot([error.low, error.high], [place, place], color=LAYER_COLOURS[result.layer % 4], linewidth=1.2)
            axes.plot(error.estimate, place, "os^v"[result.layer % 4], color=LAYER_COLOURS[result.layer % 4])
        axes.set_xlabel(f"rms error, {title}")
        logarithmic(axes, "x", [getattr(result, what).estimate for result in drawn])
        axes.set_yticks(range(len(names)), [parse(name).label for name in names])
    for layer in sorted({result.layer for result in results}):
        panels[0].plot([], [], "os^v"[layer % 4], color=LAYER_COLOURS[layer % 4], label=f"layer {layer + 1}")
    panels[0].legend()
    return figure


@styled
def shift_map(rows: Sequence[str], columns: Sequence[str], values: np.ndarray, medium: Medium = WIDE) -> Figure:
    """Draw the difference from the running averages by condition (rows) and inference mode (columns), in points."""
    figure = Figure(figsize=(medium.width, 1.3 + 0.25 * len(rows)), layout="constrained")
    axes = figure.subplots()
    ink = heat(axes, values)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(column, row, fmt.signed(value, 1), ha="center", va="center", size=9, color=ink(value))
    axes.set_yticks(range(len(rows)), rows, size=9)
    axes.set_xticks(range(len(columns)), columns, size=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    return figure


@styled
def calibration(labels: Sequence[str], errors: Sequence[float], medium: Medium = WIDE) -> Figure:
    """Draw the expected calibration error (fractions) of the inference modes."""
    figure = Figure(figsize=(medium.width, 1.0 + 0.25 * len(labels)), layout="constrained")
    axes = figure.subplots()
    percent = [100 * error for error in errors]
    axes.plot(percent, range(len(labels)), "o", color=BLUE)
    axes.set_yticks(range(len(labels)), labels, size=9)
    axes.invert_yaxis()
    axes.grid(axis="both", linewidth=0.4)
    axes.set_xlabel("expected calibration error (%)")
    logarithmic(axes, "x", percent)
    return figure


def _clean(modes: Modes) -> list[ModeResult]:
    return [r for r in modes.results if (r.shift, r.severity) == CLEAN]
