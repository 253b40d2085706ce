"""More than two factors on the page: a panel for each combination beside two axes, failures by what they share, changes
along every factor, and no more panels in sight than can be read."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast, compute_contrasts
from analysis.findings.results import Results, analyse
from analysis.records.cells import Grid
from analysis.records.tables import StudyData
from analysis.report import report_json, small_multiples
from analysis.report.document import Figure, Table
from analysis.report.figures import effects
from analysis.report.figures.style import MEDIA, NARROW, Medium, Scale, lines_of, small_width
from analysis.report.first_screen.screen import screen
from analysis.report.sections import interactions, order, where
from analysis.report.sections.methods import methods
from analysis.stats.families import simultaneous_inference
from study.spec.factors import FACTORS, Cell
from study.spec.runs import Run
from tests.analysis.many_factors import DRAG, NAMES, design, gain, registered, score, wobble
from tests.analysis.planted import planted
from tests.analysis.report.figures.drawn import title, x_ticks, y_ticks
from tests.analysis.report.test_odd_studies import faults, words_of

TURNS = (2, 5, 10)


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyData:
    """Three turns and two names at one batch size and rate: the tutorial's claim that depth makes training fail."""
    return planted(tmp_path_factory.mktemp("results") / "s", design(activation=NAMES, turns=TURNS), score)


@pytest.fixture(scope="module")
def found(study: StudyData) -> Results:
    return analyse(study, 0.05, 0.002)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[Cell, Contrast]:
    """Two batch sizes, two rates, two names and two turns."""
    four = design((32, 64), (0.01, 0.1), activation=NAMES, turns=(2, 5))
    of_study = compute_contrasts(planted(tmp_path_factory.mktemp("results") / "s", four, score), 0.05, 0.002)
    return contrasts.by_cell(of_study, "bn")


# --- the map


def said(drawing: Drawing, grid: Grid) -> dict[tuple[str, str, str], float]:
    """Colour by panel, row and column, as a reader takes them from titles and ticks."""
    found, shown = {}, [axes for axes in drawing.axes if axes.get_visible()]
    for axes in shown:
        (mesh,) = axes.collections
        values = mesh.get_array().reshape(len(y_ticks(axes)), -1)
        found |= {
            (title(axes).replace("\n", ", "), y_ticks(axes)[i], x_ticks(axes)[j]): value
            for (i, j), value in np.ndenumerate(values)
        }
    return found


def expected(cells: dict[Cell, Contrast]) -> dict[tuple[str, str, str], float]:
    names = {
        cell: (f"{cell['activation']}, turns {cell['turns']}", f"{cell.batch_size}", f"{cell.lr}") for cell in cells
    }
    return {names[cell]: 100 * np.mean([gain(cell) + wobble(cell, seed) for seed in range(6)]) / 360 for cell in cells}


def nearly(one: dict[tuple[str, str, str], float], other: dict[tuple[str, str, str], float]) -> bool:
    return one.keys() == other.keys() and all(math.isclose(one[key], other[key]) for key in one)


@pytest.mark.parametrize("medium", MEDIA, ids=lambda medium: medium.name)
def test_every_panel_shows_the_cells_that_its_title_says(
    cells: dict[Cell, Contrast], medium: Medium, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid.over(cells)
    drawing = effects.effect_map(cells, medium)
    assert nearly(said(drawing, grid), expected(cells))
    assert len({axes.collections[0].norm.vmax for axes in drawing.axes if axes.get_visible()}) == 1
    exchanged = {"relu": "tanh", "tanh": "relu"}  # two panels with each other's titles are seen
    short = Grid.short
    monkeypatch.setattr(Grid, "short", lambda self, panel: short(self, (exchanged[panel[0]], *panel[1:])))
    assert not nearly(said(effects.effect_map(cells, medium), grid), expected(cells))


def test_some_panels_have_the_colours_of_all(cells: dict[Cell, Contrast]) -> None:
    panels = effects.panels_of(cells)
    limits = [effects.effect_map(cells, only=only).axes[0].collections[0].norm.vmax for only in (panels, panels[:1])]
    assert limits[0] == limits[1] == pytest.approx(max(expected(cells).values()))


def test_titles_of_panels_stay_within_them(cells: dict[Cell, Contrast]) -> None:
    drawing = effects.effect_map(cells, NARROW)
    drawing.canvas.draw()
    for axes in filter(Axes.get_visible, drawing.axes):
        inches = axes.get_position().width * NARROW.width
        assert all(small_width(line) <= 72 * inches for line in title(axes).split("\n"))
    assert lines_of(["relu", "turns 5", "drag 0.5"], 60) == "relu, turns 5\ndrag 0.5"


def test_all_panels_are_one_family(cells: dict[Cell, Contrast]) -> None:
    """One that forgets a panel has narrower intervals."""
    table = np.array([[(gain(cell) + wobble(cell, seed)) / 360 for cell in cells] for seed in range(6)])
    whole = simultaneous_inference(np.column_stack([table.mean(1), table]))
    forgets = simultaneous_inference(np.column_stack([table.mean(1), table[:, :4]]))
    for contrast, member in zip(cells.values(), whole[1:], strict=True):
        assert contrast.joint is not None
        assert contrast.joint.n_members == 17
        assert (contrast.joint.ci.low, contrast.joint.ci.high) == pytest.approx(
            (member.interval.low, member.interval.high)
        )
    widths = [[m.interval.high - m.interval.low for m in members[1:5]] for members in (whole, forgets)]
    assert all(less < all_of for all_of, less in zip(*widths, strict=True))


# --- how many panels


def test_beyond_twelve_panels_the_rest_is_folded_and_the_page_says_how_to_see_it(tmp_path: Path) -> None:
    many = design((32, 64), (0.01, 0.1), activation=NAMES, turns=tuple(range(2, 9)))
    flat = planted(tmp_path / "wide", many, lambda run, epoch: 0.5 + 0.01 * (run.arm == "bn") + 0.001 * run.seed)
    cells = contrasts.by_cell(compute_contrasts(flat, 0.05, 0.002), "bn")
    table = Table("effect-bn", "", [], [])
    seen, folded = where._figures(flat, "bn", cells, table)
    assert (seen.table, folded.table) == (table, None)
    assert (seen.alt.count("batch size 32, rate 0.01"), folded.alt.count("batch size 32, rate 0.01")) == (12, 2)
    assert (folded.name, folded.headline) == ("effect-bn-2", "Panels 13 to 14 of 14")
    assert seen.caption.endswith(
        "2 more panels are in the appendix, folded. python -m analysis.report results/wide --at activation=relu shows"
        " one level alone."
    )
    assert "more panels" not in folded.caption
    assert "5 more panels stand below." in where.first_figure(flat, "bn", cells).caption
    panels = [*range(60)]
    assert [len(part) for part in small_multiples.parts(flat, panels)] == [12, 12, 12, 12]
    assert "36 more panels are in the appendix, folded. The numbers of 12 others are in the table." in (
        small_multiples.about(flat, panels)
    )


# --- the page


def methods_of(study: StudyData, found: Results) -> list[tuple[str, str]]:
    return [(passage.topic, passage.plain) for passage in methods.of_study(study, found)]


def test_the_page_of_depth_and_activation_has_no_fault_and_says_which_arm_fails_where(
    study: StudyData, found: Results
) -> None:
    sections = order.sections(study, found)
    report = report_json.contents(study, found, screen(study, found))
    assert faults(sections, words_of(sections, report), has_one_setting=False) == []
    assert report["scope"].startswith("Scope: networks, cross-entropy, 1 epoch on")
    assert report["not_tested"].startswith("Not tested: data other than scikit-learn's digits, more than 1 epoch,")
    (training,) = [text for where, text in methods_of(study, found) if where == "Networks and training"]
    assert training.startswith("Networks have the layers of their setting. They are")
    assert not any(word in training for word in ("Adam", "Parameters", "start uniform", "64-32"))
    (part,) = [part for part in report["verdicts"][0]["parts"] if part["key"] == "not_learning"]
    assert part["headline"] == (
        "At activation tanh, turns 10: 3 of 6 runs without BN (50 % [12, 88]) and 6 of 6 runs with BN (100 % [54, 100])"
        " learn."
    )
    assert part["details"] == []
    figures = {block.name: block for section in sections for block in section.blocks if isinstance(block, Figure)}
    assert "Failures: 3 of 6 without BN at activation tanh, turns 10." in figures["robustness"].caption
    assert "by turns and activation;" in figures["robustness"].subtitle
    drawn = figures["robustness"].draw()
    assert [title(axes) for axes in drawn.axes] == ["relu", "tanh"]
    assert [axes.get_xlabel() for axes in drawn.axes] == ["turns", "turns"]
    assert any("3 of 6 failed" in text.get_text() for text in drawn.axes[1].texts)
    assert not any("failed" in text.get_text() for text in drawn.axes[0].texts)


def test_the_difference_is_followed_along_every_factor(study: StudyData, found: Results) -> None:
    of_arm = found.of_arms["bn"]
    (figure,) = interactions.evidence(study, of_arm)
    assert isinstance(figure, Figure)
    assert figure.headline.startswith("The difference changes with")
    assert [step.name for step in of_arm.level_differences] == ["activation", "turns", "turns"]
    first = of_arm.level_differences[1].interval
    assert first.estimate == pytest.approx(9 / 360)
    assert f"turns 2 to 5: +{100 * first.estimate:.1f}" in figure.alt
    assert len(figure.table.rows) == 3  # type: ignore[union-attr]


def test_a_zero_and_names_have_places_on_an_axis() -> None:
    drag, names = Scale(DRAG, (0.0, 0.5)), Scale(FACTORS["activation"], NAMES)
    assert [drag.place(level) for level in (0.0, 0.5)] == [names.place(name) for name in NAMES] == [0, 1]
    assert drag.ends == (-0.5, 1.5)
    assert Scale(FACTORS["turns"], TURNS).place(5, aside=1) == pytest.approx(5.3)


@pytest.mark.slow
def test_five_factors_make_a_page_without_a_fault(tmp_path: Path) -> None:
    five = design((32, 64), (0.01, 0.1), activation=NAMES, turns=(2, 10), drag=(0.0, 0.5))
    study = planted(tmp_path / "s", five, score, lost={Run(five.cells[3], seed=2, arm="bn")})
    found = analyse(study, 0.05, 0.002)
    sections = order.sections(study, found)
    report = report_json.contents(study, found, screen(study, found))
    assert faults(sections, words_of(sections, report), has_one_setting=False) == []
    assert len(report["title"].split()) <= 15
