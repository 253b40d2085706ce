"""Figures of the inference modes: numbers already computed -> matplotlib figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from analysis.figures import PALETTE, styled
from analysis.intervals import Interval
from analysis.mode_words import NAMES, condition
from analysis.modes import CLEAN, ModeResult, Modes, StatisticResult, SwapResult

ORDERS = {"shuffled": ("-", "o", PALETTE[0]), "natural": ("--", "s", PALETTE[2]), "sorted": (":", "^", PALETTE[3])}
TRAINING = {
    "running": (PALETTE[1], "-"),
    "population": (PALETTE[7], "--"),
    "cumulative_last": (PALETTE[4], "-."),
    "cumulative_all": (PALETTE[8], ":"),
}
SHOWN_SEVERITIES = (0, 1, 3, 5)


@styled
def accuracy_by_size(modes: Modes) -> Figure:
    """Accuracy over the size of the test batch by order; what knows no batch as horizontal lines."""
    figure = Figure(figsize=(9.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for order, (line, marker, colour) in ORDERS.items():
        found = [r for r in _clean(modes) if r.inference == "batch" and r.order == order]
        sizes = [r.eval_batch_size or 0 for r in found]
        accuracy = [100 * r.accuracy for r in found]
        axes.plot(sizes, accuracy, line, marker=marker, color=colour, label=f"test batch, {order}")
    for inference, (colour, line) in TRAINING.items():
        known = modes.clean(inference)
        if known:
            axes.axhline(100 * known.accuracy, color=colour, linestyle=line, linewidth=1.5, label=NAMES[inference])
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set(xlabel="images in the test batch", ylabel="test accuracy (%)", ylim=(0, 100))
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@styled
def swaps(found: Sequence[SwapResult]) -> Figure:
    """How far the batch mean moves, and how often the class flips, over what random draws give in expectation."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    law = np.array([result.law for result in found])
    order = np.argsort(law)
    left.plot(law[order], law[order], color="gray", linewidth=1, label="sqrt(2k)/m")
    _points(left, law, [result.mean_change for result in found], 1)
    _points(right, law, [result.flip_rate for result in found], 100)
    for result in found:
        label = f"{result.n_swapped} of {result.eval_batch_size}"
        right.annotate(
            label, (result.law, 100 * result.flip_rate.estimate), (4, -9), textcoords="offset points", size=9
        )
    moved, flipped = ([getattr(r, what).estimate for r in found] for what in ("mean_change", "flip_rate"))
    for axes, what, y in (
        (left, "change of the batch mean (sd)", moved),
        (right, "images that change class (%)", flipped),
    ):
        axes.set(xlabel="sqrt(2k)/m: k of m images replaced", ylabel=what)
        _logarithmic(axes, "x", law.tolist())
        _logarithmic(axes, "y", y)
    left.legend(frameon=False)
    return figure


def _logarithmic(axes: Axes, which: str, values: Sequence[float], subs: Sequence[float] = (1, 2, 5)) -> None:
    """A logarithmic axis whose ticks are numbers, ``subs`` of each decade; linear where all values are one."""
    if len(set(values)) < 2 or min(values) <= 0:
        return
    axes.set(**{f"{which}scale": "log"})
    axis: Axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def _points(axes: Axes, x: np.ndarray, found: Sequence[Interval], scale: float) -> None:
    y, low, high = (scale * np.array([getattr(f, end) for f in found]) for end in ("estimate", "low", "high"))
    axes.errorbar(x, y, np.nan_to_num([y - low, high - y]), fmt="o", color=PALETTE[0], markersize=5)


@styled
def statistic_errors(found: Sequence[StatisticResult]) -> Figure:
    """How far each statistic from training lies from the population's, by layer."""
    figure = Figure(figsize=(9.5, 3.2), layout="constrained")
    names = list(dict.fromkeys(result.inference for result in found))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, what, title in zip(panels, ("mean_error", "log_var_error"), ("mean (sd)", "log variance"), strict=True):
        for result in found:
            error: Interval = getattr(result, what)
            place = names.index(result.inference) + 0.15 * (result.layer - 0.5)
            axes.plot(error.estimate, place, "os^v"[result.layer % 4], color=PALETTE[result.layer % 8])
        axes.set_xlabel(f"rms error, {title}")
        _logarithmic(axes, "x", [getattr(result, what).estimate for result in found], subs=(1,))
        axes.set_yticks(range(len(names)), [NAMES[name] for name in names])
    for layer in sorted({result.layer for result in found}):
        panels[0].plot([], [], "os^v"[layer % 4], color=PALETTE[layer % 8], label=f"layer {layer + 1}")
    panels[0].legend(frameon=False, fontsize="small")
    return figure


@styled
def shift_map(modes: Modes) -> Figure:
    """The difference from the running averages by condition (rows) and way to predict (columns), in points."""
    shown = [r for r in modes.results if r.severity in SHOWN_SEVERITIES and r.inference != "running"]
    shifted = [r for r in shown if (r.shift, r.severity) != CLEAN]
    rows = list(dict.fromkeys((r.shift, r.severity) for r in shifted))
    columns = list(dict.fromkeys((r.inference, _size_word(r)) for r in shifted))
    values = np.full((len(rows), len(columns)), np.nan)
    for r in shifted:
        values[rows.index((r.shift, r.severity)), columns.index((r.inference, _size_word(r)))] = (
            100 * r.against_running.estimate
        )
    figure = Figure(figsize=(9.5, 1.6 + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots()
    limit = max(1.0, float(np.nanmax(np.abs(values))))
    scale = SymLogNorm(0.5, vmin=-limit, vmax=limit)
    axes.imshow(values, cmap="vlag_r", norm=scale, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(scale(value) - 0.5) > 0.33 else "black"
            axes.text(column, row, f"{value:+.1f}", ha="center", va="center", size=9, color=colour)
    axes.set_yticks(range(len(rows)), [condition(*row) for row in rows], size=9)
    axes.set_xticks(
        range(len(columns)), ["\n".join(filter(None, column)).replace("_", "\n") for column in columns], size=9
    )
    axes.tick_params(length=0)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    return figure


def _size_word(result: ModeResult) -> str:
    """Of a test batch; one that holds all images is called so, however many the condition leaves."""
    size = result.eval_batch_size
    return "" if size is None else str(size) if size in (8, 32, 128, 512) else "all"


@styled
def calibration(modes: Modes) -> Figure:
    """Expected calibration error of the ways to predict on the test images as they are."""
    kept = [
        r for r in _clean(modes) if r.order in (None, "shuffled") and (r.inference in NAMES or "blend" in r.inference)
    ]
    figure = Figure(figsize=(9.5, 1.0 + 0.23 * len(kept)), layout="constrained")
    axes = figure.subplots()
    axes.plot([100 * r.ece for r in kept], range(len(kept)), "o", color=PALETTE[0])
    labels = [f"{r.inference.replace('_', ' ')} {r.eval_batch_size or ''}".strip() for r in kept]
    axes.set_yticks(range(len(kept)), labels, size=9)
    axes.invert_yaxis()
    axes.grid(axis="x", linewidth=0.5)
    axes.set_xlabel("expected calibration error (%)")
    _logarithmic(axes, "x", [r.ece for r in kept])
    return figure


def _clean(modes: Modes) -> list[ModeResult]:
    return [r for r in modes.results if (r.shift, r.severity) == CLEAN]
