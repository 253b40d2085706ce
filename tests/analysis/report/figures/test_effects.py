"""What the figures of differences draw: the main one is the answer to the study's question."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.findings.results import Results, analyse
from analysis.records.scores import Scores
from analysis.report import number_format as words
from analysis.report.figures import effects
from analysis.report.figures.effects import Series
from analysis.report.figures.style import BLUE, GREY, VERMILLION, arm_style
from analysis.stats.intervals import Interval
from study.spec.design import Design
from study.spec.factors import Cell
from tests.analysis.planted import planted
from tests.analysis.report.figures import study
from tests.analysis.report.figures.drawn import colour, is_close, legend, line, texts, title, x_ticks, xy, y_ticks
from tests.analysis.report.figures.study import (
    ALPHA,
    ARM,
    BASELINE,
    CELLS,
    DIVERGING,
    LRS,
    MARGIN,
    SIZES,
    cell,
    primary,
    show,
)

SHOWN = Cell(64, 0.1)

# --- seed by seed


def pairs_of(found: Results) -> list[tuple[Scores, Contrast]]:
    """Over all cells, and in one."""
    over_cells, *in_cells = found.of_arms[ARM].scores
    (in_cell,) = (scores for scores in in_cells if cell(scores) == SHOWN)
    return [
        (over_cells, contrasts.overall(found.contrasts, ARM)),
        (in_cell, contrasts.by_cell(found.contrasts, ARM)[SHOWN]),
    ]


def expected_sides() -> list[tuple[np.ndarray, np.ndarray]]:
    """Of the baseline and of the arm by seed in percent, as planted: over all cells, and in one."""
    return [
        (100 * study.over_cells(BASELINE), 100 * study.over_cells(ARM)),
        (100 * primary(BASELINE, SHOWN), 100 * primary(ARM, SHOWN)),
    ]


def dots(axes: Axes, marker: str) -> list[list[tuple[float, float]]]:
    return [xy(line) for line in axes.get_lines() if line.get_marker() == marker]


def test_each_arm_s_scores_stand_at_its_own_name_in_its_own_colour(found: Results) -> None:
    figure = effects.seed_pairs(pairs_of(found))
    assert [title(axes) for axes in figure.axes[::2]] == ["all settings", "batch size 64, rate 0.1"]
    for axes, sides in zip(figure.axes[::2], expected_sides(), strict=True):
        assert x_ticks(axes) == {0: "without BN", 1: "with BN"}
        for x, arm in enumerate((BASELINE, ARM)):
            (drawn,) = (found for found in axes.get_lines() if found.get_marker() == arm_style(arm)["marker"])
            assert colour(drawn) == arm_style(arm)["color"]
            assert is_close(xy(drawn), [(x, score) for score in sides[x]])


def test_a_line_joins_the_two_scores_of_a_seed(found: Results) -> None:
    figure = effects.seed_pairs(pairs_of(found))
    for axes, sides in zip(figure.axes[::2], expected_sides(), strict=True):
        joining = [line for line in axes.get_lines() if line.get_linestyle() != "None"]
        assert {colour(line) for line in joining} == {GREY}
        assert is_close([xy(line) for line in joining], [[(0, a), (1, b)] for a, b in zip(*sides, strict=True)])


def test_the_differences_are_arm_minus_baseline_and_their_mean_has_the_interval_that_decides(found: Results) -> None:
    figure = effects.seed_pairs(pairs_of(found))
    for axes, (of_baseline, of_arm), (_, contrast) in zip(
        figure.axes[1::2], expected_sides(), pairs_of(found), strict=True
    ):
        d = of_arm - of_baseline
        drawn, (mean,) = dots(axes, "o"), dots(axes, "D")
        assert is_close([y for _, y in sorted(place for seeds in drawn for place in seeds)], d)
        assert all(abs(x) < 0.5 for seeds in drawn for x, _ in seeds)
        assert is_close(mean, [(1, d.mean())])
        (bar,) = (xy(line) for line in axes.get_lines() if len(line.get_xdata()) == 2 and line.get_color() == "black")
        assert contrast.joint
        assert is_close(bar, [(1, 100 * contrast.joint.ci.low), (1, 100 * contrast.joint.ci.high)])
        assert x_ticks(axes) == {0: "seeds", 1: "mean"}


def test_a_seed_of_which_a_run_does_not_learn_is_hollow(found: Results) -> None:
    (whole, _), *_ = pairs_of(found)
    axes = effects.seed_pairs(pairs_of(found)).axes[1]
    hollow = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [i for i, learned in enumerate(whole.learned) if not learned] == [1, 4]
    assert is_close([y for _, y in xy(hollow[0])], 100 * np.array(whole.differences)[[1, 4]])


def test_one_seed_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(64,), lrs=(0.1,), seeds=(2,), epochs=4)
    alone = analyse(planted(tmp_path / "s", design, study.accuracy), ALPHA, MARGIN)
    figure = effects.seed_pairs([(alone.of_arms[ARM].scores[0], contrasts.overall(alone.contrasts, ARM))])
    d = 100 * (primary(ARM, SHOWN) - primary(BASELINE, SHOWN))[2]
    axes = figure.axes[1]
    assert is_close(dots(axes, "o"), [[(0, d)]])
    assert is_close(dots(axes, "D"), [[(1, d)]])
    assert not any(len(line.get_xdata()) == 2 for line in axes.get_lines() if line.get_color() == "black")


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
            assert lines == ["✕ failed 2 | 0 of 6"]
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
