"""Figure of the answer: every pair, and the difference on an axis whose zero is the baseline's mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.records.scores import Scores
from analysis.report import number_format as fmt
from analysis.report.figures.style import GREY, WIDE, Medium, arm_style, styled
from analysis.stats.intervals import Interval

BASELINE, ARM, DIFFERENCES, MEAN = 0.0, 1.0, 2.0, 2.5
"""Places on the x axis."""
LEFT, RIGHT = "test accuracy (%)", "difference (points)"
"""What stands at the axes."""


@dataclass(frozen=True)
class Panel:
    """The pairs of one question of the answer."""

    title: str
    baseline: str
    arm: str
    scores: Scores
    difference: Interval
    given_learning: bool
    """Whether only pairs count in which both runs learn; the others are not drawn."""

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Whether a pair counts in the difference."""
        learned = np.array(self.scores.learned, bool)
        return learned if self.given_learning else np.ones_like(learned)


@styled
def paired_differences(panels: Sequence[Panel], medium: Medium = WIDE) -> Figure:
    """Draw each pair's two scores joined by a line, and its difference beside them with the mean and its interval.

    The zero of the differences is level with the baseline's mean, and the mean difference with the arm's (Gardner &
    Altman 1986; Ho et al. 2019, the package DABEST).
    """
    figure, every = medium.panels(len(panels), 2.6)
    side_by_side = len(panels) > 1 and not medium.stacked
    for axes, panel in zip(every, panels, strict=True):
        left, right = (not side_by_side or axes is every[end] for end in (0, -1))
        _pairs(axes, panel, LEFT if left else "", RIGHT if right else "")
        _name(axes, panel, two_lines=side_by_side)
        if len(panels) > 1:
            axes.set_title(panel.title)
    return figure


def _pairs(axes: Axes, panel: Panel, left: str, right: str) -> None:
    """Draw the pairs and the differences of a panel, with what stands at its axes."""
    sides = 100 * np.array([panel.scores.of_baseline, panel.scores.of_arm])[:, panel.counted]
    axes.plot([BASELINE, ARM], sides, color=GREY, linewidth=0.6, alpha=0.6)
    for x, arm, of_arm in zip((BASELINE, ARM), (panel.baseline, panel.arm), sides, strict=True):
        axes.plot([x] * len(of_arm), of_arm, **arm_style(arm) | {"linestyle": "none"}, markersize=3.5)
    zero = float(sides[0].mean())
    _differences(axes, panel, zero)
    axes.set(xlim=(-0.3, 2.8), ylabel=left)
    of_differences = axes.secondary_yaxis("right", functions=(partial(np.add, -zero), partial(np.add, zero)))
    of_differences.set_ylabel(right)


def _name(axes: Axes, panel: Panel, two_lines: bool) -> None:
    """Write the names of the sides, on two lines where room is short."""
    names = [fmt.side(panel.baseline), fmt.side(panel.arm)]
    shown = [name.replace(" ", "\n") for name in names] if two_lines else names
    axes.set_xticks([BASELINE, ARM, (DIFFERENCES + MEAN) / 2], [*shown, "difference"])


def _differences(axes: Axes, panel: Panel, zero: float) -> None:
    """Draw the differences above ``zero``, the baseline's mean; hollow where a run of the pair did not learn."""
    keep = panel.counted
    learned = np.array(panel.scores.learned, bool)[keep]
    d = zero + 100 * np.array(panel.scores.differences)[keep]
    low, mean, high = (zero + 100 * getattr(panel.difference, end) for end in ("low", "estimate", "high"))
    for level, x in ((zero, BASELINE), (mean, ARM)):
        axes.plot([x, MEAN + 0.25], [level, level], color=GREY, linewidth=0.7, linestyle=":")
    places = DIFFERENCES + (np.linspace(-0.2, 0.2, len(d)) if len(d) > 1 else np.zeros(1))
    for of, face in ((learned, GREY), (~learned, "white")):
        if of.any():
            axes.plot(places[of], d[of], "o", color=GREY, markerfacecolor=face, markersize=3)
    if math.isfinite(low):
        axes.plot([MEAN, MEAN], [low, high], color="black", linewidth=1.6)
    axes.plot([MEAN], [mean], "D", color="black", markersize=5)
