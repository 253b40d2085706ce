"""The part on the inference modes of any study: what it says is true of it, short, and in words."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis.findings.modes.inference_modes import modes
from analysis.records.tables import load, load_ablation
from analysis.report.document import Block, Figure, Placeholder, Section, Table
from analysis.report.figures.style import MEDIA
from analysis.report.sections import inference
from study.spec.design import Design
from study.spec.inference.conditions import CHANGES, KINDS
from study.spec.runs import Run
from tests.analysis.planted import CLEAN, WITHOUT_NORM, Row, Way, answer, plant, plant_ablation
from tests.analysis.report.figures import modes_study
from tests.analysis.report.figures.legible import illegible

RUNNING: Way = ("running", None, None)
SIX = replace(modes_study.DESIGN, seeds=tuple(range(6)))
Answers = Callable[[Run], Mapping[str, Sequence[Row]]]


def section(path: Path, answers: Answers | None, design: Design = SIX) -> Section:
    plant(path, design, lambda run, _: 0.9 + 0.001 * run.seed)
    if answers is not None:
        plant_ablation(path, design, answers)
    study = load(path)
    ablation = load_ablation(study)
    found = None if ablation is None else modes(study, ablation, 0.05, 0.002)
    results: Any = SimpleNamespace(modes=found, margin=0.002)
    return inference.section(study, results)


def saying(
    ways: Mapping[Way, int], conditions: Mapping[tuple[str, int], int] | None = None, wobble: int = 0
) -> Answers:
    """Every network answers so many images of 360 rightly, less what a condition costs; ways differ by a wobble."""

    def answers(run: Run) -> Mapping[str, Sequence[Row]]:
        at = {CLEAN: 0} | dict(conditions or {})
        known = ways if run.arm == "bn" else {WITHOUT_NORM: 300}
        return {
            "ablation": [
                answer(
                    way,
                    condition,
                    n - cost + (wobble * (-1) ** run.seed if way != RUNNING else 0),
                    degenerate=way[1] == 1,
                )
                for condition, cost in at.items()
                for way, n in known.items()
            ]
        }

    return answers


def figures(of: Section) -> dict[str, Figure]:
    return {block.name: block for block in (*of.blocks, *of.details) if isinstance(block, Figure)}


CASES: dict[str, tuple[Answers | None, Design]] = {
    "everything": (modes_study.answers, SIX),
    "one seed": (modes_study.answers, replace(SIX, seeds=(0,))),
    "clean only": (saying({RUNNING: 340, ("batch", 8, "shuffled"): 300}), SIX),
    "one size that is not 8": (saying({RUNNING: 340, ("batch", 64, "shuffled"): 300}, {("rotate", 2): 20}), SIX),
    "batches of one": (saying({RUNNING: 340, ("batch", 1, "shuffled"): 36}), SIX),
    "sorted batches": (saying({RUNNING: 340, ("batch", 16, "sorted"): 36}), SIX),
    "blends alone": (saying({RUNNING: 340, ("blend_16", 8, "shuffled"): 300}), SIX),
    "saved statistics alone": (saying({RUNNING: 340, ("population", None, None): 341}, {("invert", 5): 300}), SIX),
    "running averages alone": (saying({RUNNING: 360}), SIX),
    "without the baseline": (modes_study.answers, replace(SIX, arms=("bn",))),
    "without batch norm": (modes_study.answers, replace(SIX, arms=("no_bn",))),
    "not evaluated": (None, SIX),
}


@pytest.fixture(scope="module", params=CASES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Section:
    """The part of every study of CASES."""
    return section(tmp_path_factory.mktemp("results") / "s", *CASES[request.param])


def test_what_is_said_of_any_study_is_short_and_in_words(made: Section) -> None:
    for figure in figures(made).values():
        assert len(figure.headline.split()) <= 12, figure.headline
        assert len(figure.subtitle.split()) <= 26, figure.subtitle
        assert figure.caption.count(". ") <= 3
        assert len(figure.table.columns) <= 7
        assert figure.table.rows
    assert not [
        text for block in (*made.blocks, *made.details) for text in shown(block) if "_" in text or "nan" in text
    ]


def shown(block: Block) -> Iterator[str]:
    """What a reader sees of it, drawings aside."""
    if isinstance(block, Figure):
        yield from (block.headline, block.subtitle, block.caption, block.alt, *shown(block.table))
    elif isinstance(block, Table):
        yield block.caption
        yield from (column.head for column in block.columns)
        yield from (cell.text for row in block.body for cell in row)
    elif isinstance(block, Placeholder):
        yield block.text
    else:
        yield from getattr(block, "items", [getattr(block, "text", "")])


def test_the_figures_of_any_study_can_be_drawn_and_read(made: Section) -> None:
    for figure in (block for block in made.blocks if isinstance(block, Figure)):
        for medium in MEDIA:
            assert illegible(figure.draw(medium=medium)) == [], (figure.name, medium.name)


def test_a_study_that_was_not_evaluated_says_how_to_have_it(tmp_path: Path) -> None:
    made = section(tmp_path / "s", None)
    (block,) = made.details
    assert isinstance(block, Placeholder)
    assert block.command == "python -m study.ablate results/s"
    assert (made.title, made.blocks) == ("Batch norm at test time", ())


def test_a_headline_names_an_order_that_is_not_shuffled(tmp_path: Path) -> None:
    headline = figures(section(tmp_path / "s", *CASES["sorted batches"]))["modes"].headline
    assert headline == "Batches of 16, sorted by class: 10.00 %, running averages 94.44 %"


def test_what_was_not_evaluated_is_left_out(tmp_path: Path) -> None:
    found = figures(section(tmp_path / "clean", *CASES["clean only"]))
    assert [*found] == ["modes", "calibration"]
    assert [*figures(section(tmp_path / "saved", *CASES["saved statistics alone"]))] == ["shifts", "shifts-each"]


@pytest.mark.parametrize(
    ("n", "wobble", "headline"),
    [
        (300, 1, r"Test batches of 8 cost 11\.1\d? points \(83\.33 % against 94\.44 %\)"),
        (358, 1, r"Test batches of 8 gain 5\.0\d? points \(99\.44 % against 94\.44 %\)"),
        (340, 0, r"Test batches of 8 reach 94\.44 %, running averages 94\.44 %"),
        (341, 9, r"Test batches of 8 reach 94\.72 %, running averages 94\.44 %"),
    ],
)
def test_a_headline_has_a_side_only_where_the_simultaneous_interval_has_one(
    n: int, wobble: int, headline: str, tmp_path: Path
) -> None:
    made = section(tmp_path / "s", saying({RUNNING: 340, ("batch", 8, "shuffled"): n}, wobble=wobble))
    assert re.fullmatch(headline, figures(made)["modes"].headline)


@pytest.mark.parametrize(
    ("n", "headline"),
    [
        (250, r"Invert at severity 5: test batches of 128 gain 16\.67 points"),
        (130, r"Invert at severity 5: test batches of 128 lose 16\.67 points"),
        (192, r"Running averages: 52\.78 % at worst \(invert at severity 5\)"),
    ],
)
def test_the_headline_of_changed_images_is_the_largest_sure_change_or_the_worst(
    n: int, headline: str, tmp_path: Path
) -> None:
    def answers(run: Run) -> Mapping[str, Sequence[Row]]:
        if run.arm != "bn":
            return saying({})(run)
        clean = saying({RUNNING: 340, ("batch", 128, "shuffled"): 340})(run)["ablation"]
        wobble = (-1) ** run.seed * (40 if n == 192 else 1)
        changed = [answer(RUNNING, ("invert", 5), 190), answer(("batch", 128, "shuffled"), ("invert", 5), n + wobble)]
        return {"ablation": [*clean, *changed]}

    made = section(tmp_path / "s", answers)
    assert re.fullmatch(headline, figures(made)["shifts"].headline), figures(made)["shifts"].headline


def test_every_corruption_has_a_kind_that_a_panel_is_drawn_for() -> None:
    assert {change.kind for change in CHANGES.values() if change.strengths} < {*KINDS}
    assert {kind for kind in KINDS if all(change.kind != kind for change in CHANGES.values())} == set()
