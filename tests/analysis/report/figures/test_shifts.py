"""What the small multiples of changed test images draw."""

import math
from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.findings.modes.inference_modes import Modes
from analysis.report.document import Figure as Block
from analysis.report.figures.style import BLUE, MEDIA, VERMILLION, WIDE, Medium
from analysis.report.sections.modes import changed_images
from tests.analysis.report.figures.drawn import colour, is_close, line, panels, texts, x_ticks, xy
from tests.analysis.report.figures.legible import illegible
from tests.analysis.report.figures.modes_study import BY_BATCH, CHANGED, LEVEL, MEAN_SEED, NO_NORM, percent

RUNNING = LEVEL["running", None, None]


@pytest.fixture(scope="module")
def block(modes: Modes) -> Block:
    found = changed_images.by_kind(modes)
    assert found
    return found


def accuracy(axes: Axes, name: str) -> dict[str, float]:
    """By the text of the tick."""
    ticks = x_ticks(axes)
    return {ticks[x]: y for x, y in xy(line(axes, name)) if math.isfinite(y)}


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_a_kind_is_a_panel_with_the_accuracies_at_each_severity(block: Block, medium: Medium) -> None:
    drawn = panels(block.draw(medium=medium))
    assert [*drawn] == ["noise (mean of 2)", "class mix", "intensity"]
    noise = (CHANGED["gaussian_noise", 5] + CHANGED["shot_noise", 5]) / 2
    for name, n in (("running averages", RUNNING), ("batches of 8", 280), ("batches of 128", 330)):
        at = accuracy(drawn["noise (mean of 2)"], name)
        assert at.keys() == {"0", "3", "5"}
        assert at["0"] == pytest.approx(percent(n))
        assert at["3"] == pytest.approx(percent(n - CHANGED["gaussian_noise", 3])), "of the one that has it"
        assert at["5"] == pytest.approx(100 * (n - noise + MEAN_SEED) / 360)
        assert accuracy(drawn["intensity"], name) == pytest.approx({"0": percent(n), "5": percent(n - 130)})
    without = accuracy(drawn["intensity"], "no batch norm")
    assert without == pytest.approx({"0": NO_NORM / 3.6, "5": (NO_NORM - 130) / 3.6})


def test_a_class_mix_has_names_and_no_line_between_them(block: Block) -> None:
    axes = panels(block.draw(medium=WIDE))["class mix"]
    known = accuracy(axes, "running averages")
    assert known == pytest.approx({"as is": percent(RUNNING), "one class": percent(RUNNING - 30)})
    assert line(axes, "running averages").get_linestyle() == "None"


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_the_lines_are_named_once_and_have_the_colours_of_their_arms(block: Block, medium: Medium) -> None:
    figure = block.draw(medium=medium)
    named = [text for axes in figure.axes for *_, text in texts(axes)]
    named += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert sorted(named) == ["batches of 128", "batches of 8", "no batch norm", "running averages"]
    axes = figure.axes[0]
    assert (colour(line(axes, "running averages")), colour(line(axes, "no batch norm"))) == (BLUE, VERMILLION)
    assert len({colour(line(axes, f"batches of {size}")) for size in (8, 128)} & {BLUE, VERMILLION}) == 0


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_all_panels_have_one_scale(block: Block, medium: Medium) -> None:
    assert all(is_close(axes.get_ylim(), (0, 102)) for axes in block.draw(medium=medium).axes)


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
@pytest.mark.parametrize("make", [changed_images.by_kind, changed_images.one_by_one])
def test_every_text_can_be_read(modes: Modes, make, medium: Medium) -> None:  # type: ignore[no-untyped-def]
    figure: Figure = make(modes).draw(medium=medium)
    assert illegible(figure) == []


def test_the_halves_of_the_file_stand_with_the_selections_of_the_appendix(modes: Modes, block: Block) -> None:
    each = changed_images.one_by_one(modes)
    assert each
    assert [*panels(each.draw(medium=WIDE))] == ["selected images", "gaussian noise", "shot noise", "invert"]
    assert "first half" in {row["images"].split(": ")[-1] for row in each.table.rows}
    assert "first half" not in {row["images"].split(": ")[-1] for row in block.table.rows}


def test_without_the_usual_sizes_the_smallest_and_the_largest_are_drawn(modes: Modes) -> None:
    kept = replace(modes, results=[r for r in modes.results if r.eval_batch_size not in (8, 128)])
    found = changed_images.by_kind(kept)
    assert found
    assert [line.get_label() for line in found.draw(medium=WIDE).axes[0].get_lines()] == [
        "running averages", "batches of 32", "no batch norm",
    ]  # fmt: skip
    assert ("batch", 32, "shuffled") in BY_BATCH
