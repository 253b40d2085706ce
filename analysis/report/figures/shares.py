"""Figure of the accuracies at which runs end, from the best run to the worst."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from analysis.findings.accuracy_shares import AccuracyShares
from analysis.report import number_format as fmt
from analysis.report.figures.labels import Label, label_ends
from analysis.report.figures.style import GREY, WIDE, Errors, Medium, arm_style, stretched, styled

HEIGHT = 2.6
"""Inches."""


@styled
def share_reaching(arms: Sequence[AccuracyShares], medium: Medium = WIDE) -> Figure:
    """Draw the accuracy that each share of an arm's runs reaches, and at three accuracies the limits of that share."""
    figure, (axes,) = medium.panels(1, HEIGHT)
    levels = [one.level.accuracy for one in arms[0].reaching]
    errors = Errors.around([*(accuracy for of in arms for accuracy in of.accuracies), *levels])
    for level in levels:
        axes.axhline(_error(level, errors), color=GREY, linewidth=0.8, linestyle=":")
    for place, of in enumerate(arms):
        style = arm_style(of.arm)
        runs = [_error(accuracy, errors) for accuracy in reversed(of.accuracies)]
        shares = 100 * np.arange(of.n_runs + 1) / of.n_runs
        axes.step(shares, [runs[0], *runs], where="pre", color=style["color"], linestyle=style["linestyle"])
        step = 0.008 * min(1, 8 / len(arms))  # many arms stand closer
        offset = (errors.highest / errors.lowest) ** (step * (2 * place - len(arms) + 1))  # one below another
        for one in of.reaching:
            at = offset * _error(one.level.accuracy, errors)
            axes.plot([100 * one.share.low, 100 * one.share.high], [at, at], color=style["color"], alpha=0.6)
            axes.plot([100 * one.share.estimate], [at], style["marker"], color=style["color"], clip_on=False)
    stretched(axes, errors)
    axes.set(xlim=(-2, 102), xlabel="runs, from the best to the worst (%)")
    axes.set_ylabel("test accuracy (%),\nstretched towards 100")
    labels = [Label(fmt.side(of.arm), _error(of.accuracies[0], errors), arm_style(of.arm)["color"]) for of in arms]
    label_ends(axes, labels, height=HEIGHT - 0.6)
    return figure


def _error(accuracy: float, errors: Errors) -> float:
    return max(errors.lowest, 100 * (1 - accuracy))
