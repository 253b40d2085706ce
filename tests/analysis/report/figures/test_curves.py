"""What the figures over epochs draw."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes

from analysis.findings.curves import Curve
from analysis.findings.results import Results
from analysis.report import number_format as words
from analysis.report.figures import curves as drawing
from analysis.report.figures.style import BLUE, Errors, arm_style
from tests.analysis.report.figures.drawn import (
    bands,
    colour,
    ends,
    filling,
    is_close,
    legend,
    line,
    look,
    panels,
    place,
    reads_as_accuracy,
    title,
    unnamed,
    xy,
)
from tests.analysis.report.figures.study import ARM, BASELINE, DIVERGING, LRS, SEEDS, SIZES, cell, rate, show, size

Values = Sequence[float] | Sequence[Sequence[float]]
TITLES = {
    "Training loss": ("loss", "train"), "Test loss": ("loss", "test"), "Training accuracy": ("accuracy", "train"),
    "Test accuracy": ("accuracy", "test"),
}  # fmt: skip


def by_split(curve: Curve) -> Curve:
    """Half of it on training images: of planted runs both splits have the same losses."""
    names = ("mean", "band_low", "band_high", "seeds")
    values = {name: (0.5 * np.array(getattr(curve, name))).tolist() for name in names}
    return replace(curve, **values) if curve.split == "train" else curve


def assert_drawn(axes: Axes, curve: Curve, scaled: Callable[[np.ndarray], np.ndarray]) -> None:
    """Its mean, its band and each of its seeds, from the first trained epoch on."""

    def shown(values: Values) -> np.ndarray:
        return scaled(np.array(values)[..., 1:])

    epochs, mine = curve.epochs[1:], arm_style(curve.arm)
    mean = line(axes, words.side(curve.arm))
    assert look(mean) == mine
    assert is_close(xy(mean), list(zip(epochs, shown(curve.mean), strict=True)))
    (band,) = (band for band in bands(axes) if filling(band) == mine["color"])
    low, high = np.sort([shown(curve.band_low), shown(curve.band_high)], axis=0)
    there = np.isfinite(low)
    assert is_close(ends(band), np.array([epochs, low, high])[:, there])
    assert there[0]
    assert (low < high)[there].all()
    thin = [seed for seed in unnamed(axes) if colour(seed) == mine["color"]]
    assert [seed.get_xdata().tolist() for seed in thin] == [epochs] * len(SEEDS)
    assert is_close([seed.get_ydata() for seed in thin], shown(curve.seeds))


def test_each_of_the_tutorial_s_plots_has_the_curves_of_its_split_and_metric(found: Results) -> None:
    curves = [by_split(curve) for curve in found.curves if cell(curve) == DIVERGING]
    figure = drawing.learning_curves(curves)
    assert list(panels(figure)) == list(TITLES)
    for name, axes in panels(figure).items():
        of_panel = [curve for curve in curves if (curve.metric, curve.split) == TITLES[name]]
        assert len(axes.get_lines()) == len(of_panel) * (1 + len(SEEDS))
        assert axes.get_ylabel() == {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}[TITLES[name][0]]
        for curve in of_panel:
            assert_drawn(axes, curve, lambda values, curve=curve: values if curve.metric == "loss" else 100 * values)
    with_legend = panels(figure)["Test loss"]
    assert [legend(axes) for axes in figure.axes] == [None, legend(with_legend), None, None]
    assert legend(with_legend) == [words.side(ARM), words.side(BASELINE)]


def test_a_run_that_diverged_is_drawn_up_to_there(found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, BASELINE, "loss", "test"))
    axes = panels(drawing.learning_curves([curve]))["Test loss"]
    drawn = [np.isfinite(seed.get_ydata()).tolist() for seed in unnamed(axes)]
    assert drawn == [[True, True, seed not in (1, 4), seed not in (1, 4)] for seed in SEEDS]


def test_of_many_seeds_the_first_are_drawn(found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, ARM, "loss", "test"))
    many = replace(curve, seeds=[[n + value for value in seed] for n in range(10) for seed in curve.seeds])
    drawn = unnamed(panels(drawing.learning_curves([many]))["Test loss"])
    assert is_close([seed.get_ydata() for seed in drawn], np.array(many.seeds)[: drawing.DRAWN_SEEDS, 1:])


def test_every_cell_has_its_own_panel_of_errors_that_are_called_accuracies(found: Results) -> None:
    figure = drawing.accuracy_by_cell(found.curves)
    tested = [curve for curve in found.curves if (curve.metric, curve.split) == ("accuracy", "test")]
    errors = Errors.around(accuracy for c in tested for line in (*c.seeds, c.mean) for accuracy in line[1:])
    by_title = panels(figure)
    assert [title(axes) for axes in figure.axes] == [f"batch {size}, rate {show(lr)}" for size in SIZES for lr in LRS]
    for curve in tested:
        axes = by_title[f"batch {size(curve)}, rate {show(rate(curve))}"]
        assert place(axes) == (SIZES.index(size(curve)), LRS.index(rate(curve)))
        assert len(axes.get_lines()) == 2 * (1 + len(SEEDS))
        assert_drawn(axes, curve, lambda values: 100 - 100 * values)
        assert reads_as_accuracy(axes, errors)
    assert [legend(axes) for axes in figure.axes] == [None] * 5 + [[words.side(ARM), words.side(BASELINE)]]


def test_a_gap_is_drawn_with_both_of_its_bands(found: Results) -> None:
    whole, *in_cells = found.of_arms[ARM].gaps
    gaps = [whole, next(gap for gap in in_cells if cell(gap) == DIVERGING)]
    figure = drawing.difference_curves(gaps)
    assert list(panels(figure)) == ["all settings", "batch size 32, rate 0.1"]
    for axes, gap in zip(figure.axes, gaps, strict=True):
        zero, mean = axes.get_lines()
        assert set(zero.get_ydata()) == {0}
        assert colour(mean) == BLUE
        assert is_close(xy(mean), list(zip(gap.epochs, 100 * np.array(gap.mean), strict=True)))
        outer, inner = bands(axes)
        assert (outer.get_label(), inner.get_label()) == ("holds for all epochs", "each epoch alone")
        assert is_close(ends(outer), [gap.epochs, 100 * np.array(gap.band_low), 100 * np.array(gap.band_high)])
        assert is_close(ends(inner), [gap.epochs, 100 * np.array(gap.low), 100 * np.array(gap.high)])
        assert (np.diff(ends(outer)[1:], axis=0) > np.diff(ends(inner)[1:], axis=0)).all()
        assert legend(axes) == ["holds for all epochs", "each epoch alone"]
    (axes,) = drawing.difference_curves([replace(whole, arm="layer")]).axes
    assert {colour(line) for line in axes.get_lines()[1:]} == {arm_style("layer")["color"]}


def test_the_share_that_has_reached_an_accuracy_rises_in_steps_by_arm(found: Results) -> None:
    times = found.of_arms[ARM].times
    figure = drawing.reached(times, (BASELINE, ARM))
    assert list(panels(figure)) == ["90 % test accuracy", "95 % test accuracy", "97 % test accuracy"]
    assert any(time.share_baseline != time.share_arm for time in times)
    for axes, time in zip(figure.axes, times, strict=True):
        for arm, shares in ((BASELINE, time.share_baseline), (ARM, time.share_arm)):
            steps = line(axes, words.side(arm))
            assert look(steps) == arm_style(arm)
            assert steps.get_drawstyle() == "steps-post"
            assert is_close(xy(steps), [(i, 100 * share) for i, share in enumerate(shares, start=1)])
        low, high = axes.get_ylim()
        assert low <= 0 < 100 <= high
    assert [legend(axes) for axes in figure.axes] == [None, None, [words.side(BASELINE), words.side(ARM)]]


@pytest.mark.parametrize("most_epochs", [1, 4, 60])
def test_epochs_are_whole_numbers(most_epochs: int, found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, ARM, "loss", "test"))
    n = most_epochs + 1
    names = ("mean", "band_low", "band_high")
    flat = replace(curve, epochs=[*range(n)], seeds=[[0.5] * n] * 6, **{name: [0.5] * n for name in names})
    axes = panels(drawing.learning_curves([flat]))["Test loss"]
    assert all(tick == int(tick) for tick in axes.get_xticks())
