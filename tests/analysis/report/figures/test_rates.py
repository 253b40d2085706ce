"""What the figure of the learning rates draws: errors on an axis that calls them accuracies, and failures."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.findings.arms import ArmCell, arm_cells
from analysis.report import number_format as words
from analysis.report.figures import rates
from analysis.report.figures.style import Errors, arm_style
from study.spec.design import Design
from study.spec.runs import Run
from tests.analysis.planted import planted
from tests.analysis.report.figures.drawn import (
    colour,
    is_close,
    legend,
    line,
    look,
    reads_as_accuracy,
    title,
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


@pytest.fixture(scope="module")
def figure(cells: list[ArmCell]) -> Figure:
    return rates.robustness(cells)


def of(cells: list[ArmCell], n: int, arm: str) -> list[ArmCell]:
    """Those of a batch size by the rate."""
    return sorted((c for c in cells if (size(c), c.arm) == (n, arm)), key=rate)


def bars(axes: Axes, arm: str) -> list[Line2D]:
    return [line for line in unnamed(axes) if colour(line) == arm_style(arm)["color"] and line.get_marker() == "None"]


def test_an_accuracy_stands_where_the_axis_says_its_number(cells: list[ArmCell], figure: Figure) -> None:
    errors = Errors.around(c.accuracy.estimate for c in cells)
    for axes, n in zip(figure.axes[:3], SIZES, strict=True):
        assert title(axes) == f"batch size {n}"
        assert reads_as_accuracy(axes, errors)
        for arm in (BASELINE, ARM):
            points = line(axes, words.side(arm))
            assert look(points) == arm_style(arm)
            expected = [max(errors.lowest, 100 - 100 * c.accuracy.estimate) for c in of(cells, n, arm)]
            assert is_close(points.get_ydata(), expected)
    at_95 = line(figure.axes[SIZES.index(ROUND[0])], words.side(ARM)).get_ydata()[LRS.index(ROUND[1])]
    labels = y_ticks(figure.axes[SIZES.index(ROUND[0])])
    assert [label for error, label in labels.items() if error == pytest.approx(at_95)] == ["95"]
    assert line(figure.axes[SIZES.index(PERFECT[0])], words.side(ARM)).get_ydata()[0] == errors.lowest


def test_an_accuracy_has_its_interval_and_both_stand_at_their_rate(cells: list[ArmCell], figure: Figure) -> None:
    lowest = Errors.around(c.accuracy.estimate for c in cells).lowest
    for axes, n in zip(figure.axes[:3], SIZES, strict=True):
        for arm in (BASELINE, ARM):
            shown = of(cells, n, arm)
            x = line(axes, words.side(arm)).get_xdata()
            assert (np.abs(np.log(x / np.array(LRS))) < 0.1).all()
            expected = [
                [(at, max(lowest, 100 - 100 * end)) for end in (c.accuracy.low, c.accuracy.high)]
                for at, c in zip(x, shown, strict=True)
            ]
            assert is_close([xy(bar) for bar in bars(axes, arm)], expected)
        apart = line(axes, words.side(BASELINE)).get_xdata()[0], line(axes, words.side(ARM)).get_xdata()[0]
        assert apart[0] != apart[1], "one arm does not hide the other"


def test_the_share_that_fails_stands_below_with_its_interval(cells: list[ArmCell], figure: Figure) -> None:
    assert len({c.failing.estimate for c in cells}) > 3
    for axes, n in zip(figure.axes[3:], SIZES, strict=True):
        assert {round(place, 9): label for place, label in x_ticks(axes).items()} == {lr: show(lr) for lr in LRS}
        for arm in (BASELINE, ARM):
            shown = of(cells, n, arm)
            (points,) = (line for line in unnamed(axes) if look(line) == arm_style(arm))
            assert is_close(points.get_ydata(), [100 * c.n_failed / len(SEEDS) for c in shown])
            assert (np.abs(np.log(points.get_xdata() / np.array(LRS))) < 0.1).all()
            expected = [[100 * c.failing.low, 100 * c.failing.high] for c in shown]
            assert is_close([bar.get_ydata() for bar in bars(axes, arm)], expected)
            assert is_close([bar.get_xdata()[0] for bar in bars(axes, arm)], points.get_xdata())
        low, high = axes.get_ylim()
        assert low <= 0 < 100 <= high


def test_the_arms_are_named_once(figure: Figure) -> None:
    assert [legend(axes) for axes in figure.axes] == [None] * 2 + [[words.side(ARM), words.side(BASELINE)]] + [None] * 3


def test_one_run_has_no_interval_of_its_accuracy(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(32,), lrs=(0.1,), seeds=(3,), epochs=1)
    above, below = rates.robustness(arm_cells(planted(tmp_path / "s", design, accuracy), 0.95)).axes
    assert [bars(above, arm) for arm in (BASELINE, ARM)] == [[], []]
    assert [len(bars(below, arm)) for arm in (BASELINE, ARM)] == [1, 1]
