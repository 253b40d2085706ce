"""Whether every text of a drawing can be read: inside it, and on no other one."""

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

SLACK = 1.0
"""Pixels, of 100 an inch, by which texts may overlap."""


def illegible(figure: Figure) -> list[str]:
    """What is cut, or lies upon another text; tilted labels, whose boxes are larger than they are, may overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [(text, text.get_window_extent(canvas.get_renderer())) for text in _texts(figure)]
    page = figure.bbox
    cut = [f"{text.get_text()!r} is cut" for text, box in boxes if not _inside(box, page)]
    straight = [(text, box) for text, box in boxes if text.get_rotation() in (0, 90)]
    pairs = [(a, b) for (a, one), (b, other) in combinations(straight, 2) if _meet(one, other)]
    return cut + [f"{a.get_text()!r} lies on {b.get_text()!r}" for a, b in pairs]


def _texts(figure: Figure) -> list[Text]:
    found = [text for legend in figure.legends for text in legend.get_texts()]
    for axes in figure.axes:
        found += [*axes.texts, *_titles(axes), axes.xaxis.label, axes.yaxis.label]
        found += [label for axis in (axes.xaxis, axes.yaxis) for label in _tick_labels(axis)]
        found += axes.get_legend().get_texts() if axes.get_legend() else []
    return [text for text in found if text.get_visible() and text.get_text()]


def _titles(axes: Axes) -> list[Text]:
    return [
        child for child in axes.get_children() if isinstance(child, Text) and child.get_text() == axes.get_title("left")
    ]


def _tick_labels(axis: Axis) -> list[Text]:
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def _inside(box: Bbox, page: Bbox) -> bool:
    ends = (box.x0 - page.x0, box.y0 - page.y0, page.x1 - box.x1, page.y1 - box.y1)
    return min(ends) >= -SLACK


def _meet(one: Bbox, other: Bbox) -> bool:
    wide = min(one.x1, other.x1) - max(one.x0, other.x0)
    high = min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide > SLACK and high > SLACK
