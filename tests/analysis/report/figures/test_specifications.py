"""What the figure of all analyses draws."""

import math
from collections.abc import Sequence

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.findings.results import Results
from analysis.findings.sensitivity import Specification
from analysis.report.figures.specifications import specification_curve
from analysis.report.figures.style import arm_style
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from tests.analysis.report.figures.drawn import is_close, xy, y_ticks
from tests.analysis.report.figures.study import ARM


@pytest.fixture(scope="module")
def ordered(found: Results) -> list[Specification]:
    return sorted(found.of_arms[ARM].sensitivity.specifications, key=lambda one: one.interval.estimate)


@pytest.fixture(scope="module")
def panels(found: Results) -> Sequence[Axes]:
    return specification_curve(found.of_arms[ARM].sensitivity.specifications, ARM).axes


def test_estimates_rise_from_left_to_right_with_the_interval_of_their_own_test(
    ordered: list[Specification], panels: Sequence[Axes]
) -> None:
    dots = [line for line in panels[0].get_lines() if line.get_marker() == "o"]
    bars = [line for line in panels[0].get_lines() if line.get_marker() == "None" and len(set(line.get_xdata())) == 1]
    assert is_close([xy(dot)[0] for dot in dots], [(x, 100 * one.interval.estimate) for x, one in enumerate(ordered)])
    finite = [(x, one.interval) for x, one in enumerate(ordered) if math.isfinite(one.interval.low)]
    assert is_close([xy(bar) for bar in bars], [[(x, 100 * i.low), (x, 100 * i.high)] for x, i in finite])


def test_what_does_not_reject_is_hollow(ordered: list[Specification], panels: Sequence[Axes]) -> None:
    dots = [line for line in panels[0].get_lines() if line.get_marker() == "o"]
    fillings = [to_hex(dot.get_markerfacecolor()) for dot in dots]
    colour = arm_style(ARM)["color"]
    assert fillings == ["#ffffff" if one.finds == "undecided" else colour for one in ordered]


def test_below_each_estimate_stand_its_choices(ordered: list[Specification], panels: Sequence[Axes]) -> None:
    in_words = {"last3": "last three epochs", "final": "last epoch", "t": "t test", "sign-flip": "sign-flip test"}
    labels = y_ticks(panels[1])
    chosen: dict[int, set[str]] = {x: set() for x in range(len(ordered))}
    for line in panels[1].get_lines():
        if line.get_marker() == "s":
            for x, y in xy(line):
                chosen[round(x)].add(labels[y])
    for x, one in enumerate(ordered):
        values = (one.outcome, one.failures, one.cells, one.how)
        assert chosen[x] == {in_words.get(value, value) for value in values}


def test_unlike_estimates_are_logarithmic_beyond_a_point() -> None:
    def one(estimate: float) -> Specification:
        interval = Interval("t", 9, estimate, estimate - 0.001, estimate + 0.001, 0.95)
        test = Test("paired t", 9, 3.0, 0.01)
        return Specification("last3", "as they ended", "mean over all cells", "t", 9, interval, test, "better")

    axes = specification_curve([one(0.004), one(0.4)], ARM).axes[0]
    assert axes.get_yscale() == "symlog"
    assert set(y_ticks(axes).values()) >= {"0", "+1", "+10", "+20"}
    assert specification_curve([one(0.004), one(0.006)], ARM).axes[0].get_yscale() == "linear"
