"""What the figures of the tuning draw: the trials, the chosen one among them, and what the budget buys."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex

from analysis.findings.trials import Trial
from analysis.findings.tuning import Tuned, tuned
from analysis.records.tables import load
from analysis.report import number_format as words
from analysis.report.figures import tuning as drawing
from analysis.report.figures.style import MEDIA, WIDE, Errors, Medium, arm_style, style
from study.spec.arms import ARMS as KNOWN
from tests.analysis.planted import in_gains, on_a_cliff, plant_tuned, points
from tests.analysis.report.figures.drawn import (
    bands,
    colour,
    ends,
    filling,
    is_close,
    legend,
    look,
    reads_as_accuracy,
    x_ticks,
    xy,
)
from tests.analysis.report.figures.study import ALPHA, ARM, BASELINE, MARGIN, rate, size

ARMS = (BASELINE, ARM)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    path = tmp_path_factory.mktemp("results") / "s"
    study = load(plant_tuned(path, in_gains, on_a_cliff, points(24)))
    (found,) = tuned(study, ALPHA, MARGIN)
    return found


def of(found: Tuned, arm: str) -> list[Trial]:
    return [trial for trial in found.trials if trial.arm == arm]


def errors_of(found: Tuned) -> Errors:
    return Errors.around(trial.score for trial in found.trials)


def dots_and_rings(found: Tuned, medium: Medium = WIDE) -> tuple[Axes, list[PathCollection], list[PathCollection]]:
    """The panel, and by arm its trials and the ring about its chosen one."""
    (axes,) = drawing.trial_scores(found.trials, found.chosen, medium=medium).axes
    marks = axes.collections[: 2 * len(ARMS)]
    return axes, marks[::2], marks[1::2]


@pytest.mark.parametrize("medium", MEDIA)
def test_every_trial_of_both_arms_stands_at_its_rate_and_its_error_in_one_panel(found: Tuned, medium: Medium) -> None:
    errors = errors_of(found)
    axes, dots, _ = dots_and_rings(found, medium)
    for of_arm, arm in zip(dots, ARMS, strict=True):
        expected = [(rate(t), max(errors.lowest, min(errors.highest, 100 - 100 * t.score))) for t in of(found, arm)]
        assert is_close(of_arm.get_offsets(), expected)
        assert {to_hex(one) for one in of_arm.get_facecolor()} == {arm_style(arm)["color"]}
    assert not np.array_equal(*(of_arm.get_paths()[0].vertices for of_arm in dots)), "no arm has the other's mark"
    assert reads_as_accuracy(axes, errors)
    assert all(place == pytest.approx(float(label)) for place, label in x_ticks(axes).items())
    assert len(x_ticks(axes)) > 1
    assert {text.get_text(): text.get_color() for text in axes.texts} == {
        words.side(arm): arm_style(arm)["color"] for arm in ARMS
    }


def test_the_ringed_trial_of_each_arm_is_the_best_of_that_arm(found: Tuned) -> None:
    _, dots, rings = dots_and_rings(found)
    for of_arm, ring, arm in zip(dots, rings, ARMS, strict=True):
        best = int(np.argmax([trial.score for trial in of(found, arm)]))
        assert is_close(ring.get_offsets(), [of_arm.get_offsets()[best]])
        assert is_close(ring.get_offsets(), [(rate(of(found, arm)[best]), 100 - 100 * of(found, arm)[best].score)])
        assert len(ring.get_facecolor()) == 0, "a ring, not a disc"
        assert ring.get_sizes().max() > of_arm.get_sizes().max()
        assert to_hex(ring.get_edgecolor()[0]) == arm_style(arm)["color"]
    assert len({tuple(ring.get_offsets()[0]) for ring in rings}) == 2, "the planted arms have their best apart"
    assert all(trial not in (0, 23) for trial in (chosen.trial for chosen in found.chosen)), (
        "nor is it the first or last"
    )


def test_the_larger_the_batch_of_a_trial_the_larger_its_mark_and_the_ends_are_named(found: Tuned) -> None:
    axes, dots, _ = dots_and_rings(found)
    for of_arm, arm in zip(dots, ARMS, strict=True):
        sizes, areas = [size(trial) for trial in of(found, arm)], of_arm.get_sizes()
        by_size = dict(zip(sizes, areas, strict=True))
        assert [by_size[n] for n in sizes] == list(areas)
        assert (np.diff([by_size[n] for n in sorted(by_size)]) > 0).all()
        (named,) = axes.figure.legends
        ends = [min(by_size), max(by_size)]
        assert [text.get_text() for text in named.get_texts()] == [f"batch size {n}" for n in ends]
        assert [mark.get_sizes()[0] for mark in named.legend_handles] == pytest.approx([by_size[n] for n in ends])


def test_the_rate_of_a_single_trial_is_written_with_three_digits(found: Tuned) -> None:
    chosen = found.chosen[0]
    (trial,) = (trial for trial in of(found, chosen.arm) if trial.trial == chosen.trial)
    (axes,) = drawing.trial_scores([trial], [chosen]).axes
    assert list(x_ticks(axes).values()) == [f"{rate(trial):.3g}"]


def test_trials_of_one_batch_size_need_no_key(found: Tuned) -> None:
    same = [trial for trial in found.trials if size(trial) == size(found.chosen[0])]
    figure = drawing.trial_scores(same, [found.chosen[0]])
    assert figure.legends == []
    assert len(set(figure.axes[0].collections[0].get_sizes())) == 1


@pytest.mark.parametrize("medium", MEDIA)
def test_a_budget_is_drawn_as_the_error_of_its_expected_best_score_with_its_band(found: Tuned, medium: Medium) -> None:
    assert found.gap_by_budget
    axes = drawing.expected_best(found.budgets, found.gap_by_budget, medium=medium).axes[0]
    errors = Errors.around(accuracy for budget in found.budgets for accuracy in budget.expected)
    assert reads_as_accuracy(axes, errors)
    assert axes.get_xscale() == "log"
    for budget, expected in zip(found.budgets, axes.get_lines(), strict=True):
        n = np.arange(1, len(budget.expected) + 1)
        assert look(expected) == arm_style(budget.arm)
        assert is_close(xy(expected), np.transpose([n, 100 - 100 * np.array(budget.expected)]))
        (band,) = (band for band in bands(axes) if filling(band) == arm_style(budget.arm)["color"])
        low, high = (100 - 100 * np.array(side) for side in (budget.high, budget.low))
        assert is_close(ends(band), [n, *np.clip([low, high], errors.lowest, errors.highest)])
        assert (low < high).all()
    assert legend(axes) is None
    assert {text.get_text(): text.get_color() for text in axes.texts} == {
        words.side(arm): arm_style(arm)["color"] for arm in ARMS
    }


def test_the_difference_by_budget_has_its_band_as_far_as_there_is_one(found: Tuned) -> None:
    gap = found.gap_by_budget
    assert gap
    axes = drawing.expected_best(found.budgets, gap).axes[1]
    zero, difference = axes.get_lines()
    assert set(zero.get_ydata()) == {0}
    assert is_close(xy(difference), [(n, 100 * d) for n, d in enumerate(gap.estimates, start=1)])
    (band,) = bands(axes)
    assert 1 < gap.up_to < len(gap.estimates)
    upto = np.arange(1, gap.up_to + 1)
    assert is_close(ends(band), [upto, 100 * np.array(gap.low), 100 * np.array(gap.high)])
    assert {colour(difference), filling(band)}.isdisjoint(arm.colour for arm in KNOWN.values())
    of_layer = [found.budgets[0], replace(found.budgets[1], arm="layer")]
    assert drawing.expected_best(of_layer, gap).axes[1].get_ylabel() == "with LN minus without BN (points)"


def test_the_budget_of_a_single_trial_is_a_point(found: Tuned) -> None:
    assert found.gap_by_budget
    gap = replace(found.gap_by_budget, estimates=found.gap_by_budget.estimates[:1], low=(), high=())
    budgets = [replace(b, expected=b.expected[:1], low=b.low[:1], high=b.high[:1]) for b in found.budgets]
    for medium in MEDIA:
        axes = drawing.expected_best(budgets, gap, medium=medium).axes[1]
        _, difference = axes.get_lines()
        assert difference.get_marker() == "o"
        assert list(axes.get_xticks()) == [1]


@pytest.mark.parametrize("medium", MEDIA)
def test_nothing_that_is_written_leaves_a_drawing(found: Tuned, medium: Medium) -> None:
    assert found.gap_by_budget
    for figure in (
        drawing.trial_scores(found.trials, found.chosen, medium=medium),
        drawing.expected_best(found.budgets, found.gap_by_budget, medium=medium),
    ):
        with style():
            renderer = FigureCanvasAgg(figure).get_renderer()
            figure.draw(renderer)
        drawn = figure.get_tightbbox(renderer)
        width, height = figure.get_size_inches()
        assert min(drawn.x0, drawn.y0) >= -0.01
        assert drawn.x1 <= width + 0.01
        assert drawn.y1 <= height + 0.01
