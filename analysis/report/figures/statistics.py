"""Figure of the statistics saved in training: how far do they lie from the exact ones?"""

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.modes.inference_modes import StatisticResult
from analysis.report.figures.modes.mode_looks import BLACK, BROWN, SKY
from analysis.report.figures.style import PURPLE, WIDE, Medium, logarithmic, styled
from analysis.stats.intervals import Interval

LAYERS = ((PURPLE, "o"), (BLACK, "s"), (BROWN, "^"), (SKY, "D"))
"""Colour and marker by layer."""
ROUNDING = 1e-9
"""An error of a statistic, in standard deviations, below which it is that of the arithmetic and is not drawn."""
ERRORS = {"mean_error": "error of the mean (SD)", "log_var_error": "error of the log variance"}


@styled
def statistic_errors(results: Sequence[StatisticResult], medium: Medium = WIDE) -> Figure:
    """Draw how far each statistic from training lies from the population's, by layer."""
    names = list(dict.fromkeys(result.mode.label for result in results))
    figure, panels = medium.panels(2, 0.8 + 0.4 * len(names), sharey=True)
    for axes, (what, title) in zip(panels, ERRORS.items(), strict=True):
        drawn = [result for result in results if getattr(result, what).estimate >= ROUNDING]
        for result in drawn:
            place = names.index(result.mode.label) + 0.15 * (result.layer - 0.5)
            _point(axes, getattr(result, what), place, *LAYERS[result.layer % len(LAYERS)])
        axes.set_xlabel(title)
        logarithmic(axes, "x", [getattr(result, what).estimate for result in drawn])
        axes.set_yticks(range(len(names)), [fill(name, 20) for name in names])
        axes.set_ylim(len(names) - 0.5, -0.5)
    for layer in sorted({result.layer for result in results}):
        colour, marker = LAYERS[layer % len(LAYERS)]
        panels[0].plot([], [], marker, color=colour, label=f"layer {layer + 1}")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=4, borderpad=0)
    return figure


def _point(axes: Axes, error: Interval, place: float, colour: str, marker: str) -> None:
    axes.plot([error.low, error.high], [place, place], color=colour, linewidth=1.2)
    axes.plot(error.estimate, place, marker, color=colour)
