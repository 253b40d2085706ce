"""Figure of the other images of a test batch: what happens to an image when some of them are replaced?"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.findings.modes.inference_modes import SwapResult
from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.modes.mode_looks import BLACK, BROWN, RUNNING, SKY, Look
from analysis.report.figures.style import GREY, PURPLE, WIDE, Medium, logarithmic, styled
from analysis.stats.intervals import Interval

HEIGHT = 2.6
LOOKS: tuple[Look, ...] = (
    {"color": PURPLE, "linestyle": "-", "marker": "o"},
    {"color": BROWN, "linestyle": "--", "marker": "s"},
    {"color": SKY, "linestyle": "-.", "marker": "^"},
    {"color": GREY, "linestyle": ":", "marker": "D"},
)
"""Looks by the size of the test batch, smallest first."""


@styled
def swap_sensitivity(results: Sequence[SwapResult], medium: Medium = WIDE) -> Figure:
    """Draw how often the predicted class changes over how many images are replaced, and how far the batch mean moves
    over what random draws give in expectation."""
    figure, (flips, moves) = medium.panels(2, HEIGHT)
    laws = sorted(result.law for result in results)
    moves.plot(laws, laws, color=BLACK, linewidth=1, label="random draws")
    labels = [Label(*_saved(flips, results))] if any(result.running_flip_rate for result in results) else []
    for i, size in enumerate(sorted({result.eval_batch_size for result in results})):
        own = sorted((result for result in results if result.eval_batch_size == size), key=lambda one: one.n_swapped)
        look, name = LOOKS[i % len(LOOKS)], f"batch of {size:,}"
        _line(flips, [one.n_swapped for one in own], [one.flip_rate for one in own], 100, {**look, "label": name})
        _line(
            moves,
            [one.law for one in own],
            [one.mean_change for one in own],
            1,
            {**look, "label": name, "linestyle": ""},
        )
        labels.append(Label(name, 100 * own[-1].flip_rate.estimate, look["color"]))
    _flip_axes(flips, results)
    _law_axes(moves, results)
    label_ends(flips, labels, HEIGHT - 0.6)
    return figure


def _line(axes: Axes, x: Sequence[float], intervals: Sequence[Interval], scale: float, look: Look) -> None:
    """Draw estimates with their intervals, where there are any."""
    y, low, high = (scale * np.array([getattr(i, end) for i in intervals]) for end in ("estimate", "low", "high"))
    axes.vlines(x, np.where(np.isfinite(low), low, y), np.where(np.isfinite(high), high, y), color=look["color"])
    axes.plot(x, y, **look)


def _saved(axes: Axes, results: Sequence[SwapResult]) -> tuple[str, float, str]:
    """Draw the same images under the running averages; return what the line is called, where it ends, its colour."""
    known = sorted((one.n_swapped, 100 * one.running_flip_rate.estimate) for one in results if one.running_flip_rate)
    axes.plot(*zip(*known, strict=True), **{**RUNNING, "label": "running averages"})
    return "running averages", known[-1][1], RUNNING["color"]


def _flip_axes(axes: Axes, results: Sequence[SwapResult]) -> None:
    replaced = sorted({result.n_swapped for result in results})
    axes.set_xscale("log", base=2)
    axes.set_xlim(replaced[0] / 1.4, 1.4 * replaced[-1])
    axes.xaxis.set_major_locator(FixedLocator([k for k in replaced if k.bit_count() == 1] or replaced))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda k, _: f"{k:g}")
    axes.set(xlabel="images replaced", ylabel="predicted class changes (%)")


def _law_axes(axes: Axes, results: Sequence[SwapResult]) -> None:
    logarithmic(axes, "x", [result.law for result in results])
    logarithmic(axes, "y", [result.mean_change.estimate for result in results])
    axes.set(xlabel="expected of random draws (SD)", ylabel="batch mean moves (SD)")
