"""What the figure of the learning rates draws: errors on an axis that calls them accuracies, and failures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.findings.arms import ArmCell, arm_cells
from analysis.report import number_format as words
from analysis.report.figures import rates
from analysis.report.figures.style import MEDIA, NARROW, WIDE, Errors, Medium, arm_style
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted
from tests.analysis.report.figures.drawn import (
    annotations,
    colour,
    is_close,
    legend,
    line,
    look,
    panels,
    place,
    reads_as_accuracy,
    texts,
    unnamed,
    x_ticks,
    xy,
    y_ticks,
)
from tests.analysis.report.figures.study import ARM, BASELINE, rate, show, size

SIZES, LRS, SEEDS = (32, 64, 128), (0.01, 0.1), (0, 1, 2, 3)
PERFECT, ROUND = (64, 0.01, ARM), (128, 0.1, ARM)
"""Where every run scores 100 %, and 95 %."""


def accuracy(run: Run, epoch: int) -> float | None:
    at = (size(run), rate(run), run.arm)
    if at in (PERFECT, ROUND):
        return 1.0 if at == PERFECT else 342 / 360
    i, j = SIZES.index(at[0]), LRS.index(at[1])
    n_failing = 2 * i - 2 * j + (run.arm == BASELINE)
    return None if run.seed < n_failing else (300 + 3 * i + 20 * j + 5 * (run.arm == ARM) + run.seed) / 360


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[ArmCell]:
    design = Design("digits", batch_sizes=SIZES, lrs=LRS, seeds=SEEDS, epochs=1)
    return arm_cells(planted(tmp_path_factory.mktemp("results") / "s", design, accuracy), 0.95)


@pytest.fixture(scope="module", params=MEDIA, ids=lambda medium: medium.name)
def figure(cells: list[ArmCell], request: pytest.FixtureRequest) -> Figure:
    return rates.robustness(cells, medium=request.param)


def of(cells: list[ArmCell], n: int, arm: str) -> list[ArmCell]:
    """Those of a batch size by the rate."""
    return sorted((c for c in cells if (size(c), c.arm) == (n, arm)), key=rate)


def above(figure: Figure) -> list[Axes]:
    """The panels of accuracies, by the batch size."""
    return [panels(figure)[f"batch size {n}"] for n in SIZES]


def limits(cells: list[ArmCell]) -> Errors:
    """Those of the accuracies, with room below for words."""
    errors = Errors.around(c.accuracy.estimate for c in cells)
    return Errors(errors.lowest, errors.highest * (errors.highest / errors.lowest) ** 0.15)


def bars(axes: Axes, arm: str) -> list[Line2D]:
    return [line for line in unnamed(axes) if colour(line) == arm_style(arm)["color"] and line.get_marker() == "None"]


def hollow(axes: Axes, arm: str) -> list[float]:
    """Where the points with failures are drawn, by x."""
    points = [line for line in unnamed(axes) if line.get_marker() == arm_style(arm)["marker"]]
    white = [line for line in points if to_hex(line.get_markerfacecolor()) == "#ffffff"]  # type: ignore[arg-type]
    return sorted(xy(line)[0][0] for line in white)


def test_an_accuracy_stands_where_the_axis_says_its_number(cells: list[ArmCell], figure: Figure) -> None:
    errors = limits(cells)
    for axes, n in zip(above(figure), SIZES, strict=True):
        assert reads_as_accuracy(axes, errors)
        for arm in (BASELINE, ARM):
            points = line(axes, words.side(arm))
            assert look(points) == arm_style(arm)
            expected = [max(errors.lowest, 100 - 100 * c.accuracy.estimate) for c in of(cells, n, arm)]
            assert is_close(points.get_ydata(), expected)
            assert (np.abs(np.log(points.get_xdata() / np.array(LRS))) < 0.1).all()
    at_95 = line(above(figure)[SIZES.index(ROUND[0])], words.side(ARM)).get_ydata()[LRS.index(ROUND[1])]
    labels = y_ticks(above(figure)[SIZES.index(ROUND[0])])
    assert [label for error, label in labels.items() if error == pytest.approx(at_95)] == ["95"]
    assert line(above(figure)[SIZES.index(PERFECT[0])], words.side(ARM)).get_ydata()[0] == errors.lowest


def test_an_accuracy_has_its_interval_and_one_arm_does_not_hide_the_other(cells: list[ArmCell], figure: Figure) -> None:
    errors = limits(cells)
    for axes, n in zip(above(figure), SIZES, strict=True):
        for arm in (BASELINE, ARM):
            shown = of(cells, n, arm)
            ends = [[100 - 100 * end for end in (c.accuracy.low, c.accuracy.high)] for c in shown]
            inside = np.clip(ends, errors.lowest, errors.highest)
            x = line(axes, words.side(arm)).get_xdata()
            assert is_close([xy(bar) for bar in bars(axes, arm)], [[(at, e) for e in y] for at, y in zip(x, inside)])  # noqa: B905
        apart = line(axes, words.side(BASELINE)).get_xdata()[0], line(axes, words.side(ARM)).get_xdata()[0]
        assert apart[0] != apart[1]


def test_a_point_is_hollow_where_runs_failed_and_nowhere_else(cells: list[ArmCell], figure: Figure) -> None:
    assert 0 < sum(c.n_failed > 0 for c in cells) < len(cells)
    for axes, n in zip(above(figure), SIZES, strict=True):
        for arm in (BASELINE, ARM):
            x = line(axes, words.side(arm)).get_xdata()
            failed = [at for at, c in zip(x, of(cells, n, arm), strict=True) if c.n_failed]
            assert is_close(hollow(axes, arm), failed)


def test_few_failures_are_counted_at_their_points_and_many_in_a_panel_below(
    cells: list[ArmCell], figure: Figure
) -> None:
    for axes, n in zip(above(figure)[:2], SIZES, strict=False):
        failing = [c for arm in (BASELINE, ARM) for c in of(cells, n, arm) if c.n_failed]
        assert sorted(annotations(axes)) == sorted(f"{c.n_failed} of {c.n} failed" for c in failing)
        for c in failing:
            at = annotations(axes)[f"{c.n_failed} of {c.n} failed"]
            assert at[1] == pytest.approx(100 - 100 * c.accuracy.estimate)
    (below,) = (axes for axes in figure.axes if axes not in above(figure))
    assert annotations(above(figure)[2]) == {}
    assert {round(place, 9): label for place, label in x_ticks(below).items()} == {lr: show(lr) for lr in LRS}
    for arm in (BASELINE, ARM):
        shown = of(cells, 128, arm)
        (points,) = (line for line in unnamed(below) if look(line) == arm_style(arm))
        assert is_close(points.get_ydata(), [100 * c.n_failed / len(SEEDS) for c in shown])
        expected = [[100 * c.failing.low, 100 * c.failing.high] for c in shown]
        assert is_close([bar.get_ydata() for bar in bars(below, arm)], expected)
        assert is_close([bar.get_xdata()[0] for bar in bars(below, arm)], points.get_xdata())


def test_without_failures_there_is_no_panel_of_zeros_and_no_hollow_point(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32, 64), lrs=LRS, seeds=SEEDS, epochs=1)
    cells = arm_cells(planted(tmp_path / "s", design, lambda run, epoch: 0.9 - 0.01 * run.seed), 0.95)
    figure = rates.robustness(cells)
    assert len(figure.axes) == 2
    assert not rates.has_shares(cells)
    assert [hollow(axes, arm) for axes in figure.axes for arm in (BASELINE, ARM)] == [[]] * 4


@pytest.mark.parametrize(("medium", "n_labelled"), [(WIDE, 1), (NARROW, 3)], ids=["wide", "narrow"])
def test_each_arm_is_named_at_its_line_s_end(medium: Medium, n_labelled: int, cells: list[ArmCell]) -> None:
    figure = rates.robustness(cells, medium=medium)
    named = [sorted(text for *_, text in texts(axes)) for axes in above(figure)]
    assert named[-n_labelled:] == [sorted([words.side(ARM), words.side(BASELINE)])] * n_labelled
    assert named[:-n_labelled] == [[]] * (3 - n_labelled)
    assert [legend(axes) for axes in figure.axes] == [None] * 4


def test_an_arm_that_the_last_panel_lacks_is_named_in_another(cells: list[ArmCell]) -> None:
    figure = rates.robustness([c for c in cells if (size(c), c.arm) != (128, ARM)])
    named = [[text for *_, text in texts(axes)] for axes in above(figure)]
    assert named == [[words.side(ARM)], [], [words.side(BASELINE)]]


def test_the_drawing_has_lines_of_three_panels_and_the_narrow_one_of_one(cells: list[ArmCell]) -> None:
    five = [replace(c, cell=Cell(n, rate(c))) for n in (8, 16, 32, 64, 128) for c in cells if size(c) == 32]
    wide, narrow = (rates.robustness(five, medium=medium) for medium in MEDIA)
    assert [place(axes) for axes in wide.axes] == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert [place(axes) for axes in narrow.axes] == [(row, 0) for row in range(5)]


def test_one_run_has_no_interval_of_its_accuracy_and_an_axis_with_numbers(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.1,), seeds=(3,), epochs=1)
    (axes,) = rates.robustness(arm_cells(planted(tmp_path / "s", design, accuracy), 0.95)).axes
    assert [bars(axes, arm) for arm in (BASELINE, ARM)] == [[], []]
    assert len(y_ticks(axes)) > 1
