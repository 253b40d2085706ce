"""What the figure of the shares above every accuracy draws."""

import numpy as np
import pytest

from analysis.findings.results import Results
from analysis.report import number_format as words
from analysis.report.figures import shares
from analysis.report.figures.style import GREY, arm_style
from tests.analysis.report.figures.drawn import colour, is_close, legend, x_ticks, xy
from tests.analysis.report.figures.study import ARM, BASELINE


def test_each_arm_s_share_falls_at_every_run_and_has_limits_at_three_accuracies(found: Results) -> None:
    (axes,) = shares.share_reaching(found.accuracy_shares).axes
    assert legend(axes) == [words.side(ARM), words.side(BASELINE)]
    for of in found.accuracy_shares:
        mine = [line for line in axes.get_lines() if colour(line) == arm_style(of.arm)["color"] and len(xy(line))]
        (steps,) = (line for line in mine if line.get_drawstyle() == "steps-post")
        assert is_close(steps.get_xdata()[1:], 100 * (1 - np.array(of.accuracies)))
        assert is_close(steps.get_ydata(), 100 * np.arange(of.n_runs, -1, -1) / of.n_runs)
        bars = [line.get_ydata().tolist() for line in mine if line.get_marker() == "None" and len(xy(line)) == 2]
        assert is_close(bars, [[100 * one.share.low, 100 * one.share.high] for one in of.reaching])
    levels = [line.get_xdata()[0] for line in axes.get_lines() if colour(line) == GREY]
    assert is_close(levels, [100 * (1 - one.level.accuracy) for one in found.accuracy_shares[0].reaching])


def test_a_share_stands_at_the_accuracy_that_the_axis_names(found: Results) -> None:
    (axes,) = shares.share_reaching(found.accuracy_shares).axes
    assert axes.get_xscale() == "log"
    assert axes.xaxis_inverted(), "accuracy rises to the right"
    assert all(float(label) == pytest.approx(100 - error) for error, label in x_ticks(axes).items())
