"""Labels that stand at the lines that they name, so that no reader looks from a legend to a line and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from analysis.report.figures.style import TYPE

SMALLEST = 5.0
"""Points of a label that stands among so many that they have no room."""


@dataclass(frozen=True)
class Label:
    """A text at the right end of a line."""

    text: str
    y: float
    """Where the line ends, in the units of the axis."""
    colour: str


def label_ends(axes: Axes, labels: Sequence[Label], height: float) -> None:
    """Write every label to the right of ``axes``, which are about ``height`` inches high, at the end of its line or as
    near to it as the others leave room; call it when the limits of the axis are set."""
    size = max(SMALLEST, 72 * height / (1.2 * max(len(labels), 1)))
    smaller = {"size": size} if size < TYPE else {}
    gap = 1.2 * min(size, TYPE) / (72 * height)
    ordered = sorted(labels, key=lambda label: _fraction(axes, label.y))
    places = _apart([_fraction(axes, label.y) for label in ordered], gap)
    for label, place in zip(ordered, places, strict=True):
        style: dict[str, Any] = {"color": label.colour, "va": "center", "clip_on": False} | smaller
        axes.text(1.02, place, label.text, transform=axes.transAxes, **style)


def _fraction(axes: Axes, y: float) -> float:
    """Return a height as a share of the axes', from below, within them."""
    scaled = axes.transLimits.transform(axes.transScale.transform((axes.get_xlim()[1], y)))[1]
    return min(max(float(scaled), 0.0), 1.0)


def _apart(wanted: Sequence[float], gap: float) -> list[float]:
    """Return ascending places moved as little as keeps them ``gap`` apart: groups that touch share their displacement.

    >>> [round(place, 2) for place in _apart([0.5, 0.5, 0.9], 0.1)]
    [0.45, 0.55, 0.9]
    """
    groups: list[list[float]] = []  # of the wanted places
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and _top(groups[-2], gap) + gap > _places(groups[-1], gap)[0]:
            last = groups.pop()
            groups[-1] += last
    return [place for group in groups for place in _places(group, gap)]


def _places(group: Sequence[float], gap: float) -> list[float]:
    centre, half = sum(group) / len(group), gap * (len(group) - 1) / 2
    return [centre - half + gap * i for i in range(len(group))]


def _top(group: Sequence[float], gap: float) -> float:
    return _places(group, gap)[-1]
