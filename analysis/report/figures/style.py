"""The style of every figure: matplotlib's defaults and seaborn's for as long as it is drawn, whatever the user's are.

Every figure is drawn for two widths, those of one and of two columns of a paper: the wide drawing is the page's on a
screen, the narrow one, whose panels stand below one another, a phone's. Text is 8 points in both, and the page enlarges
them. An arm differs in colour, line and marker, so that no reader needs the colour.
"""

import io
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import SymLogNorm, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from study.spec.arms import ARMS, Arm
from study.spec.factors import Factor

TYPE, SMALL = 8.0, 7.0
"""Sizes of text, in points."""


@dataclass(frozen=True)
class Medium:
    """What a figure is drawn for."""

    name: str
    width: float
    """Inches."""
    stacked: bool
    """Whether panels stand below one another."""

    def panels(self, n: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:
        """Return a figure with ``n`` panels of ``height`` inches each, beside or below one another; ``options`` are
        those of ``Figure.subplots``."""
        rows, columns = (n, 1) if self.stacked else (1, n)
        figure = Figure(figsize=(self.width, height * rows), layout="constrained")
        return figure, [*figure.subplots(rows, columns, squeeze=False, **options).flat]


WIDE, NARROW = Medium("wide", 6.75, stacked=False), Medium("narrow", 3.25, stacked=True)
MEDIA = (WIDE, NARROW)

PALETTE = [to_hex(colour) for colour in sns.color_palette("colorblind")]
BLUE, VERMILLION, GREEN, PURPLE, GREY = PALETTE[0], PALETTE[3], PALETTE[2], PALETTE[4], "#808080"
ON_LIGHT, ON_DARK = "#010101", "#ffffff"
"""Colours of text on a coloured ground, which keep theirs whatever the page's."""
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "study",
    "font.family": "sans-serif",
    "text.color": "black",
    "axes.labelcolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
    "axes.edgecolor": "black",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "font.size": TYPE,
    "axes.titlesize": TYPE,
    "axes.labelsize": TYPE,
    "xtick.labelsize": TYPE,
    "ytick.labelsize": TYPE,
    "legend.fontsize": TYPE,
    "legend.title_fontsize": TYPE,
    "legend.frameon": False,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "pdf.fonttype": 42,
}
BACKENDS = ("backend", "backend_fallback", "interactive", "toolbar", "timezone", "webagg.address", "webagg.port")
"""Settings that say where figures are shown, which these never are."""
DEFAULTS = {name: value for name, value in mpl.rcParamsDefault.items() if name not in BACKENDS}


@contextmanager
def style() -> Iterator[None]:
    """Draw in this style, and give the user's back."""
    with mpl.rc_context(cast(Any, DEFAULTS | sns.axes_style("ticks") | STYLE)):
        yield


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Return ``draw`` inside ``style``."""

    @wraps(draw)
    def inside(*arguments: Any, **options: Any) -> Figure:
        with style():
            return draw(*arguments, **options)

    return inside


HASHED = re.compile(rb'(?<=["#])([A-Za-z]+?)[0-9a-f]{10}(?=["_)])')
"""An id that matplotlib makes of a shape's numbers, whose last digits the solver of a layout does not always repeat."""


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG, equal bytes for equal figures: no date, ids by their order."""
    drawn = saved(figure, "svg", metadata={"Date": None, "Creator": None})
    numbers: dict[bytes, int] = {}
    return HASHED.sub(lambda id_: b"%s%d" % (id_[1], numbers.setdefault(id_[0], len(numbers) + 1)), drawn)


def saved(figure: Figure, form: str, **options: Any) -> bytes:
    """Return the figure as the bytes of a file of this form."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=form, **options)
    return buffer.getvalue()


FREE = {
    "color": (PURPLE, PALETTE[5], "#b58900", "#5f7f8f", "#7a8500"),
    "linestyle": ("-", "--", "-.", ":"),
    "marker": ("v", "^", "P", "X", "<", ">", "p"),
}
"""Looks of arms that bring none of their own: lists of lengths without a common divisor, so that 140 arms differ."""


def arm_style(arm: str) -> dict[str, Any]:
    """Return colour, line and marker of an arm; of one that brings none, by its place among those."""
    own = ARMS[arm]
    if own.colour != Arm.colour:
        return {"color": own.colour, "linestyle": own.line, "marker": own.marker}
    place = [one.key for one in ARMS.values() if one.colour == Arm.colour].index(arm)
    return {name: looks[place % len(looks)] for name, looks in FREE.items()}


def epoch_axis(axes: Axes, most_ticks: int = 10) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(most_ticks, integer=True, min_n_ticks=1))


@dataclass(frozen=True)
class Errors:
    """Limits of a stretched axis: test errors, in percent."""

    lowest: float
    highest: float

    @classmethod
    def around(cls, accuracies: Iterable[float]) -> "Errors":
        """Return limits a little beyond the accuracies (fractions); one of 1 has no place on a logarithmic axis."""
        errors = [100 * (1 - accuracy) for accuracy in accuracies if accuracy < 1]
        return cls(0.8 * min(errors, default=1.0), min(100.0, 1.25 * max(errors, default=50.0)))


def stretched(axes: Axes, errors: Errors, which: str = "y") -> None:
    """Make an axis of test errors (percent) logarithmic, reversed and labelled with accuracies: differences near 100 %
    can be seen beside runs at chance."""
    getattr(axes, f"set_{which}scale")("log", nonpositive="clip")
    axes.set(**{f"{which}lim": (errors.highest, errors.lowest)})
    axis = getattr(axes, f"{which}axis")
    marks = (90, 50, 20, 10, 5, 3, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
    ticks = [error for error in marks if errors.lowest <= error <= errors.highest]
    if len(ticks) < 2:
        even = MaxNLocator(4).tick_values(errors.lowest, errors.highest)
        ticks = [error for error in even if errors.lowest <= error <= errors.highest]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda error, _: f"{100 - error:.4g}"))


@dataclass(frozen=True)
class Scale:
    """Where the levels of a factor stand on an axis: at their numbers, logarithmic, where all are numbers above zero;
    else one step from the next, since a zero has no logarithm and a name no place."""

    factor: Factor
    levels: Sequence[Any]

    @property
    def is_logarithmic(self) -> bool:
        return self.factor.is_numeric and min(self.levels) > 0

    @property
    def ends(self) -> tuple[float, float]:
        """Limits with room beside the first and the last level."""
        first, last = self.place(self.levels[0]), self.place(self.levels[-1])
        if not self.is_logarithmic:
            return first - 0.5, last + 0.5
        room = 3.0 if len(self.levels) == 1 else (last / first) ** 0.12
        return first / room, last * room

    def place(self, level: Any, aside: float = 0.0) -> float:
        """Return where a level stands; ``aside`` moves it by as many steps of what stands side by side."""
        if self.is_logarithmic:
            return float(1.06**aside * level)
        return self.levels.index(level) + 0.05 * aside


def level_axis(axes: Axes, factor: Factor, levels: Sequence[Any]) -> None:
    """Make an x axis with the levels of a factor at their places."""
    scale = Scale(factor, levels)
    if scale.is_logarithmic:
        axes.set_xscale("log")
    places = [scale.place(level) for level in levels]
    axes.set_xticks(places, [factor.show(level) for level in levels], rotation=45 if len(levels) > 4 else 0)
    axes.set_xlabel(factor.axis)
    axes.xaxis.set_minor_locator(NullLocator())
    if len(levels) == 1:
        axes.set_xlim(*scale.ends)


def lines_of(words: Sequence[str], room: float) -> str:
    """Return the words, separated by commas, in as few lines of small text as are ``room`` points wide each."""
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]}, {word}" if lines else word
        lines[-1:] = [longer] if not lines or small_width(longer) <= room else [*lines[-1:], word]
    return "\n".join(lines)


def small_width(text: str) -> float:
    """Return an estimate of the width of small text, in points."""
    return 0.62 * SMALL * len(text)


def logarithmic(axes: Axes, which: str, values: Sequence[float]) -> None:
    """Make an axis logarithmic, its ticks plain numbers; leave it linear where all values are one."""
    if len(set(values)) < 2 or min(values) <= 0:
        return
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(values) < 300 * min(values) else (1,)))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


def heat(axes: Axes, values: np.ndarray, limit: float = 0.0) -> Callable[[float], str]:
    """Draw the cells of a matrix of points in colours, first row on top; return the colour of text by a cell's value.

    The scale is linear below half a point and logarithmic beyond, since one matrix holds effects of a tenth of a point
    and of seventy. It reaches to ``limit`` at least, which panels share.
    """
    limit = max(float(np.nanmax(np.abs(values), initial=0)), 1.0, limit)
    scale = SymLogNorm(linthresh=0.5, vmin=-limit, vmax=limit)
    edges = [np.arange(n + 1) - 0.5 for n in reversed(values.shape)]
    mesh = axes.pcolormesh(*edges, values, cmap="vlag_r", norm=scale, edgecolors="white", linewidth=1.5)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return lambda value: _ink(mesh.to_rgba(np.array([value]))[0]) if math.isfinite(value) else "black"


def _ink(ground: np.ndarray) -> str:
    """Return light or dark, whichever stands out more: at least 4.5 to 1 (WCAG 2.2, relative luminance)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return ON_DARK if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else ON_LIGHT
