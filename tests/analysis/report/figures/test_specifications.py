"""What the figure of all analyses draws."""

import math
from collections.abc import Sequence

import pytest
from matplotlib.axes import Axes

from analysis.findings.results import Results
from analysis.findings.secondary import sensitivity
from analysis.findings.secondary.sensitivity import Specification
from analysis.records.tables import ENDPOINTS
from analysis.report.figures.specifications import specification_curve
from analysis.report.figures.style import MEDIA
from analysis.report.sentences.specifications import in_words
from analysis.stats.intervals import Interval
from analysis.stats.paired_tests import Test
from tests.analysis.report.figures.drawn import is_close, xy, y_ticks
from tests.analysis.report.figures.study import ARM


@pytest.fixture(scope="module")
def ordered(found: Results) -> list[Specification]:
    return sorted(found.of_arms[ARM].sensitivity.specifications, key=lambda one: one.interval.estimate)


@pytest.fixture(scope="module", params=MEDIA, ids=lambda medium: medium.name)
def panels(found: Results, request: pytest.FixtureRequest) -> Sequence[Axes]:
    return specification_curve(found.of_arms[ARM].sensitivity.specifications, 4, medium=request.param).axes


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
    fillings = [dot.get_markerfacecolor() for dot in dots]
    assert fillings == ["none" if one.finds == "undecided" else "black" for one in ordered]
    assert len({*fillings}) == 2


IN_WORDS = {
    "last3": "last three epochs",
    "final": "last epoch",
    "as they ended": "failures as they ended",
    "a failed run scores 0": "failures score 0",
    "pairs in which both learn": "both runs learned",
    "pairs in which neither diverged": "neither run diverged",
    "mean over all cells": "mean over all settings",
    "median over all cells": "median over all settings",
    "cells without a failure": "settings without failures",
    "the tutorial's cell": "the tutorial's setting",
    "t": "t test",
    "sign-flip": "sign-flip test",
    "Wilcoxon": "Wilcoxon test",
}


def test_below_each_estimate_stand_its_choices(ordered: list[Specification], panels: Sequence[Axes]) -> None:
    labels = y_ticks(panels[1])
    chosen: dict[int, set[str]] = {x: set() for x in range(len(ordered))}
    for line in panels[1].get_lines():
        if line.get_marker() == "s":
            for x, y in xy(line):
                chosen[round(x)].add(labels[y])
    for x, one in enumerate(ordered):
        values = (one.outcome, one.failures, one.cells, one.how)
        assert chosen[x] == {IN_WORDS[value] for value in values}


def test_every_choice_has_words() -> None:
    words = in_words(4)
    assert words == IN_WORDS
    assert words.keys() >= {*sensitivity.FAILURES, *sensitivity.TESTS, *ENDPOINTS}


def one(estimate: float, cells: str = "mean over all cells", how: str = "t") -> Specification:
    interval = Interval("t", 9, estimate, estimate - 0.001, estimate + 0.001, 0.95)
    test = Test("paired t", 9, 3.0, 0.01)
    return Specification("last3", "as they ended", cells, how, 9, interval, test, "better")


def test_choices_without_an_alternative_are_not_drawn() -> None:
    axes = specification_curve([one(0.01), one(0.02, how="Wilcoxon")], 1).axes[1]
    assert [*y_ticks(axes).values()] == ["t test", "Wilcoxon test"]


def test_unlike_estimates_are_logarithmic_beyond_a_point() -> None:
    axes = specification_curve([one(0.004), one(0.4, how="Wilcoxon")], 4).axes[0]
    assert axes.get_yscale() == "symlog"
    assert set(y_ticks(axes).values()) >= {"0", "+1", "+10", "+20"}
    assert "logarithmic" in axes.get_ylabel()
    axes = specification_curve([one(0.004), one(0.006, how="Wilcoxon")], 4).axes[0]
    assert axes.get_yscale() == "linear"
    assert axes.get_ylabel() == "difference (points)"
