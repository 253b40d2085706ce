"""The claims as lines: beside each a mark for every one of its rows, in the colour and shape of its verdict."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.report.figures.claims.verdicts import LINE, LOOKS, key
from analysis.report.figures.style import GREY, NARROW, SMALL, Medium, styled
from study.spec.claims.rules import NOT_ASKED

STEP = 5.6
"""Points from one mark to the next."""
TOP, EDGE = 0.42, 4.0
"""Inches above the lines, and points beside them."""
NO_MARK = (GREY, "x")
"""The look of a row that was not asked."""

Line = tuple[str, Sequence[str]]
"""A claim, and the verdicts of its rows."""


@styled
def overview(lines: Sequence[Line], medium: Medium = NARROW) -> Figure:
    """Draw every claim with its rows' verdicts."""
    height, width = TOP + LINE * (len(lines) + 0.5), 72 * medium.width
    figure = Figure(figsize=(medium.width, height))
    axes = figure.add_axes((0, 0, 1, LINE * (len(lines) + 0.5) / height))
    axes.set(xlim=(0, width), ylim=(len(lines) + 0.5, 0))
    axes.set_axis_off()
    first = width - EDGE - STEP * max(len(verdicts) for _, verdicts in lines)
    for middle, (text, verdicts) in enumerate(lines, 1):
        axes.text(EDGE, middle - 0.5, text, size=SMALL, va="center")
        for place, verdict in enumerate(verdicts):
            colour, marker = LOOKS.get(verdict, NO_MARK)
            axes.plot([first + STEP * place], [middle - 0.5], marker, color=colour, markersize=4)
    key(figure, [verdict for _, of in lines for verdict in of if verdict != NOT_ASKED], height, 3)
    return figure
