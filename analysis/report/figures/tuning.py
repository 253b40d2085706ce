"""Figures of the trials and of the expected best score by budget."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.trials import Budget, Chosen, Trial
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.figures.style import (
    GREY,
    WIDE,
    Errors,
    Medium,
    arm_style,
    level_axis,
    logarithmic,
    stretched,
    styled,
)
from analysis.stats.tuning.tuning_curves import BestDifference


@styled
def expected_best(budgets: Sequence[Budget], difference: BestDifference, medium: Medium = WIDE) -> Figure:
    """Draw the expected best score of the baseline and of an arm over the number of trials, and their difference."""
    figure = Figure(figsize=(medium.width, 3.8), layout="constrained")
    panels = figure.subplots(1, 2)
    errors = Errors.around(accuracy for budget in budgets for accuracy in budget.expected)
    for budget in budgets:
        _budget(panels[0], budget, errors)
    stretched(panels[0], errors)
    panels[0].set(xlabel="trials", ylabel="expected best score (%),\nstretched towards 100")
    logarithmic(panels[0], "x", [1, max(len(budget.expected) for budget in budgets)])
    panels[0].legend(loc="lower right")
    _difference(panels[1], difference, arm_style(budgets[-1].arm)["color"])
    return figure


def _budget(axes: Axes, budget: Budget, limits: Errors) -> None:
    n = np.arange(1, len(budget.expected) + 1)
    style = arm_style(budget.arm)
    low, high, expected = (
        np.clip(100 * (1 - np.asarray(values)), limits.lowest, limits.highest)
        for values in (budget.low, budget.high, budget.expected)
    )
    axes.fill_between(n, low, high, color=style["color"], alpha=0.2, lw=0)
    marks = [int(k) - 1 for k in np.unique(np.geomspace(1, len(n), 7).round())]
    axes.plot(n, expected, **style, linewidth=2, markersize=5, markevery=marks, label=fmt.side(budget.arm))


def _difference(axes: Axes, difference: BestDifference, colour: str) -> None:
    estimates, n_band = 100 * np.asarray(difference.estimates), difference.up_to
    n = np.arange(1, len(estimates) + 1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    if n_band:
        low, high = 100 * np.asarray(difference.low), 100 * np.asarray(difference.high)
        axes.fill_between(n[:n_band], low, high, color=colour, alpha=0.22, lw=0, label="holds for all these budgets")
        axes.legend()
    axes.plot(n, estimates, color=colour, linewidth=2)
    logarithmic(axes, "x", [1, len(n)])
    axes.set(xlabel="trials", ylabel="difference (points)")


@styled
def trial_scores(trials: Sequence[Trial], chosen: Sequence[Chosen], medium: Medium = WIDE) -> Figure:
    """Draw every trial's score over its rate, a panel an arm, fainter for lower levels of the other factors; the chosen
    one is ringed."""
    figure = Figure(figsize=(medium.width, 3.8), layout="constrained")
    panels = figure.subplots(1, len(chosen), sharex=True, sharey=True, squeeze=False)[0]
    errors = Errors.around(trial.score for trial in trials)
    grid = Grid.over(trial.cell for trial in trials)
    rows, rates = grid.down(trial.cell for trial in trials), [grid.column(trial.cell) for trial in trials]
    for axes, of_arm in zip(panels, chosen, strict=True):
        own = [trial for trial in trials if trial.arm == of_arm.arm]
        style = arm_style(of_arm.arm)
        shade = [0.25 + 0.75 * rows.index(grid.row(trial.cell)) / max(1, len(rows) - 1) for trial in own]
        shown = [_error(trial.score, errors) for trial in own]
        x = [grid.column(trial.cell) for trial in own]
        axes.scatter(x, shown, color=style["color"], marker=style["marker"], alpha=shade, s=30, lw=0)
        ring = {"s": 160, "facecolors": "none", "edgecolors": "black", "lw": 1.5}
        axes.scatter([grid.column(of_arm.cell)], [_error(of_arm.score, errors)], **ring)
        decades = 10.0 ** np.arange(np.ceil(np.log10(min(rates)) - 0.2), np.log10(max(rates)) + 0.2)
        level_axis(axes, grid.across, list(decades) or rates[:1])
        axes.set_title(fmt.side(of_arm.arm))
    stretched(panels[0], errors)
    panels[0].set_ylabel("score on held-out images (%),\nstretched towards 100")
    return figure


def _error(accuracy: float, limits: Errors) -> float:
    return min(max(100 * (1 - accuracy), limits.lowest), limits.highest)
