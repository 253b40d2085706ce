"""What a figure shows, read back from it."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray

from analysis.report.figures.style import Errors

Floats = NDArray[np.float64]


def is_close(found: ArrayLike, expected: ArrayLike) -> bool:
    """Number by number; NaN where NaN is expected."""
    found, expected = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    return found.shape == expected.shape and np.allclose(found, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def title(axes: Axes) -> str:
    return axes.get_title(loc="left")


def panels(figure: Figure) -> dict[str, Axes]:
    """By their titles, in the order in which they were made."""
    return {title(axes): axes for axes in figure.axes}


def place(axes: Axes) -> tuple[int, int]:
    """Row and column among the panels."""
    spec = axes.get_subplotspec()
    assert spec
    return spec.rowspan.start, spec.colspan.start


def legend(axes: Axes) -> list[str] | None:
    found = axes.get_legend()
    return found and [text.get_text() for text in found.get_texts()]


def x_ticks(axes: Axes) -> dict[float, str]:
    """The labels by their places; panels that share an axis share these, and one of them shows them."""
    return _ticks(axes.xaxis)


def y_ticks(axes: Axes) -> dict[float, str]:
    return _ticks(axes.yaxis)


def _ticks(axis: Axis) -> dict[float, str]:
    places = [float(place) for place in axis.get_majorticklocs()]
    return dict(zip(places, axis.get_major_formatter().format_ticks(places), strict=True))


def line(axes: Axes, label: str) -> Line2D:
    """The one that the legend calls so."""
    (found,) = (line for line in axes.get_lines() if line.get_label() == label)
    return found


def colour(line: Line2D) -> str:
    return to_hex(line.get_color())


def xy(line: Line2D) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]


def look(line: Line2D) -> dict[str, object]:
    """As ``style.arm_style`` has it."""
    return {"color": colour(line), "linestyle": line.get_linestyle(), "marker": line.get_marker()}


def unnamed(axes: Axes) -> list[Line2D]:
    """The lines that no legend names, in the order of drawing."""
    return [line for line in axes.get_lines() if str(line.get_label()).startswith("_")]


def bands(axes: Axes) -> list[PolyCollection]:
    return [found for found in axes.collections if isinstance(found, PolyCollection)]


def filling(band: PolyCollection) -> str:
    return to_hex(band.get_facecolor()[0])


def ends(band: PolyCollection) -> Floats:
    """Rows of x, low, high: what a filled band covers."""
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    at = np.unique(corners[:, 0])
    ys = [corners[corners[:, 0] == x, 1] for x in at]
    return np.array([at, [y.min() for y in ys], [y.max() for y in ys]])


def texts(axes: Axes) -> list[tuple[float, float, str]]:
    """What is written inside, by x and y, from left to right and from top to bottom of the page."""
    written = [text for text in axes.texts if text.get_text() and not isinstance(text, Annotation)]
    found = [(*map(float, text.get_position()), text.get_text()) for text in written]
    down = -1 if axes.yaxis_inverted() else 1
    return sorted(found, key=lambda text: (text[0], -down * text[1]))  # type: ignore[return-value]


def annotations(axes: Axes) -> dict[str, tuple[float, float]]:
    return {text.get_text(): tuple(map(float, text.xy)) for text in axes.texts if isinstance(text, Annotation)}  # type: ignore[misc]


def reads_as_accuracy(axes: Axes, errors: Errors) -> bool:
    """Whether the y axis runs between ``errors``, upside down and logarithmic, and calls an error e 100 - e."""
    labels = y_ticks(axes)
    right = all(abs(float(label) - (100 - error)) < 1e-9 for error, label in labels.items())
    inside = all(errors.lowest <= error <= errors.highest for error in labels)
    limits = is_close(axes.get_ylim(), (errors.highest, errors.lowest))
    return right and inside and limits and len(labels) > 1 and axes.get_yscale() == "log"
