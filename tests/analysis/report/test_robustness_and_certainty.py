"""The sections on robustness, on certainty and on all settings, of ordinary and of odd studies: every sentence true,
none empty, evidence short, and drawings that fit."""

import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.findings.accuracy_shares import accuracy_levels, accuracy_shares
from analysis.findings.arms import arm_cells
from analysis.findings.results import Results, analyse
from analysis.records.tables import StudyData
from analysis.report.document import Block, Figure, Paragraph, Section, Table, figures, tables
from analysis.report.figures.style import MEDIA
from analysis.report.sections import cells
from analysis.report.sections.robustness import accuracy_shares as shares
from analysis.report.sections.robustness import robustness
from analysis.report.sections.trust import trust
from study.spec.arms import ARMS, Arm
from study.spec.design import Design
from study.spec.factors import Cell
from study.spec.runs import Run
from tests.analysis.planted import planted

DESIGN = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
ONE = replace(DESIGN, batch_sizes=(32,), lrs=(0.01,))


def better(run: Run, epoch: int) -> float:
    return 0.6 + 0.05 * epoch + 0.003 * run.seed + (0.03 + 0.002 * (run.seed % 3) if run.arm == "bn" else 0)


def equal(run: Run, epoch: int) -> float:
    return 0.6 + 0.05 * epoch + 0.003 * run.seed


def one_arm_fails(run: Run, epoch: int) -> float | None:
    return better(run, epoch) if run.arm == "bn" or not epoch else None


def fails_at_the_largest_rate(run: Run, epoch: int) -> float:
    """Without batch normalisation: all at batch size 32, half of them at 64."""
    fails = run.arm == "no_bn" and run.cell.lr == 0.1 and (run.cell.batch_size == 32 or run.seed % 2)
    return 0.1 if fails else better(run, epoch)


@dataclass(frozen=True)
class Made:
    study: StudyData
    results: Results
    robustness: Section
    certainty: Section
    settings: Section

    @property
    def sections(self) -> tuple[Section, ...]:
        return self.robustness, self.certainty, self.settings


def made(path: Path, design: Design, score: object, **options: object) -> Made:
    study = planted(path, design, score, **options)  # type: ignore[arg-type]
    results = analyse(study, 0.05, 0.002)
    return Made(study, results, *(make(study, results) for make in (robustness.section, trust.section, cells.section)))


ODD = {
    "failing": (DESIGN, fails_at_the_largest_rate),
    "one setting": (ONE, better),
    "one run an arm": (replace(ONE, seeds=(0,), epochs=1), better),
    "all failed": (DESIGN, lambda run, epoch: None if epoch else 0.1),
    "one arm": (replace(DESIGN, arms=("bn",)), better),
}
ODD_TOO = {
    "ordinary": (DESIGN, better),
    "worse": (DESIGN, lambda run, epoch: 1.4 - better(run, epoch)),
    "no difference": (DESIGN, equal),
    "one seed": (replace(DESIGN, seeds=(0,)), better),
    "three seeds": (replace(DESIGN, seeds=(0, 1, 2)), better),
    "one epoch": (replace(DESIGN, epochs=1), better),
    "one arm failing": (DESIGN, one_arm_fails),
}
"""Studies that take the tests too long to make every time."""


def of_study(name: str, *values: object) -> object:
    return pytest.param(name, *values, marks=pytest.mark.slow if name in ODD_TOO else ())


@pytest.fixture(scope="module")
def all_made() -> dict[str, Made]:
    """What was made of the odd studies so far."""
    return {}


def get(name: str, all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    if name not in all_made:
        all_made[name] = made(tmp_path_factory.mktemp("results") / "s", *(ODD | ODD_TOO)[name])
    return all_made[name]


@pytest.fixture(scope="module", params=map(of_study, ODD | ODD_TOO))
def odd(request: pytest.FixtureRequest, all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    return get(request.param, all_made, tmp_path_factory)


def blocks(section: Section) -> Iterator[Block]:
    yield from (*section.blocks, *section.details)


def prose(section: Section) -> list[str]:
    found = []
    for block in blocks(section):
        if isinstance(block, Figure):
            found += [block.headline, block.subtitle, block.caption, block.alt, block.table.caption]
        elif isinstance(block, Table):
            found.append(block.caption)
        elif isinstance(block, Paragraph):
            found.append(block.text)
    return found


def headline(section: Section, name: str) -> str:
    return next(figure.headline for figure in figures([section]) if figure.name == name)


# --- what holds for every study


def test_evidence_is_short_and_its_tables_are_narrow(odd: Made) -> None:
    for figure in figures(odd.sections):
        assert len(figure.headline.split()) <= 12, figure.headline
        assert len(figure.subtitle.split()) <= 27, figure.subtitle
        assert len(re.split(r"(?<=\.) ", figure.caption)) <= 3, figure.caption
        assert len(figure.table.columns) <= 7
    for section in odd.sections:
        assert all(isinstance(block, Figure | Paragraph) for block in section.blocks)
    assert odd.settings.blocks == ()


def test_no_sentence_is_empty_or_without_its_number(odd: Made) -> None:
    for text in (text for section in odd.sections for text in prose(section)):
        assert text.strip()
        assert not re.search(r"\b(nan|None|inf)\b|= –| : |  |\{|\}| –[ .,)]", text), text
        assert not re.search(r"\b1 (seeds|runs|pairs|settings|analyses)\b", text), text
        same = re.search(r"from (\S+) to (\S+) points", text)
        assert same is None or same[1] != same[2], text


def test_the_median_sentence_is_shorter_than_20_words(odd: Made) -> None:
    texts = [text for section in odd.sections for text in prose(section) if not text.startswith(("batch size", "with"))]
    sentences = [one for text in texts for one in re.split(r"(?<=[.?:]) (?=[A-Z])", text) if len(one.split()) > 3]
    assert statistics.median(len(one.split()) for one in sentences) < 20


def test_nothing_is_over_settings_where_there_is_one_and_nothing_speaks_of_cells(odd: Made) -> None:
    texts = [text for section in odd.sections for text in prose(section)]
    heads = [column.head for table in tables(odd.sections) for column in table.columns]
    assert not [text for text in (*texts, *heads) if re.search(r"\bcells?\b", text)]
    if len(odd.study.design.cells) == 1:
        over = re.compile("over all settings|all settings at once|in all settings|over settings|in every setting")
        assert not [text for text in texts if over.search(text)]
        shown = [cell.text for table in tables([odd.certainty]) for row in table.body for cell in row]
        assert not [text for text in shown if over.search(text)]


def test_every_figure_can_be_drawn_for_every_medium(odd: Made) -> None:
    """A drawing that does not fit warns, and a warning is an error."""
    for figure in figures(odd.sections):
        for medium in MEDIA:
            drawn = figure.draw(medium=medium)
            drawn.canvas.draw()
            assert drawn.get_size_inches()[0] == medium.width


def test_names_are_unique_and_the_parts_of_the_contrasts_are_those_of_the_one_csv(odd: Made, tmp_path: Path) -> None:
    found = {table.name: table for table in tables(odd.sections)}
    assert len(found) == len([*tables(odd.sections)])
    if not odd.results.contrasts:
        return
    whole, *parts = (pd.read_csv(_csv(found[f"contrasts{part}"], tmp_path)) for part in ("", "-tests", "-sizes"))
    shared = {*odd.study.cell_key, "endpoint", "n_pairs"}
    for part in parts:
        pd.testing.assert_frame_equal(part, whole[part.columns])
        assert shared < {*part.columns}
    assert {*parts[0].columns} & {*parts[1].columns} == shared


def _csv(table: Table, folder: Path) -> Path:
    path = folder / f"{table.name}.csv"
    path.write_text(table.to_csv(), "utf-8")
    return path


# --- what one kind of study must say


@pytest.fixture
def failing(all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> Made:
    return get("failing", all_made, tmp_path_factory)


def test_failures_are_told_in_a_sentence_and_the_rates_in_another(failing: Made) -> None:
    assert headline(failing.robustness, "robustness") == "9 of 24 runs without BN failed, none with BN"
    (figure, tolerates, _) = failing.robustness.blocks
    assert isinstance(figure, Figure)
    assert (
        "6 of 6 without BN at batch size 32, rate 0.1; 3 of 6 without BN at batch size 64, rate 0.1" in figure.caption
    )
    assert isinstance(tolerates, Paragraph)
    assert tolerates.text == (
        "Batch normalisation tolerates learning rates 6 times as high as training without BN (95 % interval 3 to 11, 6"
        " seeds). We tried none above 0.1."
    )


@pytest.mark.slow
def test_where_all_runs_learn_there_is_neither_a_failure_nor_a_ratio(
    all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = get("ordinary", all_made, tmp_path_factory)
    assert headline(found.robustness, "robustness") == "All 48 runs learned"
    assert [type(block) for block in found.robustness.blocks] == [Figure, Figure]
    assert "reach the highest learning rate that we tried, 0.1, without BN and with BN" in " ".join(
        prose(found.robustness)
    )


@pytest.mark.parametrize(
    ("of", "name", "said"),
    [
        of_study("all failed", "robustness", "All 48 runs failed"),
        of_study("one arm failing", "robustness", "24 of 24 runs without BN failed, none with BN"),
        of_study("one arm", "robustness", "All 24 runs learned"),
        of_study("one arm", "accuracy-shares", "24 of 24 runs with BN reach 71.1 %"),
        of_study("one arm failing", "accuracy-shares", "Reaching 71.1 %: 24/24 runs with BN, 0/24 runs without BN"),
        of_study("ordinary", "specifications-bn", "All 6 analyses find higher accuracy with BN"),
        of_study("worse", "specifications-bn", "All 6 analyses find lower accuracy with BN"),
        of_study("no difference", "specifications-bn", "Not one of 3 analyses reaches a verdict"),
        of_study("three seeds", "specifications-bn", "Not one of 6 analyses reaches a verdict"),
    ],
)
def test_a_headline_says_what_there_is(
    of: str, name: str, said: str, all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = get(of, all_made, tmp_path_factory)
    section = found.certainty if name.startswith("spec") else found.robustness
    assert headline(section, name) == said


@pytest.mark.parametrize(
    ("of", "said"),
    [
        of_study("one seed", "One seed shows a difference but cannot say how sure it is; "),
        of_study("three seeds", "This study has 3 seeds; "),
        of_study("ordinary", None),
    ],
)
def test_too_few_seeds_are_said_in_sight(
    of: str, said: str | None, all_made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = get(of, all_made, tmp_path_factory)
    texts = [block.text for block in found.certainty.blocks if isinstance(block, Paragraph)]
    needs = "the sign-flip test needs at least 6 seeds for p < 0.05."
    assert texts == ([] if said is None else [f"{said}{needs}"])


def test_missing_pairs_are_listed_and_one_is_one(tmp_path: Path) -> None:
    lost = {Run(Cell(32, 0.01), seed=2, arm="bn")}
    study = planted(tmp_path / "s", ONE, better, lost=lost)
    texts = prose(trust.section(study, analyse(study, 0.05, 0.002)))
    assert "1 planned pair is incomplete:" in texts
    assert "All planned pairs are complete." not in texts


OTHERS = {
    name: Arm(
        name, f"{name} normalisation", f"with {name}", f"with {name}", None, colour="#029e73", line="-.", marker="^"
    )
    for name in ("layer", "group")
}


@pytest.mark.parametrize(
    ("arms", "failed", "reach"),
    [
        (
            ("bn", "no_bn", "layer"),
            "Failed runs: 0 with BN, 0 with layer, 9 without BN",
            "Reaching 71.1 %: 24/24 with BN, 15/24 without BN, 24/24 with layer",
        ),
        (("bn", "layer", "group", "no_bn"), "9 of 96 runs failed, in 4 arms", "87 of 96 runs reach 71.1 %, in 4 arms"),
    ],
)
def test_several_arms_fit_into_the_headlines_and_the_drawings(
    arms: tuple[str, ...], failed: str, reach: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, arm in OTHERS.items():
        monkeypatch.setitem(ARMS, name, arm)
    study = planted(tmp_path / "s", replace(DESIGN, arms=arms), fails_at_the_largest_rate)
    of_arms = accuracy_shares(study, accuracy_levels(study), 0.95)
    drawn = [robustness.figure(study, arm_cells(study, 0.95)), shares.figure(study, of_arms)]
    assert [figure.headline for figure in drawn] == [failed, reach]
    for figure in drawn:
        assert len(figure.headline.split()) <= 12
        for medium in MEDIA:
            figure.draw(medium=medium).canvas.draw()
