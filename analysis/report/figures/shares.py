"""Figure of the share of runs that end at an accuracy or above it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.findings.accuracy_shares import AccuracyShares
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, WIDE, Errors, Medium, arm_style, stretched, styled


@styled
def share_reaching(arms: Sequence[AccuracyShares], medium: Medium = WIDE) -> Figure:
    """Draw the share of each arm's runs over the accuracy, and at three accuracies its limits."""
    figure = Figure(figsize=(medium.width, 3.8), layout="constrained")
    axes = figure.subplots()
    levels = [one.level.accuracy for one in arms[0].reaching]
    errors = Errors.around([*(accuracy for of in arms for accuracy in of.accuracies), *levels])
    for level in levels:
        axes.axvline(100 * (1 - level), color=GREY, linewidth=0.8, linestyle=":")
    for place, of in enumerate(arms):
        style = arm_style(of.arm)
        x = [errors.highest, *np.maximum(100 * (1 - np.array(of.accuracies)), errors.lowest)]
        shares = 100 * np.arange(of.n_runs, -1, -1) / of.n_runs
        axes.step(x, shares, where="post", color=style["color"], linestyle=style["linestyle"], linewidth=2)
        axes.plot([], [], **style, linewidth=2, markersize=5, label=fmt.side(of.arm))
        offset = 1.02 ** (2 * place - len(arms) + 1)  # a factor, so that the arms stand side by side
        for one in of.reaching:
            at = offset * 100 * (1 - one.level.accuracy)
            axes.plot([at, at], [100 * one.share.low, 100 * one.share.high], color=style["color"], linewidth=1.5)
            axes.plot([at], [100 * one.share.estimate], style["marker"], color=style["color"], markersize=5)
    stretched(axes, errors, which="x")
    axes.set(
        xlabel="test accuracy (%), stretched towards 100", ylabel="runs that end there or above (%)", ylim=(-4, 104)
    )
    axes.legend(loc="lower left")
    return figure
