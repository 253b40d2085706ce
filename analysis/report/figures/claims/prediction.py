"""Where one more run would lie: all runs as points, the prediction interval, and the number of the tutorial."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, WIDE, Medium, arm_style, styled


@dataclass(frozen=True)
class Predicted:
    """An arm's runs, in percent."""

    arm: str
    runs: Sequence[float]
    low: float
    """Of the prediction interval of one more run."""
    high: float
    reported: float


HEIGHT = 0.95
BINS = 60
BELOW = 0.14
"""How far the interval stands below its runs."""
LOOKS = [
    Line2D([], [], color=GREY, linestyle="", marker=".", label="a run"),
    Line2D([], [], color=GREY, linewidth=1.8, marker="|", label="prediction interval of one more run"),
    Line2D([], [], color="black", linestyle="", marker="D", markersize=5, label="reported by the tutorial"),
]


@styled
def predicted(arms: Sequence[Predicted], medium: Medium = WIDE) -> Figure:
    """Draw a line for each arm on one axis of accuracies."""
    figure = Figure(figsize=(medium.width, HEIGHT * len(arms) + 0.75), layout="constrained")
    axes = figure.subplots()
    for place, of in enumerate(arms):
        _draw(axes, place, of)
    axes.set_ylim(len(arms) - 0.45, -0.6)
    axes.set_yticks(range(len(arms)), [fmt.side(of.arm) for of in arms])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test accuracy after the last epoch (%)")
    figure.legend(handles=LOOKS, loc="outside upper left", ncols=1 if medium.stacked else 3)
    return figure


def _draw(axes: Axes, place: int, of: Predicted) -> None:
    colour = arm_style(of.arm)["color"]
    axes.plot(of.runs, [place - up for up in _stacked(of.runs)], ".", color=colour, markersize=3, alpha=0.7)
    if math.isfinite(of.low) and math.isfinite(of.high):
        axes.plot([of.low, of.high], [place + BELOW] * 2, "|-", color=colour, linewidth=1.8)
    axes.plot([of.reported], [place + BELOW], "D", color="black", markersize=5)


def _stacked(values: Sequence[float]) -> list[float]:
    """Return how high each value stands above those beside it, so that none hides another."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    width = (high - low) / BINS or 1.0
    seen: dict[int, int] = {}
    heights = []
    for value in values:
        at = int((value - low) / width)
        seen[at] = seen.get(at, 0) + 1
        heights.append(seen[at])
    most = max(seen.values(), default=1)
    return [0.5 * (height - 1) / max(most - 1, 8) for height in heights]
