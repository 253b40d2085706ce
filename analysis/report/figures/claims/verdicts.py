"""The ledger as a drawing: how far inside or outside the claimed region each estimate lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.report.figures.style import BLUE, GREEN, GREY, SMALL, VERMILLION, WIDE, Medium, small_width, styled
from study.spec.claims.rules import CONTRADICTED, EXACT, NOT_REPRODUCED, REPRODUCED, SUPPORTED, UNDECIDED, Rule

LOOKS = {
    SUPPORTED: (BLUE, "o"),
    REPRODUCED: (BLUE, "D"),
    EXACT: (BLUE, "D"),
    CONTRADICTED: (VERMILLION, "s"),
    NOT_REPRODUCED: (VERMILLION, "D"),
    UNDECIDED: (GREEN, "^"),
}
"""Colour and marker by verdict; of a row that was not asked there is no mark."""
FARTHEST = 200.0
"""Half-widths to either side; what lies farther stands at the edge."""


@dataclass(frozen=True)
class Mark:
    """Where a row stands, in half-widths of its interval from the nearest bound of the claimed region: above 0
    inside."""

    low: float
    middle: float
    high: float


@dataclass(frozen=True)
class DrawnRow:
    """A line of the drawing."""

    label: str
    role: str
    """``claim``, ``statement`` of the rows below it, or ``row``."""
    verdict: str = ""
    mark: Mark | None = None
    text: str = ""
    """What stands beside a row where there is room."""


def mark_of(rule: Rule, verdict: str, estimate: float, low: float, high: float) -> Mark | None:
    """Return where an estimate with its interval stands; None where it has none, or no interval.

    An identity and a reported number have no half-width: they stand one inside or one outside.

    >>> mark_of(Rule("above", 0.5), "supported", 2.0, 1.5, 2.5), mark_of(Rule("within", 2), "undecided", -1, -3, 1)
    (Mark(low=2.0, middle=3.0, high=4.0), Mark(low=-0.5, middle=0.5, high=1.5))
    """
    if rule.kind in ("exact", "reported"):
        side = {EXACT: 1.0, REPRODUCED: 1.0, CONTRADICTED: -1.0, NOT_REPRODUCED: -1.0}.get(verdict)
        return None if side is None else Mark(side, side, side)
    half = (high - low) / 2
    if not (math.isfinite(half) and math.isfinite(estimate)) or half < 0:
        return None
    inside = -1.0 if rule.kind == "below" or (rule.kind == "within" and estimate >= 0) else 1.0
    bound = -inside * rule.bound if rule.kind == "within" else rule.bound
    places = [_over(inside * (value - bound), half) for value in (low, estimate, high)]
    return Mark(*sorted(places))


def _over(distance: float, half: float) -> float:
    far = math.copysign(FARTHEST, distance) if distance else 0.0
    return max(-FARTHEST, min(FARTHEST, distance / half)) if half else far


LINE = 0.143
"""Inches of a line of text."""
TOP, BOTTOM = 0.42, 0.6
INDENT = 9.0
"""Points by which a row stands behind its claim."""
LETTERS = 46
"""Letters of a claim in a line of the narrow drawing."""
TICKS = (-100, -10, -1, 0, 1, 10, 100)


@styled
def ledger(rows: Sequence[DrawnRow], medium: Medium = WIDE) -> Figure:
    """Draw every row below its claim, the claimed region shaded; with statements and numbers where there is room."""
    shown = [_wrapped(row) for row in rows if row.role != "statement"] if medium.stacked else [*rows]
    of_rows = [row for row in shown if row.role == "row"]
    left = 4 + INDENT + max((small_width(row.label) for row in of_rows), default=0.0)
    right = 6.0 if medium.stacked else max((small_width(row.text) for row in of_rows), default=0.0)
    n_lines = sum(row.label.count("\n") + 1 for row in shown)
    height = TOP + BOTTOM + LINE * n_lines
    figure = Figure(figsize=(medium.width, height))
    points = 72 * medium.width
    place = (left / points, BOTTOM / height, 1 - (left + right + 4) / points, LINE * n_lines / height)
    axes = figure.add_axes(place)
    _axis(axes, n_lines)
    _draw(axes, shown, left, points, is_room=not medium.stacked)
    key(figure, [row.verdict for row in of_rows], height, 3 if medium.stacked else 6)
    return figure


def _wrapped(row: DrawnRow) -> DrawnRow:
    return replace(row, label="\n".join(wrap(row.label, LETTERS))) if row.role == "claim" else row


def _axis(axes: Axes, n_lines: int) -> None:
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    axes.set(xlim=(-1.15 * FARTHEST, 1.15 * FARTHEST), ylim=(n_lines, 0))
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("half-widths inside (+) or outside (−)\nthe claimed region")


def _draw(axes: Axes, rows: Sequence[DrawnRow], left: float, points: float, is_room: bool) -> None:
    """Draw the lines from above; ``left`` are the points left of the axes, of ``points`` in all."""
    top = 0
    for row in rows:
        n = row.label.count("\n") + 1
        middle = top + n / 2
        if row.role == "claim":
            whole = axes.get_position().width
            ends = (-left / points / whole, (1 - left / points) / whole)
            axes.axhspan(top, top + n, *ends, facecolor=GREY, alpha=0.22, linewidth=0, clip_on=False)
        elif row.role == "row":
            axes.fill_betweenx([top, top + n], 0, 1.15 * FARTHEST, facecolor=GREY, alpha=0.13, linewidth=0)
            axes.plot([0, 0], [top, top + n], color=GREY, linewidth=0.8)
        _write(axes, middle, row, left, is_room)
        top += n


def _write(axes: Axes, middle: float, row: DrawnRow, left: float, is_room: bool) -> None:
    """Write a line's texts and draw its mark."""
    beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center", "size": SMALL}
    weight, indent = ("bold", 0.0) if row.role == "claim" else ("normal", INDENT if row.role == "row" else 0.0)
    axes.annotate(row.label, (0, middle), (-left + 4 + indent, 0), weight=weight, **beside)  # type: ignore[arg-type]
    if is_room and row.text:
        axes.annotate(row.text, (1, middle), (5, 0), **beside)  # type: ignore[arg-type]
    if row.mark is not None and row.verdict in LOOKS:
        colour, marker = LOOKS[row.verdict]
        axes.plot([row.mark.low, row.mark.high], [middle, middle], color=colour, linewidth=1.4)
        axes.plot([row.mark.middle], [middle], marker, color=colour, markersize=3.6)


def key(figure: Figure, verdicts: Sequence[str], height: float, columns: int) -> None:
    """Name the looks of the verdicts that there are, above the rows of a figure of ``height`` inches."""
    found = [verdict for verdict in LOOKS if verdict in verdicts]
    handles = [
        Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], markersize=3.6, label=name) for name in found
    ]
    if handles:
        place = (0.0, 1 - 0.04 / height)
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=place, ncols=columns, borderaxespad=0, fontsize=SMALL,
            handlelength=1.4, columnspacing=1.0,
        )  # fmt: skip
