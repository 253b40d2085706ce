"""Where one more run would lie: all runs as points, the prediction interval, and the number that the tutorial reports."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report import number_format as fmt
from analysis.report.figures.style import WIDE, Medium, arm_style, styled


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


@styled
def predicted(arms: Sequence[Predicted], medium: Medium = WIDE) -> Figure:
    """Draw a line for each arm on one axis of accuracies."""
    figure = Figure(figsize=(medium.width, HEIGHT * len(arms) + 0.75), layout="constrained")
    axes = figure.subplots()
    for place, of in enumerate(arms):
        _draw(axes, place, of, medium)
    axes.set_ylim(len(arms) - 0.45, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("test accuracy after the last epoch (%)")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=1 if medium.stacked else 3)
    return figure


def _draw(axes: Axes, place: int, of: Predicted, medium: Medium) -> None:
    look, is_first = arm_style(of.arm), place == 0
    axes.plot(of.runs, [place - up for up in _stacked(of.runs)], ".", color=look["color"], markersize=3, alpha=0.7)
    if math.isfinite(of.low) and math.isfinite(of.high):
        label = "prediction interval of one more run" if is_first else None
        axes.plot([of.low, of.high], [place + 0.14] * 2, "|-", color=look["color"], linewidth=1.8, label=label)
    label = "reported by the tutorial" if is_first else None
    axes.plot([of.reported], [place + 0.14], "D", color="black", markersize=5, label=label)
    axes.annotate(
        fmt.side(of.arm), (of.reported, place + 0.14), (7, 0), textcoords="offset points", va="center",
        color=look["color"],
    )  # fmt: skip


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
