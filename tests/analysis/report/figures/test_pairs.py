"""What the figure of the answer draws: every pair, and differences whose zero is the baseline's mean."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.findings import contrasts
from analysis.findings.results import Results, analyse
from analysis.report.figures.pairs import Panel, paired_differences
from analysis.report.figures.style import GREY, MEDIA, NARROW, WIDE, Medium, arm_style
from study.spec.design import Design
from study.spec.factors import Cell
from tests.analysis.planted import planted
from tests.analysis.report.figures import study
from tests.analysis.report.figures.drawn import colour, is_close, place, title, x_ticks, xy
from tests.analysis.report.figures.study import ALPHA, ARM, BASELINE, DIVERGING, MARGIN, cell, primary

SHOWN = Cell(64, 0.1)
in_both_media = pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)


def panel(found: Results, at: Cell | None, given_learning: bool = False) -> Panel:
    (scores,) = (scores for scores in found.of_arms[ARM].scores if cell(scores) == at)
    whole = contrasts.overall(found.contrasts, ARM)
    contrast = whole if at is None else contrasts.by_cell(found.contrasts, ARM)[at]
    return Panel(str(at), BASELINE, ARM, scores, contrast.shown, given_learning)


def panels_of(found: Results) -> list[Panel]:
    """Over all cells, and in one."""
    return [panel(found, None), panel(found, SHOWN)]


def expected_sides() -> list[tuple[np.ndarray, np.ndarray]]:
    """Of the baseline and of the arm by seed in percent, as planted: over all cells, and in one."""
    return [
        (100 * study.over_cells(BASELINE), 100 * study.over_cells(ARM)),
        (100 * primary(BASELINE, SHOWN), 100 * primary(ARM, SHOWN)),
    ]


def dots(axes: Axes) -> list[list[tuple[float, float]]]:
    """Those of the differences, full and hollow."""
    return [xy(line) for line in axes.get_lines() if line.get_marker() == "o" and colour(line) == GREY]


@in_both_media
def test_each_arm_s_scores_stand_at_its_own_name_in_its_own_colour(found: Results, medium: Medium) -> None:
    figure = paired_differences(panels_of(found), medium=medium)
    assert [title(axes) for axes in figure.axes] == ["None", str(SHOWN)]
    assert [place(axes) for axes in figure.axes] == ([(0, 0), (1, 0)] if medium is NARROW else [(0, 0), (0, 1)])
    for axes, sides in zip(figure.axes, expected_sides(), strict=True):
        names = ("without BN", "with BN") if medium is NARROW else ("without\nBN", "with\nBN")
        assert x_ticks(axes) == {0: names[0], 1: names[1], 2.25: "difference"}
        for x, arm in enumerate((BASELINE, ARM)):
            look = arm_style(arm)["color"], arm_style(arm)["marker"]
            (drawn,) = (line for line in axes.get_lines() if (colour(line), line.get_marker()) == look)
            assert is_close(xy(drawn), [(x, score) for score in sides[x]])


def test_a_line_joins_the_two_scores_of_a_seed(found: Results) -> None:
    figure = paired_differences(panels_of(found))
    for axes, sides in zip(figure.axes, expected_sides(), strict=True):
        joining = [line for line in axes.get_lines() if line.get_linestyle() == "-" and colour(line) == GREY]
        assert is_close([xy(line) for line in joining], [[(0, a), (1, b)] for a, b in zip(*sides, strict=True)])


@in_both_media
def test_zero_is_level_with_the_baseline_s_mean_and_the_difference_with_the_arm_s(
    found: Results, medium: Medium
) -> None:
    figure = paired_differences(panels_of(found), medium=medium)
    figure.draw_without_rendering()  # a second axis follows the first when it is drawn
    for axes, (of_baseline, of_arm), one in zip(figure.axes, expected_sides(), panels_of(found), strict=True):
        d, zero = of_arm - of_baseline, of_baseline.mean()
        drawn = sorted(place for seeds in dots(axes) for place in seeds)
        assert is_close([y - zero for _, y in drawn], d)
        (mean,) = (xy(line) for line in axes.get_lines() if line.get_marker() == "D")
        assert is_close(mean, [(2.5, of_arm.mean())])
        (bar,) = (xy(line) for line in axes.get_lines() if len(line.get_xdata()) == 2 and line.get_color() == "black")
        assert is_close([y - zero for _, y in bar], [100 * one.difference.low, 100 * one.difference.high])
        (right,) = axes.child_axes
        assert (right.get_ylabel() == "difference (points)") is (medium is NARROW or axes is figure.axes[-1])
        assert is_close(right.get_ylim(), np.array(axes.get_ylim()) - zero)


def test_a_seed_of_which_a_run_does_not_learn_is_hollow(found: Results) -> None:
    whole = panel(found, None)
    (axes,) = paired_differences([whole]).axes
    (hollow,) = (line for line in axes.get_lines() if line.get_markerfacecolor() == "white")
    assert [i for i, learned in enumerate(whole.scores.learned) if not learned] == [1, 4]
    zero = 100 * study.over_cells(BASELINE).mean()
    assert is_close([y - zero for _, y in xy(hollow)], 100 * np.array(whole.scores.differences)[[1, 4]])


def test_where_only_pairs_count_that_learn_the_others_are_not_drawn(found: Results) -> None:
    (axes,) = paired_differences([panel(found, DIVERGING, given_learning=True)]).axes
    assert [len(seeds) for seeds in dots(axes)] == [4]
    joining = [line for line in axes.get_lines() if line.get_linestyle() == "-" and colour(line) == GREY]
    assert len(joining) == 4


def test_one_seed_has_a_difference_and_no_interval(tmp_path: Path) -> None:
    design = Design("digits", batch_sizes=(64,), lrs=(0.1,), seeds=(2,), epochs=4)
    alone = analyse(planted(tmp_path / "s", design, study.accuracy), ALPHA, MARGIN)
    (axes,) = paired_differences([panel(alone, None)], medium=WIDE).axes
    arm = 100 * primary(ARM, SHOWN)[2]
    assert is_close(dots(axes), [[(2, arm)]])
    assert not any(len(line.get_xdata()) == 2 for line in axes.get_lines() if line.get_color() == "black")
