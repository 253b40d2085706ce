"""Accuracy by depth as small multiples: a column an activation, a row the first weights."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.claims.depth import DEFAULT, WEIGHTS, DepthPanel
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, SMALL, WIDE, Errors, Medium, arm_style, stretched, styled

HEIGHT, HEIGHT_NARROW = 1.9, 1.7


@styled
def depth_panels(panels: Sequence[DepthPanel], medium: Medium = WIDE) -> Figure:
    """Draw each arm's accuracy by depth: seeds as points, means as lines, bands over the depths."""
    is_default = [panel.weights == DEFAULT for panel in panels]
    lines = [[p for p, of in zip(panels, is_default, strict=True) if of == default] for default in (True, False)]
    filled = [line for line in lines if line]
    columns, height = max(map(len, filled)), HEIGHT_NARROW if medium.stacked else HEIGHT
    figure = Figure(figsize=(medium.width, height * len(filled) + 0.4), layout="constrained")
    grid = figure.subplots(len(filled), columns, squeeze=False, sharey=True, sharex=True)
    errors = Errors.around(
        value for panel in panels for seeds in panel.seeds.values() for row in seeds for value in row
    )
    for row, of in zip(grid, filled, strict=True):
        for axes, panel in zip(row, of, strict=False):
            _draw(axes, panel, errors, medium)
        for axes in row[len(of) :]:
            axes.remove()
        row[0].set_ylabel("accuracy (%), stretched", size=SMALL if medium.stacked else None)
    figure.supxlabel("hidden layers", size="medium")
    named = {handle.get_label(): handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]}
    figure.legend(
        handles=[*named.values()], loc="outside upper left", ncols=2 if medium.stacked else 4, handlelength=2.6
    )
    return figure


def _draw(axes: Axes, panel: DepthPanel, errors: Errors, medium: Medium) -> None:
    depths = [*dict.fromkeys(depth for line in panel.lines for depth in line.at)]
    aside = dict(zip((line.arm for line in panel.lines), _spread(len(panel.lines)), strict=True))
    stretched(axes, errors)
    for line in panel.lines:
        style = arm_style(line.arm)
        at = [depths.index(depth) + aside[line.arm] for depth in line.at]
        points = [(x, 100 * (1 - y)) for row in panel.seeds[line.arm] for x, y in zip(at, row, strict=True)]
        axes.plot(*zip(*points, strict=True), ".", color=style["color"], markersize=2.2, alpha=0.55)
        low, high = ([100 * (1 - min(1.0, value)) for value in of] for of in (line.low, line.high))
        axes.fill_between(at, low, high, color=style["color"], alpha=0.2, lw=0)
        mean = [100 * (1 - value) for value in line.mean]
        axes.plot(at, mean, **style | {"markersize": 3, "linewidth": 1.1}, label=fmt.side(line.arm))
    axes.set_xticks(range(len(depths)), [f"{depth:g}" for depth in depths])
    axes.set_xlim(-0.4, len(depths) - 0.6)
    axes.grid(axis="y", color=GREY, alpha=0.3, linewidth=0.4)
    axes.tick_params(labelsize=SMALL)
    weights = "" if panel.weights == DEFAULT else f"{WEIGHTS[panel.weights]} weights"
    between = ",\n" if medium.stacked else ", "
    axes.set_title(
        f"{panel.title}{between}{weights}" if weights else panel.title, size=SMALL if medium.stacked else None
    )


def _spread(n: int) -> list[float]:
    """Return by how much the arms stand beside their depth."""
    return [0.09 * (i - (n - 1) / 2) for i in range(n)]
