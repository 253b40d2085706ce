"""What the figures over epochs draw."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from analysis.findings.curves import Curve
from analysis.findings.results import Results
from analysis.report import number_format as words
from analysis.report.figures import curves as drawing
from analysis.report.figures.style import BLUE, MEDIA, NARROW, Errors, Medium, arm_style, style, svg
from study.spec.factors import Cell
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


def thin(axes: Axes, of_colour: object) -> list[np.ndarray]:
    """What single seeds' lines show, one after another: they are one path, with a gap behind each."""
    (found,) = (seeds for seeds in unnamed(axes) if colour(seeds) == of_colour)
    x, y = (np.asarray(values, dtype=float) for values in found.get_data())
    gaps = np.flatnonzero(np.isnan(x))
    assert np.isnan(y[gaps]).all()
    assert gaps[-1] == len(x) - 1
    starts = [0, *(gaps[:-1] + 1)]
    return [np.column_stack([x[i:j], y[i:j]]) for i, j in zip(starts, gaps, strict=True)]


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
    seeds = thin(axes, mine["color"])
    assert [seed[:, 0].tolist() for seed in seeds] == [epochs] * len(SEEDS)
    assert is_close([seed[:, 1] for seed in seeds], shown(curve.seeds))


def labels(axes: Axes) -> dict[str, str]:
    """What stands at the ends of the lines, by its colour."""
    return {text.get_text(): to_hex(str(text.get_color())) for text in axes.texts}


def of_accuracy(found: Results) -> list[Curve]:
    return [curve for curve in found.curves if (curve.metric, curve.split) == ("accuracy", "test")]


NAMED = {words.side(arm): arm_style(arm)["color"] for arm in (ARM, BASELINE)}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_each_of_the_tutorial_s_plots_has_the_curves_of_its_split_and_metric(found: Results, medium: Medium) -> None:
    curves = [by_split(curve) for curve in found.curves if cell(curve) == DIVERGING]
    figure = drawing.learning_curves(curves, medium=medium)
    assert list(panels(figure)) == list(TITLES)
    assert figure.get_figwidth() == medium.width
    across = {place(axes)[1] for axes in figure.axes}
    assert across == ({0} if medium.stacked else {0, 1})
    for name, axes in panels(figure).items():
        of_panel = [curve for curve in curves if (curve.metric, curve.split) == TITLES[name]]
        assert len(axes.get_lines()) == len(of_panel) * 2
        assert axes.get_ylabel() == {"loss": "loss (nats per image)", "accuracy": "accuracy (%)"}[TITLES[name][0]]
        for curve in of_panel:
            assert_drawn(axes, curve, lambda values, curve=curve: values if curve.metric == "loss" else 100 * values)
        assert legend(axes) is None
        assert labels(axes) == (NAMED if medium.stacked or TITLES[name][1] == "test" else {})


def test_a_label_stands_at_the_end_of_its_own_line(found: Results) -> None:
    curves = [curve for curve in found.curves if cell(curve) == DIVERGING]
    axes = panels(drawing.learning_curves(curves))["Test accuracy"]
    last = {words.side(c.arm): c.mean[-1] for c in of_accuracy(found) if cell(c) == DIVERGING}
    heights = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert sorted(heights, key=lambda name: heights[name]) == sorted(last, key=lambda name: last[name])


def test_a_run_that_diverged_is_drawn_up_to_there(found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, BASELINE, "loss", "test"))
    axes = panels(drawing.learning_curves([curve]))["Test loss"]
    drawn = [np.isfinite(seed[:, 1]).tolist() for seed in thin(axes, arm_style(BASELINE)["color"])]
    assert drawn == [[True, True, seed not in (1, 4), seed not in (1, 4)] for seed in SEEDS]


def test_of_many_seeds_the_first_are_drawn(found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, ARM, "loss", "test"))
    many = replace(curve, seeds=[[n + value for value in seed] for n in range(10) for seed in curve.seeds])
    assert drawing.drawn_seeds([many]) == 20
    drawn = thin(panels(drawing.learning_curves([many]))["Test loss"], arm_style(ARM)["color"])
    assert is_close([seed[:, 1] for seed in drawn], np.array(many.seeds)[:20, 1:])


def test_the_thin_lines_of_a_hundred_seeds_in_25_settings_stay_few(found: Results) -> None:
    (curve,) = (c for c in of_accuracy(found) if (cell(c), c.arm) == (DIVERGING, ARM))
    cells = [Cell(size, lr) for size in (16, 32, 64, 128, 256) for lr in (0.001, 0.003, 0.01, 0.03, 0.1)]
    curves = [
        replace(curve, cell=at, arm=arm, n=100, seeds=[curve.seeds[0]] * 100) for at in cells for arm in (ARM, BASELINE)
    ]
    n_drawn = drawing.drawn_seeds(curves)
    assert n_drawn == 20  # of 4 epochs
    longer = [replace(curve, epochs=[*range(61)]) for curve in curves]
    assert drawing.drawn_seeds(longer) == 1
    narrow = drawing.accuracy_by_setting(curves, medium=NARROW)
    assert len(svg(narrow)) < 400_000
    assert [title(axes).replace("\n", ", ") for axes in narrow.axes if axes.get_visible()] == [
        f"batch {at.batch_size}, rate {show(at.lr)}" for at in cells
    ]
    assert {place(axes)[1] for axes in narrow.axes} == {0, 1, 2}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_every_setting_has_its_own_panel_of_errors_that_are_called_accuracies(found: Results, medium: Medium) -> None:
    curves = of_accuracy(found)
    figure = drawing.accuracy_by_setting(curves, medium=medium)
    errors = Errors.around(accuracy for c in curves for line in (*c.seeds, c.mean) for accuracy in line[1:])
    by_title = {title(axes).replace("\n", ", "): axes for axes in figure.axes}
    assert list(by_title) == [f"batch {size}, rate {show(lr)}" for size in SIZES for lr in LRS]
    for curve in curves:
        axes = by_title[f"batch {size(curve)}, rate {show(rate(curve))}"]
        assert place(axes) == (SIZES.index(size(curve)), LRS.index(rate(curve)))
        assert len(axes.get_lines()) == 2 * 2
        assert_drawn(axes, curve, lambda values: 100 - 100 * values)
        assert reads_as_accuracy(axes, errors)
        assert axes.get_xticks().tolist() == [1, 2, 4]
    (key,) = figure.legends
    assert [text.get_text() for text in key.get_texts()] == list(NAMED)
    assert [colour(handle) for handle in key.get_lines()] == list(NAMED.values())


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_no_text_of_a_drawing_overlaps_another_or_leaves_it(found: Results, medium: Medium) -> None:
    curves = [curve for curve in found.curves if cell(curve) == DIVERGING]
    times = found.of_arms[ARM].times
    gaps = found.of_arms[ARM].gaps[:2]
    for figure in (
        drawing.learning_curves(curves, medium=medium),
        drawing.accuracy_by_setting(of_accuracy(found), medium=medium),
        drawing.difference_curves(gaps, medium=medium),
        drawing.reached(times, (BASELINE, ARM), medium=medium),
    ):
        boxes = written(figure)
        inside = figure.bbox.padded(1)
        assert all(inside.contains(*corner) for box in boxes.values() for corner in (box.min, box.max))
        pairs = itertools.combinations(boxes.items(), 2)
        assert [(a, b) for (a, one), (b, other) in pairs if one.padded(-1).overlaps(other.padded(-1))] == []


def written(figure: Figure) -> dict[str, Bbox]:
    """The boxes of all that is seen of text, in pixels, by its words and place."""
    with style():
        figure.draw_without_rendering()
        hidden = {text for axes in figure.axes if not axes.get_visible() for text in axes.findobj(Text)}
        out_of_view = {
            text
            for axes in figure.axes
            for axis, (low, high) in ((axes.xaxis, sorted(axes.get_xlim())), (axes.yaxis, sorted(axes.get_ylim())))
            for tick in axis.get_major_ticks()
            for text in (tick.label1, tick.label2)
            if not (text.get_visible() and low <= tick.get_loc() <= high)
        }
        texts = [
            text
            for text in figure.findobj(Text)
            if isinstance(text, Text) and text.get_text() and text not in hidden | out_of_view
        ]
        boxes = [text.get_window_extent() for text in texts]
    return {f"{text.get_text()} at {box.x0:.0f}, {box.y0:.0f}": box for text, box in zip(texts, boxes, strict=True)}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_a_gap_is_drawn_with_both_of_its_bands(found: Results, medium: Medium) -> None:
    whole, *in_cells = found.of_arms[ARM].gaps
    gaps = [whole, next(gap for gap in in_cells if cell(gap) == DIVERGING)]
    figure = drawing.difference_curves(gaps, medium=medium)
    assert list(panels(figure)) == ["all settings", "batch size 32, rate 0.1"]
    assert place(figure.axes[1]) == ((1, 0) if medium.stacked else (0, 1))
    for axes, gap in zip(figure.axes, gaps, strict=True):
        zero, mean = axes.get_lines()
        assert set(zero.get_ydata()) == {0}
        assert colour(mean) == BLUE
        assert is_close(xy(mean), list(zip(gap.epochs, 100 * np.array(gap.mean), strict=True)))
        outer, inner = bands(axes)
        assert is_close(ends(outer), [gap.epochs, 100 * np.array(gap.band_low), 100 * np.array(gap.band_high)])
        assert is_close(ends(inner), [gap.epochs, 100 * np.array(gap.low), 100 * np.array(gap.high)])
        assert (np.diff(ends(outer)[1:], axis=0) > np.diff(ends(inner)[1:], axis=0)).all()
        assert axes.get_ylabel() == "difference (points)"
    (axes,) = drawing.difference_curves([replace(whole, arm="layer")]).axes
    assert {colour(line) for line in axes.get_lines()[1:]} == {arm_style("layer")["color"]}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_the_share_that_has_reached_an_accuracy_rises_in_steps_by_arm(found: Results, medium: Medium) -> None:
    times = found.of_arms[ARM].times
    figure = drawing.reached(times, (BASELINE, ARM), medium=medium)
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
        assert labels(axes) == (NAMED if medium.stacked or axes is figure.axes[-1] else {})
        assert legend(axes) is None


@pytest.mark.parametrize("most_epochs", [1, 4, 60])
def test_epochs_are_whole_numbers(most_epochs: int, found: Results) -> None:
    (curve,) = (c for c in found.curves if (cell(c), c.arm, c.metric, c.split) == (DIVERGING, ARM, "accuracy", "test"))
    n = most_epochs + 1
    names = ("mean", "band_low", "band_high")
    flat = replace(curve, epochs=[*range(n)], seeds=[[0.5] * n] * 6, **{name: [0.5] * n for name in names})
    for figure in (drawing.learning_curves([flat]), drawing.accuracy_by_setting([flat])):
        for axes in figure.axes:
            assert all(tick == int(tick) for tick in axes.get_xticks())
