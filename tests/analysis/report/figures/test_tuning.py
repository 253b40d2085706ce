"""What the figures of the tuning draw: the trials, the chosen one among them, and what the budget buys."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_hex

from analysis.findings.trials import Trial
from analysis.findings.tuning import Tuned, tuned
from analysis.records.tables import load
from analysis.report import number_format as words
from analysis.report.figures import tuning as drawing
from analysis.report.figures.style import BLUE, Errors, arm_style
from tests.analysis.planted import in_gains, on_a_cliff, plant_tuned, points
from tests.analysis.report.figures.drawn import (
    bands,
    colour,
    ends,
    filling,
    is_close,
    legend,
    line,
    look,
    reads_as_accuracy,
    title,
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


def test_every_trial_stands_at_its_rate_and_its_error_in_the_panel_of_its_arm(found: Tuned) -> None:
    figure, errors = drawing.trial_scores(found.trials, found.chosen), errors_of(found)
    assert [title(axes) for axes in figure.axes] == [words.side(arm) for arm in ARMS]
    for axes, arm in zip(figure.axes, ARMS, strict=True):
        dots, _ = axes.collections
        trials = of(found, arm)
        expected = [(rate(t), max(errors.lowest, min(errors.highest, 100 - 100 * t.score))) for t in trials]
        assert is_close(dots.get_offsets(), expected)
        assert {to_hex(one) for one in dots.get_facecolor()} == {arm_style(arm)["color"]}
        assert reads_as_accuracy(axes, errors)
        assert all(place == pytest.approx(float(label)) for place, label in x_ticks(axes).items())
        assert len(x_ticks(axes)) > 1


def test_the_ringed_trial_of_each_arm_is_the_best_of_that_arm(found: Tuned) -> None:
    figure = drawing.trial_scores(found.trials, found.chosen)
    rings = []
    for axes, arm in zip(figure.axes, ARMS, strict=True):
        dots, ring = axes.collections
        best = int(np.argmax([trial.score for trial in of(found, arm)]))
        assert is_close(ring.get_offsets(), [dots.get_offsets()[best]])
        assert is_close(ring.get_offsets(), [(rate(of(found, arm)[best]), 100 - 100 * of(found, arm)[best].score)])
        assert len(ring.get_facecolor()) == 0, "a ring, not a disc"
        rings.append(tuple(ring.get_offsets()[0]))
    assert len(set(rings)) == 2, "the planted arms have their best at different rates"
    assert all(trial not in (0, 23) for trial in (chosen.trial for chosen in found.chosen)), (
        "nor is it the first or last"
    )


def test_the_smaller_the_batch_of_a_trial_the_fainter_it_is(found: Tuned) -> None:
    figure = drawing.trial_scores(found.trials, found.chosen)
    for axes, arm in zip(figure.axes, ARMS, strict=True):
        sizes, shades = [size(trial) for trial in of(found, arm)], axes.collections[0].get_alpha()
        by_size = dict(zip(sizes, shades, strict=True))
        assert [by_size[n] for n in sizes] == list(shades)
        in_order = [by_size[n] for n in sorted(by_size)]
        assert (np.diff(in_order) > 0).all()
        assert 0 < in_order[0] < in_order[-1] == 1


def test_a_budget_is_drawn_as_the_error_of_its_expected_best_score_with_its_band(found: Tuned) -> None:
    assert found.gap_by_budget
    axes = drawing.expected_best(found.budgets, found.gap_by_budget).axes[0]
    errors = Errors.around(accuracy for budget in found.budgets for accuracy in budget.expected)
    assert reads_as_accuracy(axes, errors)
    assert axes.get_xscale() == "log"
    for budget in found.budgets:
        n = np.arange(1, len(budget.expected) + 1)
        expected = line(axes, words.side(budget.arm))
        assert look(expected) == arm_style(budget.arm)
        assert is_close(xy(expected), np.transpose([n, 100 - 100 * np.array(budget.expected)]))
        (band,) = (band for band in bands(axes) if filling(band) == arm_style(budget.arm)["color"])
        low, high = (100 - 100 * np.array(side) for side in (budget.high, budget.low))
        assert is_close(ends(band), [n, *np.clip([low, high], errors.lowest, errors.highest)])
        assert (low < high).all()
    assert legend(axes) == [words.side(arm) for arm in ARMS]


def test_the_difference_by_budget_has_its_band_as_far_as_there_is_one(found: Tuned) -> None:
    gap = found.gap_by_budget
    assert gap
    axes = drawing.expected_best(found.budgets, gap).axes[1]
    zero, difference = axes.get_lines()
    assert set(zero.get_ydata()) == {0}
    assert colour(difference) == BLUE
    assert is_close(xy(difference), [(n, 100 * d) for n, d in enumerate(gap.estimates, start=1)])
    (band,) = bands(axes)
    assert 1 < gap.up_to < len(gap.estimates)
    upto = np.arange(1, gap.up_to + 1)
    assert is_close(ends(band), [upto, 100 * np.array(gap.low), 100 * np.array(gap.high)])
    assert legend(axes) == ["holds for all these budgets"]
    of_layer = [found.budgets[0], replace(found.budgets[1], arm="layer")]
    assert colour(drawing.expected_best(of_layer, gap).axes[1].get_lines()[1]) == arm_style("layer")["color"]
