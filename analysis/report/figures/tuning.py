"""Figures of the trials and of the expected best score by budget."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.trials import Budget, Chosen, Trial
from analysis.records.cells import Grid, Levels
from analysis.report import number_format as fmt
from analysis.report.figures.labels import Label, label_ends
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

HEIGHT = 2.9
"""Of a panel, in inches."""
SMALLEST, LARGEST = 6.0, 45.0
"""Areas of a trial's mark, in square points."""


@styled
def expected_best(budgets: Sequence[Budget], difference: BestDifference, medium: Medium = WIDE) -> Figure:
    """Draw the expected best score of the baseline and of an arm over the number of trials, and their difference."""
    figure, (scores, gap) = medium.panels(2, HEIGHT)
    errors = Errors.around(accuracy for budget in budgets for accuracy in budget.expected)
    for budget in budgets:
        _budget(scores, budget, errors)
    stretched(scores, errors)
    scores.set_ylabel("expected best score (%)")
    _count_trials(scores, max(len(budget.expected) for budget in budgets))
    label_ends(scores, [_label(budget.arm, budget.expected[-1], errors) for budget in budgets], HEIGHT - 0.6)
    _difference(gap, difference)
    gap.set_ylabel(f"{fmt.side(budgets[1].arm)} minus {fmt.side(budgets[0].arm)} (points)")
    return figure


def _label(arm: str, accuracy: float, errors: Errors) -> Label:
    return Label(fmt.side(arm), _error(accuracy, errors), arm_style(arm)["color"])


def _budget(axes: Axes, budget: Budget, errors: Errors) -> None:
    n = np.arange(1, len(budget.expected) + 1)
    style = arm_style(budget.arm)
    low, high, expected = (
        [_error(accuracy, errors) for accuracy in of] for of in (budget.low, budget.high, budget.expected)
    )
    axes.fill_between(n, low, high, color=style["color"], alpha=0.2, lw=0)
    marks = [int(k) - 1 for k in np.unique(np.geomspace(1, len(n), 7).round())]
    axes.plot(n, expected, **style, markevery=marks, clip_on=False)


def _difference(axes: Axes, difference: BestDifference) -> None:
    estimates, n_band = 100 * np.asarray(difference.estimates), difference.up_to
    n = np.arange(1, len(estimates) + 1)
    axes.axhline(0, color=GREY, linewidth=0.8)
    if n_band:
        low, high = 100 * np.asarray(difference.low), 100 * np.asarray(difference.high)
        axes.fill_between(n[:n_band], low, high, color=GREY, alpha=0.3, lw=0)
    axes.plot(n, estimates, color="black", marker="o" if len(n) == 1 else "")
    _count_trials(axes, len(n))


def _count_trials(axes: Axes, n: int) -> None:
    logarithmic(axes, "x", [1, n])
    axes.set_xlabel("trials")
    if n == 1:
        axes.set_xticks([1])


@styled
def trial_scores(trials: Sequence[Trial], chosen: Sequence[Chosen], medium: Medium = WIDE) -> Figure:
    """Draw every trial's score over its rate: arms by colour and mark, larger for higher levels of the other factors,
    the chosen ones ringed and named at the margin."""
    figure, (axes,) = medium.panels(1, HEIGHT)
    errors = Errors.around(trial.score for trial in trials)
    grid = Grid.by_rate(trial.cell for trial in trials)
    rows, rates = grid.down(trial.cell for trial in trials), [grid.column(trial.cell) for trial in trials]
    for of_arm in chosen:
        _trials(axes, [trial for trial in trials if trial.arm == of_arm.arm], of_arm, grid, rows, errors)
    decades = 10.0 ** np.arange(np.ceil(np.log10(min(rates)) - 0.2), np.log10(max(rates)) + 0.2)
    level_axis(axes, grid.across, list(decades) or [float(f"{rates[0]:.3g}")])
    axes.tick_params(axis="x", rotation=0)
    stretched(axes, errors)
    axes.set_ylabel("score on held-out images (%)")
    label_ends(axes, [_label(one.arm, one.score, errors) for one in chosen], HEIGHT - 0.8)
    if len(rows) > 1:
        _name_areas(axes, grid, rows, figure)
    return figure


def _trials(
    axes: Axes, trials: Sequence[Trial], chosen: Chosen, grid: Grid, rows: Sequence[Levels], errors: Errors
) -> None:
    style = arm_style(chosen.arm)
    areas = [_area(rows.index(grid.row(trial.cell)), len(rows)) for trial in trials]
    rates, scores = [grid.column(trial.cell) for trial in trials], [_error(trial.score, errors) for trial in trials]
    axes.scatter(rates, scores, s=areas, color=style["color"], marker=style["marker"], alpha=0.7, lw=0, clip_on=False)
    ring: dict[str, Any] = {"s": 2.5 * LARGEST, "facecolors": "none", "edgecolors": style["color"], "clip_on": False}
    axes.scatter([grid.column(chosen.cell)], [_error(chosen.score, errors)], lw=1.6, **ring)


def _name_areas(axes: Axes, grid: Grid, rows: Sequence[Levels], figure: Figure) -> None:
    """Write below the drawing what the smallest and the largest marks are."""
    ends = (0, len(rows) - 1)
    marks = [axes.scatter([], [], s=_area(i, len(rows)), color=GREY, lw=0, label=grid.title(rows[i])) for i in ends]
    figure.legend(handles=marks, loc="outside lower center", ncols=2)


def _area(row: int, n_rows: int) -> float:
    share = row / (n_rows - 1) if n_rows > 1 else 0.5
    return SMALLEST + (LARGEST - SMALLEST) * share


def _error(accuracy: float, limits: Errors) -> float:
    return min(max(100 * (1 - accuracy), limits.lowest), limits.highest)
