"""Axes and colours that several figures share."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.report.figures import style
from study.spec.arms import DEFAULT_ARMS
from study.spec.factors import FACTORS
from tests.analysis.report.figures.drawn import is_close, reads_as_accuracy, x_ticks, y_ticks


def test_the_error_e_of_a_stretched_axis_is_called_the_accuracy_100_minus_e() -> None:
    axes = Figure().subplots()
    errors = style.Errors(0.4, 60.0)
    style.stretched(axes, errors)
    assert y_ticks(axes) == {
        50: "50", 20: "80", 10: "90", 5: "95", 3: "97", 2: "98", 1: "99", 0.5: "99.5",
    }  # fmt: skip
    assert reads_as_accuracy(axes, errors)
    heights = axes.transData.transform([(1, 50), (1, 5), (1, 0.5)])[:, 1]
    assert (np.diff(heights) > 0).all(), "the better, the higher"
    assert np.diff(heights)[0] == pytest.approx(np.diff(heights)[1])


def test_a_stretched_axis_has_room_for_every_accuracy_that_has_a_place_on_it() -> None:
    found = style.Errors.around([0.9, 0.99, 1.0, 0.95])
    assert (found.lowest, found.highest) == (pytest.approx(0.8), pytest.approx(12.5))
    assert style.Errors.around([0.0, 0.5]) == style.Errors(pytest.approx(40), 100.0)
    assert style.Errors.around([1.0]).lowest < style.Errors.around([1.0]).highest


@pytest.mark.parametrize("rates", [(0.001, 0.01, 0.1), (0.02,)])
def test_a_learning_rate_is_named_in_full_at_its_place(rates: tuple[float, ...]) -> None:
    axes = Figure().subplots()
    style.level_axis(axes, FACTORS["lr"], rates)
    assert (axes.get_xscale(), axes.get_xlabel()) == ("log", "learning rate")
    assert {float(label) for label in x_ticks(axes).values()} == set(rates)
    assert all(at == pytest.approx(float(label)) for at, label in x_ticks(axes).items())
    low, high = axes.get_xlim()
    assert all(low <= rate <= high for rate in rates)


def test_a_logarithmic_axis_has_plain_numbers_for_ticks_and_is_linear_where_it_has_to_be() -> None:
    for values, scale in (([0.02, 3.0], "log"), ([2.0, 2.0], "linear"), ([0.0, 3.0], "linear")):
        axes = Figure().subplots()
        axes.plot(values, values)
        style.logarithmic(axes, "x", values)
        assert (axes.get_xscale(), axes.get_yscale()) == (scale, "linear")
        if scale == "log":
            assert all(float(label) == pytest.approx(at) for at, label in x_ticks(axes).items())
            assert {"0.05", "0.1", "1"} <= set(x_ticks(axes).values())


def luminance(colour: object) -> float:
    """Relative, as WCAG 2.2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]  # type: ignore[arg-type]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def test_the_cells_of_a_matrix_stand_as_they_are_read_and_their_text_stands_out() -> None:
    axes = Figure().subplots()
    values = np.array([[-60.0, -0.3, 0.0], [0.2, 5.0, 60.0]])
    ink = style.heat(axes, values)
    (mesh,) = axes.collections
    assert is_close(mesh.get_array(), values)
    assert is_close(sorted(axes.get_xlim()), (-0.5, 2.5))
    assert is_close(axes.get_ylim(), (1.5, -0.5)), "the first row is on top"
    grounds = [luminance(mesh.to_rgba(np.array([value]))[0][:3]) for value in values.ravel()]
    for value, ground in zip(values.ravel(), grounds, strict=True):
        light, dark = sorted((ground, luminance(ink(value))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    worse, better = (mesh.to_rgba(np.array([value]))[0] for value in (-60.0, 60.0))
    assert worse[0] > worse[2], "red"
    assert better[2] > better[0], "blue"


def test_the_arms_differ_in_colour_and_line_and_marker() -> None:
    arm_style = [style.arm_style(arm) for arm in DEFAULT_ARMS]
    for what in ("color", "linestyle", "marker"):
        assert len({look[what] for look in arm_style}) == len(DEFAULT_ARMS)


def test_equal_figures_are_equal_bytes() -> None:
    def drawn() -> bytes:
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4], label="a")
        return style.svg(figure)

    assert drawn() == drawn()
