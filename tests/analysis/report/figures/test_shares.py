"""What the figure of the accuracies of all runs draws."""

import numpy as np
import pytest

from analysis.findings.results import Results
from analysis.report import number_format as words
from analysis.report.figures import shares
from analysis.report.figures.style import GREY, MEDIA, Errors, Medium, arm_style
from tests.analysis.report.figures.drawn import colour, is_close, reads_as_accuracy, texts, xy
from tests.analysis.report.figures.study import ARM, BASELINE

every_medium = pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)


@every_medium
def test_each_arm_s_runs_stand_from_best_to_worst_and_three_shares_have_limits(found: Results, medium: Medium) -> None:
    (axes,) = shares.share_reaching(found.accuracy_shares, medium=medium).axes
    for of in found.accuracy_shares:
        mine = [line for line in axes.get_lines() if colour(line) == arm_style(of.arm)["color"]]
        (steps,) = (line for line in mine if line.get_drawstyle() == "steps-pre")
        assert is_close(steps.get_xdata(), 100 * np.arange(of.n_runs + 1) / of.n_runs)
        assert is_close(steps.get_ydata()[1:], [100 - 100 * accuracy for accuracy in reversed(of.accuracies)])
        assert steps.get_ydata()[0] == steps.get_ydata()[1]
        bars = [line for line in mine if line.get_marker() == "None" and line is not steps]
        assert is_close(
            [bar.get_xdata() for bar in bars], [[100 * one.share.low, 100 * one.share.high] for one in of.reaching]
        )
        dots = [xy(line)[0] for line in mine if line.get_marker() == arm_style(of.arm)["marker"]]
        assert is_close([x for x, _ in dots], [100 * one.n_reaching / of.n_runs for one in of.reaching])
        for (_, y), one in zip(dots, of.reaching, strict=True):
            assert y == pytest.approx(100 - 100 * one.level.accuracy, rel=0.05)
    levels = [line.get_ydata()[0] for line in axes.get_lines() if colour(line) == GREY]
    assert is_close(levels, [100 - 100 * one.level.accuracy for one in found.accuracy_shares[0].reaching])


@every_medium
def test_an_accuracy_stands_where_the_axis_says_its_number_and_arms_are_named_there(
    found: Results, medium: Medium
) -> None:
    (axes,) = shares.share_reaching(found.accuracy_shares, medium=medium).axes
    arms = found.accuracy_shares
    accuracies = [a for of in arms for a in of.accuracies] + [one.level.accuracy for one in arms[0].reaching]
    assert reads_as_accuracy(axes, Errors.around(accuracies))
    assert sorted(text for *_, text in texts(axes)) == sorted(words.side(arm) for arm in (ARM, BASELINE))
