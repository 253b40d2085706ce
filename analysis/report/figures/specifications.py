"""Figure of a specification curve: the estimates of all analyses, and below them what each chose."""

from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.findings.sensitivity import Specification
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, arm_style, styled

CHOICES = ("outcome", "failures", "cells", "how")
"""Fields of a specification, from the top of the matrix down."""
IN_WORDS = {"last3": "last three epochs", "final": "last epoch", "t": "t test", "sign-flip": "sign-flip test"}
TICKS = (1, 2, 5, 10, 20, 50)
FAR_APART = 10
"""An estimate so many times as large as another, in size, makes the axis logarithmic beyond a point."""


@styled
def specification_curve(specifications: Sequence[Specification], arm: str, medium: Medium = WIDE) -> Figure:
    """Draw the estimates with their intervals from the smallest to the largest, above a matrix of choices."""
    ordered = sorted(specifications, key=lambda one: one.interval.estimate)
    values = {field: dict.fromkeys(getattr(one, field) for one in specifications) for field in CHOICES}
    options = [(field, value) for field, of_field in values.items() for value in of_field]
    figure = Figure(figsize=(medium.width, 3.2 + 0.24 * len(options)), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 0.24 * len(options)])
    _estimates(above, ordered, arm_style(arm)["color"])
    _choices(below, ordered, options)
    return figure


def _estimates(axes: Axes, ordered: Sequence[Specification], colour: str) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8)
    for x, one in enumerate(ordered):
        low, estimate, high = (100 * end for end in (one.interval.low, one.interval.estimate, one.interval.high))
        if np.isfinite([low, high]).all():
            axes.plot([x, x], [low, high], color=colour, linewidth=1, alpha=0.6)
        filling = "white" if one.finds == "undecided" else colour
        axes.plot([x], [estimate], "o", color=colour, markerfacecolor=filling, markersize=4)
    sizes = [abs(100 * one.interval.estimate) for one in ordered if one.interval.estimate]
    if sizes and max(sizes) > max(FAR_APART * min(sizes), 5):
        axes.set_yscale("symlog", linthresh=1)
        low, high = axes.get_ylim()
        shown = [sign * size for sign in (-1, 1) for size in TICKS if low <= sign * size <= high]
        axes.set_yticks([0, *shown], ["0", *(f"{tick:+g}" for tick in shown)])
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel("difference (points)")
    axes.tick_params(bottom=False, labelbottom=False)


def _choices(axes: Axes, ordered: Sequence[Specification], options: Sequence[tuple[str, str]]) -> None:
    for y, (field, value) in enumerate(options):
        chosen = [x for x, one in enumerate(ordered) if getattr(one, field) == value]
        axes.plot(chosen, [y] * len(chosen), "s", color="black", markersize=2.5)
    last = [len([*group]) for _, group in groupby(options, key=lambda option: option[0])]
    for end in np.cumsum(last)[:-1]:
        axes.axhline(end - 0.5, color=GREY, linewidth=0.5)
    axes.set_yticks(range(len(options)), [IN_WORDS.get(value, value) for _, value in options], size=SMALL)
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
