"""What the figures of differences draw: the main one is the answer to the study's question."""

import math
from pathlib import Path

import numpy as np
import pytest

from analysis.findings import contrasts
from analysis.findings.results import Results, analyse
from analysis.report import number_format as words
from analysis.report.figures import effects
from analysis.report.figures.effects import Series
from analysis.report.figures.style import BLUE, VERMILLION
from analysis.stats.intervals import Interval
from study.spec.design import Design
from study.spec.factors import Cell
from tests.analysis.planted import planted
from tests.analysis.report.figures import study
from tests.analysis.report.figures.drawn import colour, is_close, legend, line, texts, x_ticks, xy, y_ticks
from tests.analysis.report.figures.study import (
    ALPHA,
    ARM,
    BASELINE,
    CELLS,
    DIVERGING,
    LRS,
    MARGIN,
    SIZES,
    primary,
    show,
)

# --- over the grid


def test_a_cell_of_the_map_says_its_own_difference_interval_and_failures(found: Results) -> None:
    cells = contrasts.by_cell(found.contrasts, ARM)
    (axes,) = effects.effect_map(cells).axes
    assert x_ticks(axes) == {i: show(lr) for i, lr in enumerate(LRS)}
    assert y_ticks(axes) == {i: str(size) for i, size in enumerate(SIZES)}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("learning rate", "batch size")
    (mesh,) = axes.collections
    means = [100 * (primary(ARM, at) - primary(BASELINE, at)).mean() for at in CELLS if at != DIVERGING]
    assert is_close(mesh.get_array().compressed(), means)
    assert mesh.get_array().mask.sum() == 1  # no colour where an arm does not learn
    written: dict[Cell, list[str]] = {key: [] for key in CELLS}
    for x, y, text in texts(axes):
        assert x == round(x)
        written[CELLS[len(LRS) * round(y) + round(x)]].append(text)
    for key, lines in written.items():
        if key == DIVERGING:
            assert lines == ["failed 2 | 0 of 6"]
            continue
        d = primary(ARM, key) - primary(BASELINE, key)
        joint = cells[key].joint
        assert joint
        low, high = joint.ci.low, joint.ci.high
        assert lines == [words.points(d.mean(), words.digits(low, high)), words.interval(low, high)]
    assert len({lines[0] for lines in written.values()}) > 4


def test_the_map_has_no_interval_where_there_is_none(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32, 64), lrs=(0.01,), seeds=(2,), epochs=4)
    alone = analyse(planted(tmp_path / "s", design, study.accuracy), ALPHA, MARGIN)
    (axes,) = effects.effect_map(contrasts.by_cell(alone.contrasts, ARM)).axes
    d = [100 * (primary(ARM, at) - primary(BASELINE, at))[2] for at in (Cell(32, 0.01), Cell(64, 0.01))]
    assert texts(axes) == [(0, 0, f"{d[0]:+.2f}"), (0, 1, f"{d[1]:+.2f}")]


# --- one below the other


def interval(estimate: float, low: float = math.nan, high: float = math.nan) -> Interval:
    return Interval("t", 9, estimate, low, high, 0.95)


WIDE = [
    Series("here", BLUE, "o", [interval(0.3, 0.25, 0.4), None, interval(-0.012, -0.03, 0.01), interval(math.nan)]),
    Series("there", VERMILLION, "s", [interval(0.002, 0.001, 0.003), interval(0.05), interval(0.1, -0.2, 0.2), None]),
]
ROWS = ["all cells", "one", "two", "three"]


def test_every_interval_of_a_forest_stands_in_its_row_at_its_numbers() -> None:
    (axes,) = effects.forest(ROWS, WIDE).axes
    assert y_ticks(axes) == dict(enumerate(ROWS))
    assert is_close(axes.get_ylim(), (3.5, -0.5)), "the first row is on top"
    for one, side in zip(WIDE, (-1, 1), strict=True):
        mine = [line for line in axes.get_lines() if colour(line) == one.colour and len(line.get_xdata())]
        estimates = {round(xy(line)[0][1]): xy(line) for line in mine if line.get_marker() == one.marker}
        bars = {round(xy(line)[0][1]): xy(line) for line in mine if line.get_marker() == "None"}
        known = {row: found for row, found in enumerate(one.intervals) if found and not math.isnan(found.estimate)}
        assert estimates.keys() == known.keys()
        assert bars.keys() == {row for row, found in known.items() if math.isfinite(found.low)}
        for row, found in known.items():
            y = row + side * 0.18
            assert is_close(estimates[row], [(100 * found.estimate, y)])
            assert row not in bars or is_close(bars[row], [(100 * found.low, y), (100 * found.high, y)])
        named = line(axes, one.label)
        assert (colour(named), named.get_marker()) == (one.colour, one.marker)
    assert legend(axes) == ["here", "there"]


def test_a_forest_of_unlike_differences_is_logarithmic_beyond_a_point_and_says_so_rightly() -> None:
    (axes,) = effects.forest(ROWS, WIDE).axes
    assert axes.get_xscale() == "symlog"
    assert axes.xaxis.get_transform().linthresh == 1
    ticks = x_ticks(axes)
    assert ticks == {
        float(label): label for label in ("-20", "-10", "-5", "-2", "-1", "0", "+1", "+2", "+5", "+10", "+20")
    }
    places = axes.transData.transform([(x, 0) for x in (-10, -1, 0, 1, 10)])[:, 0]
    left, below, above, right = np.diff(places)
    assert below == pytest.approx(above)
    assert left == pytest.approx(right)
    assert places[2] == pytest.approx(axes.transData.transform((0, 0))[0])


def test_a_forest_of_like_differences_is_linear_and_one_series_needs_no_legend() -> None:
    alike = Series("", "black", "D", [interval(0.03, 0.01, 0.05), interval(0.06, 0.05, 0.07)])
    (axes,) = effects.forest(["as stated", "otherwise"], [alike]).axes
    assert axes.get_xscale() == "linear"
    assert legend(axes) is None
    assert [xy(line) for line in axes.get_lines() if line.get_marker() == "D" and len(line.get_xdata())] == [
        [(3, 0)],
        [(6, 1)],
    ]
