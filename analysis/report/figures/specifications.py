"""Figure of a specification curve: the estimates of all analyses, and below them what each chose."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis.findings.secondary.sensitivity import Specification
from analysis.report.figures.style import GREY, SMALL, WIDE, Medium, styled
from analysis.report.sentences.specifications import in_words

CHOICES = ("outcome", "failures", "cells", "how")
"""Fields of a specification, from the top of the matrix down."""
TICKS = (1, 2, 5, 10, 20, 50)
FAR_APART = 10
"""An estimate so many times as large as another, in size, makes the axis logarithmic beyond a point."""
ESTIMATES, CHOICE = 2.0, 0.17
"""Heights of the upper panel and of a row of the matrix, in inches."""


@styled
def specification_curve(specifications: Sequence[Specification], n_epochs: int, medium: Medium = WIDE) -> Figure:
    """Draw the estimates with their intervals from the smallest to the largest, above a matrix of the choices in which
    they differ."""
    ordered = sorted(specifications, key=lambda one: one.interval.estimate)
    values = {field: dict.fromkeys(getattr(one, field) for one in specifications) for field in CHOICES}
    options = [(field, value) for field, of_field in values.items() if len(of_field) > 1 for value in of_field]
    matrix = CHOICE * len(options)
    figure = Figure(figsize=(medium.width, ESTIMATES + matrix), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[ESTIMATES, matrix])
    _estimates(above, ordered, size=2.5 if medium.stacked else 3.5)
    _choices(below, ordered, options, in_words(n_epochs))
    return figure


def _estimates(axes: Axes, ordered: Sequence[Specification], size: float) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8)
    for x, one in enumerate(ordered):
        low, estimate, high = (100 * end for end in (one.interval.low, one.interval.estimate, one.interval.high))
        if np.isfinite([low, high]).all():
            axes.plot([x, x], [low, high], color="black", linewidth=1, alpha=0.6)
        filling = "none" if one.finds == "undecided" else "black"  # white would look full on a dark page
        axes.plot([x], [estimate], "o", color="black", markerfacecolor=filling, markersize=size)
    sizes = [abs(100 * one.interval.estimate) for one in ordered if one.interval.estimate]
    if sizes and max(sizes) > max(FAR_APART * min(sizes), 5):
        axes.set_yscale("symlog", linthresh=1)
        low, high = axes.get_ylim()
        shown = [sign * size for sign in (-1, 1) for size in TICKS if low <= sign * size <= high]
        axes.set_yticks([0, *shown], ["0", *(f"{tick:+g}" for tick in shown)])
        axes.yaxis.set_minor_locator(NullLocator())
    is_log = axes.get_yscale() == "symlog"
    axes.set_ylabel("difference (points),\nlogarithmic beyond 1" if is_log else "difference (points)")
    axes.tick_params(bottom=False, labelbottom=False)


def _choices(
    axes: Axes, ordered: Sequence[Specification], options: Sequence[tuple[str, str]], words: Mapping[str, str]
) -> None:
    for y, (field, value) in enumerate(options):
        chosen = [x for x, one in enumerate(ordered) if getattr(one, field) == value]
        axes.plot(chosen, [y] * len(chosen), "s", color="black", markersize=2)
    last = [len([*group]) for _, group in groupby(options, key=lambda option: option[0])]
    for end in np.cumsum(last)[:-1]:
        axes.axhline(end - 0.5, color=GREY, linewidth=0.5)
    axes.set_yticks(range(len(options)), [words[value] for _, value in options], size=SMALL)
    axes.set_ylim(len(options) - 0.5, -0.5)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
