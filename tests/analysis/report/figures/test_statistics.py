"""What the figure of the statistics saved in training draws."""

from dataclasses import replace

import pytest
from matplotlib.axes import Axes

from analysis.findings.modes.inference_modes import Modes, StatisticResult
from analysis.report.figures.statistics import statistic_errors
from analysis.report.figures.style import BLUE, MEDIA, VERMILLION, Medium
from study.spec.inference.modes import parse
from tests.analysis.report.figures.drawn import colour, is_close, xy, y_ticks
from tests.analysis.report.figures.legible import illegible
from tests.analysis.report.figures.modes_study import ERRORS, MEAN_SEED


def one(modes: Modes, name: str, layer: int) -> StatisticResult:
    (result,) = (r for r in modes.statistics if (r.inference, r.layer) == (name, layer))
    return result


def errors_drawn(axes: Axes, layer: int) -> dict[float, float]:
    """Of the layer, by their height."""
    named = [line for line in axes.get_lines() if line.get_marker() == "os"[layer] and len(line.get_xdata())]
    return {y: x for line in named for x, y in xy(line)}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_a_statistic_s_error_stands_at_its_name_a_little_apart_by_layer(modes: Modes, medium: Medium) -> None:
    figure = statistic_errors(modes.statistics, medium=medium)
    of_mean, of_variance = figure.axes
    assert (of_mean.get_xlabel(), of_variance.get_xlabel()) == ("error of the mean (SD)", "error of the log variance")
    names = {label.replace("\n", " "): place for place, label in y_ticks(of_mean).items()}
    assert names.keys() == {parse("running").label, parse("cumulative_all").label}
    assert names[parse("running").label] == 0, "the first is on top"
    assert of_mean.yaxis_inverted()
    for axes, what, scale in ((of_mean, "mean_error", 1), (of_variance, "log_var_error", 2)):
        for (name, layer), error in ERRORS.items():
            drawn = {y: x for y, x in errors_drawn(axes, layer).items() if abs(y - names[parse(name).label]) < 0.5}
            ((y, x),) = drawn.items()
            assert x == pytest.approx(scale * (error + 0.01 * MEAN_SEED))
            interval = getattr(one(modes, name, layer), what)
            bars = [xy(bar) for bar in axes.get_lines() if bar.get_marker() == "None" and bar.get_ydata()[0] == y]
            assert is_close(bars, [[(interval.low, y), (interval.high, y)]])
        first, second = ({y for y in errors_drawn(axes, layer)} for layer in (0, 1))
        assert not first & second
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["layer 1", "layer 2"]
    assert not {colour(line) for line in of_mean.get_lines()} & {BLUE, VERMILLION}, "the colours of the arms"


def test_an_error_of_the_arithmetic_is_not_drawn(modes: Modes) -> None:
    tiny = replace(modes.statistics[0].mean_error, estimate=1e-15, low=0.0, high=2e-15)
    rounded = [replace(modes.statistics[0], mean_error=tiny), *modes.statistics[1:]]
    of_mean, of_variance = statistic_errors(rounded).axes
    assert [len(errors_drawn(axes, 0)) + len(errors_drawn(axes, 1)) for axes in (of_mean, of_variance)] == [3, 4]


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
@pytest.mark.parametrize("n", [1, 4])
def test_every_text_can_be_read(modes: Modes, medium: Medium, n: int) -> None:
    assert illegible(statistic_errors(modes.statistics[:n], medium=medium)) == []
