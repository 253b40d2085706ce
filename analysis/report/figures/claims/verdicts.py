"""The ledger as a drawing: how far inside or outside the claimed region each estimate lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
    """A row of the drawing: of a claim, with no mark, or of a half-claim."""

    label: str
    verdict: str
    mark: Mark | None
    text: str = ""
    """What stands beside it where there is room."""
    is_claim: bool = False


def mark_of(rule: Rule, verdict: str, estimate: float, low: float, high: float) -> Mark | None:
    """Return where an estimate with its interval stands; None where it has none, or no interval.

    An identity and a reported number have no half-width: they stand one inside or one outside.

    >>> mark_of(Rule("above", 0.2), "supported", 0.5, 0.4, 0.6), mark_of(Rule("within", 2), "undecided", -1, -3, 1)
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


LINE = 0.152
"""Inches of a row."""
TOP, BOTTOM = 0.42, 0.5
TICKS = (-100, -10, -1, 0, 1, 10, 100)


@styled
def ledger(rows: Sequence[DrawnRow], medium: Medium = WIDE) -> Figure:
    """Draw every row below its claim: the claimed region is shaded; texts beside the marks where there is room."""
    left = 72 * 0.1 + max((small_width(row.label) for row in rows if not row.is_claim), default=0.0)
    right = 6.0 if medium.stacked else max((small_width(row.text) for row in rows), default=0.0)
    height = TOP + BOTTOM + LINE * len(rows)
    figure = Figure(figsize=(medium.width, height))
    axes = figure.add_axes(
        (left / 72 / medium.width, BOTTOM / height, 1 - (left + right + 4) / 72 / medium.width, LINE * len(rows) / height)
    )
    _region(axes, len(rows))
    for place, row in enumerate(rows):
        _draw(axes, place, row, left, is_room=not medium.stacked)
    _key(figure, rows, height, 3 if medium.stacked else 6)
    return figure


def _region(axes: Axes, n: int) -> None:
    axes.set_xscale("symlog", linthresh=1.0, linscale=0.8)
    axes.set(xlim=(-1.15 * FARTHEST, 1.15 * FARTHEST), ylim=(n - 0.5, -0.5))
    axes.axvspan(0, 1.15 * FARTHEST, color=GREY, alpha=0.13, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.xaxis.set_major_locator(FixedLocator(TICKS))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}" if value else "0")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("half-widths of its interval inside (+) or outside (−)\nthe claimed region")


def _draw(axes: Axes, place: int, row: DrawnRow, left: float, is_room: bool) -> None:
    """Draw a row; ``left`` are the points left of the axes."""
    beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center", "size": SMALL}
    if row.is_claim:
        axes.axhspan(place - 0.5, place + 0.5, facecolor=GREY, alpha=0.18, linewidth=0)
        axes.annotate(row.label, (0, place), (-left + 4, 0), weight="bold", **beside)  # type: ignore[arg-type]
        return
    axes.annotate(row.label, (0, place), (-left + 4, 0), **beside)  # type: ignore[arg-type]
    if is_room and row.text:
        axes.annotate(row.text, (1, place), (5, 0), **beside)  # type: ignore[arg-type]
    if row.mark is not None and row.verdict in LOOKS:
        colour, marker = LOOKS[row.verdict]
        axes.plot([row.mark.low, row.mark.high], [place, place], color=colour, linewidth=1.4)
        axes.plot([row.mark.middle], [place], marker, color=colour, markersize=3.6)


def _key(figure: Figure, rows: Sequence[DrawnRow], height: float, columns: int) -> None:
    """Name the looks of the verdicts that there are, above the rows."""
    found = [verdict for verdict in LOOKS if any(row.verdict == verdict and not row.is_claim for row in rows)]
    handles = [Line2D([], [], color=LOOKS[name][0], marker=LOOKS[name][1], markersize=3.6, label=name) for name in found]
    if handles:
        place = (0.0, 1 - 0.04 / height)
        figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=place, ncols=columns, borderaxespad=0, fontsize=SMALL,
            handlelength=1.4, columnspacing=1.0,
        )  # fmt: skip
