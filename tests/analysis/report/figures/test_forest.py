"""A forest plot read back: intervals in their rows, names that stay inside the drawing in both media."""

import math

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.forest import PITCH, Series, forest, height
from analysis.report.figures.style import GREY, MEDIA, NARROW, PURPLE, WIDE, Medium
from analysis.stats.intervals import Interval
from tests.analysis.report.figures.drawn import colour, is_close, line, x_ticks, xy, y_ticks


def interval(estimate: float, low: float = math.nan, high: float = math.nan) -> Interval:
    return Interval("t", 9, estimate, low, high, 0.95)


SERIES = [
    Series(
        "mnist", "#000000", "D", [interval(0.3, 0.25, 0.4), None, interval(-0.012, -0.03, 0.01), interval(math.nan)]
    ),
    Series("digits", PURPLE, "s", [interval(0.002, 0.001, 0.003), interval(0.05), interval(0.1, -0.2, 0.2), None]),
]
ROWS = ["all cells", "one", "two", "three"]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for found in figure.legends for text in found.get_texts()]


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_every_interval_stands_in_its_row_at_its_numbers(medium: Medium) -> None:
    drawn = forest(ROWS, SERIES, medium=medium)
    (axes,) = drawn.axes
    assert y_ticks(axes) == dict(enumerate(ROWS))
    assert is_close(axes.get_ylim(), (3.5, -0.5)), "the first row is on top"
    half = PITCH / 2 * len(ROWS) / height(ROWS, len(SERIES), medium)
    places = {"mnist": {0: -half, 2: 2 - half}, "digits": {0: half, 1: 1, 2: 2 + half}}  # alone, in the middle of a row
    for one in SERIES:
        mine = [line for line in axes.get_lines() if colour(line) == one.colour and len(line.get_xdata())]
        marks = [xy(line)[0] for line in mine if line.get_marker() == one.marker]
        bars = [tuple(xy(line)) for line in mine if line.get_marker() == "None"]
        known = {row: (one.intervals[row], y) for row, y in places[one.label].items()}
        assert is_close(marks, [(100 * found.estimate, y) for found, y in known.values() if found])
        ends = [(found, y) for found, y in known.values() if found and math.isfinite(found.low)]
        assert is_close(bars, [((100 * found.low, y), (100 * found.high, y)) for found, y in ends])
        named = line(axes, one.label)
        assert (colour(named), named.get_marker()) == (one.colour, one.marker)
    assert legend(drawn) == ["mnist", "digits"]


@pytest.mark.parametrize(("medium", "shown"), [(WIDE, (1, 2, 5, 10, 20)), (NARROW, (1, 10))])
def test_unlike_differences_are_logarithmic_beyond_a_point_and_say_so_rightly(
    medium: Medium, shown: tuple[int, ...]
) -> None:
    (axes,) = forest(ROWS, SERIES, medium=medium).axes
    assert axes.get_xscale() == "symlog"
    assert axes.xaxis.get_transform().linthresh == 1
    assert x_ticks(axes) == {0: "0"} | {sign * x: f"{sign * x:+d}" for x in shown for sign in (-1, 1)}
    places = axes.transData.transform([(x, 0) for x in (-10, -1, 0, 1, 10)])[:, 0]
    _, below, above, _ = np.diff(places)
    assert below == pytest.approx(above)
    assert places[2] == pytest.approx(axes.transData.transform((0, 0))[0])


def test_like_differences_are_linear_and_one_series_needs_no_legend() -> None:
    alike = Series("", "black", "D", [interval(0.03, 0.01, 0.05), interval(0.06, 0.05, 0.07)])
    drawn = forest(["as stated", "otherwise"], [alike])
    (axes,) = drawn.axes
    assert axes.get_xscale() == "linear"
    assert legend(drawn) == []
    assert [xy(line) for line in axes.get_lines() if line.get_marker() == "D" and len(line.get_xdata())] == [
        [(3, 0)],
        [(6, 1)],
    ]


LONG = "a-study-whose-name-goes-on-for-longer-than-anybody-would-type-it"


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
@pytest.mark.parametrize("names", [["a", "b"], ["mnist", "digits", LONG, "two words"], [*"abcdefgh"]])
def test_names_stay_inside_and_apart(names: list[str], medium: Medium) -> None:
    rows = [
        "each arm at its best",
        f"the 25 settings in common with {' and '.join(names[1:])}",
        "batch size 32, rate 0.1",
    ]
    every = [Series(name, GREY, "o", [interval(0.02 * i, 0.01, 0.3)] * len(rows)) for i, name in enumerate(names)]
    drawn = forest(rows, every, medium=medium)
    drawn.draw_without_rendering()
    (axes,) = drawn.axes
    said = [text for text in drawn.legends[0].get_texts()]
    assert {text.get_text().replace("\n", "") for text in said} == set(names)
    labels = [*said, *axes.get_yticklabels()]
    boxes = [text.get_window_extent() for text in labels]
    for box, text in zip(boxes, labels, strict=True):
        assert box.x0 >= drawn.bbox.x0, text
        assert box.x1 <= drawn.bbox.x1, text
        assert box.y1 <= drawn.bbox.y1, text
    assert not any(box.overlaps(other) for i, box in enumerate(boxes) for other in boxes[:i])
    assert _room(axes) >= 0.3 * medium.width, "the intervals have room beside the names"


def _room(axes: Axes) -> float:
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    return axes.get_window_extent().width / figure.dpi
