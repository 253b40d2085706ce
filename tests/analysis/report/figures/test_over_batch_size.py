"""What the figures over the size of the test batch draw, from an ablation with planted answers."""

from collections.abc import Callable

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from analysis.findings.modes.inference_modes import Modes
from analysis.report.figures.modes.mode_looks import ORDERS
from analysis.report.figures.modes.over_batch_size import Level, Line, Point, accuracy_by_size, calibration_by_size
from analysis.report.figures.style import BLUE, MEDIA, NARROW, PURPLE, VERMILLION, WIDE, Errors, Medium
from analysis.report.sections.modes import batch_size
from analysis.report.sentences.inference import ORDERS as NAMES
from study.spec.inference.modes import parse
from tests.analysis.report.figures.drawn import colour, is_close, line, look, reads_as_accuracy, x_ticks, xy
from tests.analysis.report.figures.legible import illegible
from tests.analysis.report.figures.modes_study import BY_BATCH, LEVEL, NO_NORM, ece, percent


def drawn(make: Callable[[Modes], object], modes: Modes, medium: Medium = WIDE) -> Axes:
    figure = make(modes)
    (axes,) = figure.draw(medium=medium).axes  # type: ignore[attr-defined]
    return axes


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_an_order_of_the_test_batch_is_a_line_over_its_size_on_the_clean_images(modes: Modes, medium: Medium) -> None:
    axes = drawn(batch_size.accuracy, modes, medium)
    for order, name in NAMES.items():
        expected = [(size, 100 - percent(n)) for (_, size, of), n in BY_BATCH.items() if of == order]
        assert is_close(xy(line(axes, name)), expected)
        assert colour(line(axes, name)) == PURPLE
    assert len({str(look(line(axes, name))) for name in NAMES.values()}) == 3
    assert axes.get_xscale() == "log"
    assert {label: round(place) for place, label in x_ticks(axes).items()} == {"1": 1, "8": 8, "32": 32, "128": 128}


def test_the_axis_of_accuracy_stretches_what_lies_near_100_percent(modes: Modes) -> None:
    axes = drawn(batch_size.accuracy, modes)
    best, worst = percent(LEVEL["population", None, None]) / 100, percent(BY_BATCH["batch", 1, "shuffled"]) / 100
    assert reads_as_accuracy(axes, Errors.around([best, worst]))
    near, far = (axes.transData.transform([(8, a), (8, b)])[:, 1] for a, b in ((4, 6), (50, 52)))
    assert near[0] - near[1] > 5 * (far[0] - far[1])


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_what_knows_no_batch_is_a_level_line_with_its_name_and_number(modes: Modes, medium: Medium) -> None:
    axes = drawn(batch_size.accuracy, modes, medium)
    levels = {parse(name).label: percent(n) for (name, _, _), n in LEVEL.items()} | {"no batch norm": NO_NORM / 3.6}
    for name, accuracy in levels.items():
        assert is_close(line(axes, name).get_ydata(), [100 - accuracy] * 2)
    said = {f"{name}: {accuracy:.2f} %" for name, accuracy in levels.items()}
    named = axes.texts if medium is WIDE else axes.figure.legends[0].get_texts()
    assert said == {text.get_text() for text in named if not isinstance(text, Annotation)}
    assert (colour(line(axes, "running averages")), colour(line(axes, "no batch norm"))) == (BLUE, VERMILLION)


def test_a_batch_of_one_is_hollow_and_no_other_point_is(modes: Modes) -> None:
    axes = drawn(batch_size.accuracy, modes)
    hollow = [one for one in axes.get_lines() if one.get_markerfacecolor() == "none" and len(one.get_xdata())]
    assert [xy(one) for one in hollow] == [[(1, pytest.approx(100 - percent(36)))]]
    assert line(axes, "shuffled").get_markevery() == [1, 2, 3], "of the line itself it has no marker"


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_calibration_is_a_line_over_the_batch_and_a_level_for_saved_statistics(modes: Modes, medium: Medium) -> None:
    axes = drawn(batch_size.calibration, modes, medium)
    test_batch = [(way[1], 100 * ece(way)) for way in BY_BATCH if way[2] == "shuffled"]
    assert is_close(xy(line(axes, "test batch")), test_batch)
    assert is_close(xy(line(axes, "blended, worth 16 images")), [(1, 30), (8, 3.75)])
    assert is_close(line(axes, "running averages").get_ydata(), [0.4, 0.4])
    assert is_close(line(axes, "no batch norm").get_ydata(), [2, 2])
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "expected calibration error (%)")


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
@pytest.mark.parametrize("make", [batch_size.accuracy, batch_size.calibration])
def test_every_text_can_be_read(make: Callable[[Modes], object], modes: Modes, medium: Medium) -> None:
    assert illegible(drawn(make, modes, medium).figure) == []  # type: ignore[arg-type]


EDGES = {
    "one size": [0.5],
    "nothing wrong": [1.0, 1.0],
    "nothing right": [0.0, 0.0],
    "all at chance": [0.1, 0.1],
}


@pytest.mark.parametrize("values", EDGES.values(), ids=EDGES.keys())
@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
@pytest.mark.parametrize("draw", [accuracy_by_size, calibration_by_size])
def test_extreme_values_can_be_drawn(draw: Callable[..., Figure], values: list[float], medium: Medium) -> None:
    """Every point is inside of the axes."""
    points = [Point(8 * (i + 1), value) for i, value in enumerate(values)]
    lines = [Line("shuffled", ORDERS["shuffled"], points, "lower right")]
    figure = draw(lines, [Level("running averages", ORDERS["sorted"], values[0])], medium=medium)
    (axes,) = figure.axes
    low, high = sorted(axes.get_ylim())
    assert all(low <= y <= high for _, y in xy(line(axes, "shuffled")))
    figure.draw_without_rendering()


def test_a_label_outside_of_a_drawing_or_on_another_is_found(modes: Modes) -> None:
    """The opposite of what the other tests say, planted."""
    axes = drawn(batch_size.accuracy, modes, NARROW)
    axes.text(0, 0.5, "on the numbers of the axis", transform=axes.transAxes, ha="right")
    said = " ".join(illegible(axes.figure))  # type: ignore[arg-type]
    assert "is cut" in said
    assert "lies on" in said
