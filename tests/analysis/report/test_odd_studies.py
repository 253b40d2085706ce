"""Studies of one of something, or in which nothing learns: no sentence, label or cell may be nonsense."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analysis.findings.results import analyse
from analysis.records.tables import StudyData, load
from analysis.report import report_json
from analysis.report.document import (
    Block,
    BulletList,
    Column,
    Definitions,
    Figure,
    Paragraph,
    Placeholder,
    Section,
    Table,
    figures,
    tables,
)
from analysis.report.first_screen.screen import screen
from analysis.report.sections import order
from analysis.report.write import write_report
from study.spec.datasets import DATASETS, Bundled, DatasetSpec
from study.spec.design import Design
from study.spec.factors import REFERENCE_SETTING
from study.spec.runs import Run
from tests.analysis.planted import in_gains, on_a_cliff, on_a_hill, plant, plant_tuned, points
from tests.analysis.report.test_statcheck import Page

MAX_WORDS, MAX_COLUMNS = 12, 7

# --- what must never be

NOUNS = (
    "analyses|arms|batches|cells|classes|epochs|images|layers|levels|networks|pairs|points|rows|runs|searches|seeds|"
    "settings|studies|trials|units"
)
NEVER = {
    "a range from a number to itself": re.compile(r"\bfrom ([+−-]?\d\S*(?: %)?(?: \[[^]]*\])?) to \1(?![\w.])"),
    "one in the plural": re.compile(rf"(?<![\w.,+−/-])1 ({NOUNS})\b"),
    "an average of one": re.compile(r"averaged over (the )?(1|one)\b"),
    "a share of none": re.compile(r"\b0 of 0\b"),
    "no number": re.compile(r"\b(nan|NaN|None|null|inf)\b"),
    "a word twice": re.compile(r"\b([A-Za-z]+) \1\b", re.IGNORECASE),
    "two stops": re.compile(r"(?<!\.)\.\.(?!\.)|,,|\. \.|,\.| [,.;]"),
    "a gap": re.compile(r"\S  +\S|\{\w*\}"),
}
OVER_SETTINGS = re.compile(
    r"\b(over|across|among|averaged over|in all|in every|of all|all)( the| these)?( \d+)? (cells?|settings)\b",
    re.IGNORECASE,
)
"""What cannot be said of one setting."""
EXPLAINS = ("methods", "glossary")
"""Sections that say what words mean, whatever there is."""


@dataclass(frozen=True)
class Text:
    section: str
    where: str
    text: str

    def faults(self, has_one_setting: bool) -> Iterator[str]:
        said = f"{self.section}, {self.where}: {self.text[:160]!r}"
        yield from (f"{what}: {said}" for what, sought in NEVER.items() if sought.search(self.text))
        if has_one_setting and self.section not in EXPLAINS and OVER_SETTINGS.search(self.text):
            yield f"over one setting: {said}"


def faults(sections: Sequence[Section], texts: Sequence[Text], has_one_setting: bool) -> list[str]:
    """A line for each thing that must not be on the page of these sections, whose words are ``texts``."""
    return [
        *(fault for text in texts for fault in text.faults(has_one_setting)),
        *_twice("figure", [figure.name for figure in figures(sections)]),
        *_twice("table", [table.name for table in tables(sections)]),
        *(fault for section in sections for block in section.blocks for fault in _too_much(section, block)),
        *(fault for figure in figures(sections) for fault in _untold(figure)),
    ]


def _twice(kind: str, names: Sequence[str]) -> Iterator[str]:
    yield from (f"two {kind}s are called {name}" for name in sorted(set(names)) if names.count(name) > 1)


def _too_much(section: Section, block: Block) -> Iterator[str]:
    if isinstance(block, Figure) and len(block.headline.split()) > MAX_WORDS:
        yield f"{section.name}: {len(block.headline.split())} words in a headline: {block.headline!r}"
    table = block.table if isinstance(block, Figure) else block
    if isinstance(table, Table) and len(table.columns) > MAX_COLUMNS:
        yield f"{section.name}: {len(table.columns)} columns in the table {table.name}"


def _untold(figure: Figure) -> Iterator[str]:
    for name in ("headline", "subtitle", "alt", "caption"):
        if not re.search(r"\w", getattr(figure, name)):
            yield f"{figure.name}: no {name}"


# --- every word of a page, from its values and from its HTML


def words_of(sections: Sequence[Section], report: dict[str, Any]) -> list[Text]:
    """Every text of the answer and of the sections, one a sentence, label or cell."""
    said = [("notice", notice) for notice in (*report["warnings"], *report["notes"])] + [("scope", report["scope"])]
    for verdict in report["verdicts"]:
        said += [(f"part {part['key']}", text) for part in verdict["parts"] for text in _told(part)]
        said += [("what would change it", text) for text in verdict["what_would_change_it"]]
    answer = [Text("answer", where, text) for where, text in said]
    of_sections = [
        Text(section.name, where, text)
        for section in sections
        for block in (*section.blocks, *section.details)
        for where, text in _words(block)
    ]
    return [*answer, *of_sections]


def _told(part: dict[str, Any]) -> list[str]:
    return [part["title"], part["headline"], *part["details"]]


def _words(block: Block) -> Iterator[tuple[str, str]]:
    match block:
        case Paragraph(text) | Placeholder(text):
            yield "text", text
        case BulletList(items):
            yield from (("item", item) for item in items)
        case Definitions(terms):
            yield from (("term", text) for term in terms if not term.code for text in (term.term, term.text))
        case Table():
            yield from _in_table(block)
        case Figure():
            names = ("headline", "subtitle", "alt", "caption")
            yield from ((f"{name} of {block.name}", getattr(block, name)) for name in names)
            yield from _in_table(block.table) if block.table is not None else ()


def _in_table(table: Table) -> Iterator[tuple[str, str]]:
    yield f"caption of {table.name}", table.caption
    yield from ((f"head in {table.name}", column.head) for column in table.columns)
    yield from ((f"cell in {table.name}", cell.text) for row in (*table.totals, *table.body) for cell in row)


def words_in(text: str) -> list[Text]:
    """Every text of a page: prose, labels, drawings and cells."""
    found = Page(text)
    said = [Text(part, "prose", words) for part, words in found.prose]
    said += [Text(part, "drawing", words) for part, words in found.drawn]
    cells = ((name, cell) for name, rows in found.tables.items() for row in rows for of in row.items() for cell in of)
    return said + [Text("table", name, cell) for name, cell in cells]


# --- the studies

GRID = Design("digits", batch_sizes=(32, 64), lrs=(0.01, 0.1), seeds=tuple(range(6)), epochs=3)
ONE_SETTING = {"batch_sizes": (32,), "lrs": (0.01,)}
TWO_CLASSES = DatasetSpec("halves", "Halves", 1_437, 360, 64, 2, Bundled())


def score(run: Run, epoch: int) -> float:
    """Better with batch normalisation, in every setting by something else."""
    gain = 0.02 + 0.002 * (run.seed % 3) + 0.1 * run.cell.lr + 0.0005 * run.cell.batch_size
    return 0.6 + 0.05 * epoch + 0.003 * run.seed + (gain if run.arm != "no_bn" else 0)


def alike(run: Run, epoch: int) -> float:
    return 0.9


def fails(arms: Sequence[str], run: Run, epoch: int) -> float | None:
    """Every run of these arms diverges after the first epoch."""
    return None if run.arm in arms and epoch > 1 else score(run, epoch)


def at_chance(run: Run, epoch: int) -> float:
    return 0.1


def tuned_fails(run: Run, epoch: int) -> float | None:
    """Tuned, every run with batch normalisation diverges."""
    tuned = run.cell != REFERENCE_SETTING and run.arm == "bn"
    return None if tuned and epoch else in_gains(run, epoch)


def on_a_grid(accuracy: Callable[[Run, int], float | None] = score, **design: Any) -> Callable[[Path], Path]:
    return lambda path: plant(path, replace(GRID, **design), accuracy)


def tuned(**options: Any) -> Callable[[Path], Path]:
    return lambda path: plant_tuned(path, **{"accuracy": in_gains, "trial": on_a_hill, "tried": points(8), **options})


STUDIES: dict[str, Callable[[Path], Path]] = {
    "one of everything": on_a_grid(**ONE_SETTING, seeds=(0,), epochs=1),
    "one setting": on_a_grid(**ONE_SETTING),
    "one setting that is not the tutorial's": on_a_grid(batch_sizes=(64,), lrs=(0.1,)),
    "one batch size": on_a_grid(batch_sizes=(32,)),
    "one seed": on_a_grid(seeds=(0,)),
    "one epoch": on_a_grid(epochs=1),
    "one arm": on_a_grid(arms=("bn",)),
    "three arms": on_a_grid(arms=("bn", "layer", "no_bn")),
    "arms that are alike": on_a_grid(alike),
    "an arm that fails in every run": on_a_grid(partial(fails, ("no_bn",))),
    "batch norm fails in every run of one setting": on_a_grid(partial(fails, ("bn",)), **ONE_SETTING),
    "all diverged": on_a_grid(partial(fails, ("bn", "no_bn"))),
    "all at chance": on_a_grid(at_chance),
    "two classes": on_a_grid(dataset=TWO_CLASSES.key),
    "tuned by one search": tuned(trial=on_a_cliff, tried=points(24)),
    "tuned, one of everything": tuned(tried=points(1), seeds=(0,), n_trial_seeds=1),
    "tuned by two searches": tuned(n_searches=2, seeds=(0,)),
    "tuned by six searches": tuned(n_searches=6, seeds=(0, 1)),
    "tuned, and one arm fails": tuned(accuracy=tuned_fails),
    "tuned, and arms that are alike": tuned(accuracy=alike),
    "tuned by trials that all diverged with batch norm": tuned(
        trial=lambda arm, at, k: None if arm == "bn" else on_a_hill(arm, at, k)
    ),
    "tuned by trials that were stopped": tuned(pruned={("bn", 0), ("no_bn", 0)}),
    "one arm, tuned": tuned(arms=("bn",)),
}
FAST = ("one of everything", "batch norm fails in every run of one setting", "tuned, one of everything")


@pytest.fixture(autouse=True)
def _two_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, TWO_CLASSES.key, TWO_CLASSES)


def made(folder: Path) -> tuple[StudyData, dict[str, Any], list[Section]]:
    study = load(folder)
    results = analyse(study, 0.05, 0.002)
    sections = order.sections(study, results)
    return study, report_json.contents(study, results, screen(study, results)), sections


SOME_ARE_SLOW = [pytest.param(name, marks=[pytest.mark.slow] * (name not in FAST)) for name in STUDIES]


@pytest.mark.parametrize("name", SOME_ARE_SLOW)
def test_nothing_that_is_said_of_an_odd_study_is_nonsense(name: str, tmp_path: Path) -> None:
    study, report, sections = made(STUDIES[name](tmp_path / "s"))
    assert faults(sections, words_of(sections, report), has_one_setting=len(study.cells) == 1) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_nothing_on_the_page_of_an_odd_study_is_nonsense_nor_in_its_drawings(name: str, tmp_path: Path) -> None:
    folder = STUDIES[name](tmp_path / "s")
    study, _, sections = made(folder)
    texts = words_in(write_report(folder).page.read_text("utf-8"))
    assert faults(sections, texts, has_one_setting=len(study.cells) == 1) == []


def test_evidence_on_tuning_begins_with_the_tuned_pairs_and_on_a_grid_with_the_best_settings(tmp_path: Path) -> None:
    of_tuned, of_grid = (
        next(one for one in made(STUDIES[name](tmp_path / name))[2] if one.name == "tuned")
        for name in ("tuned, one of everything", "one batch size")
    )
    assert [block.name for block in of_tuned.blocks if isinstance(block, Figure)] == [
        "tuned-pairs-bn", "trials-bn", "budget-bn",
    ]  # fmt: skip
    assert isinstance(of_tuned.blocks[0], Figure)
    assert {block.name for block in of_tuned.details if isinstance(block, Table)} == {"tuned-bn", "breadth-bn"}
    assert [type(block) for block in of_grid.blocks] == [Paragraph, Table, Placeholder]
    assert [block.name for block in of_grid.blocks if isinstance(block, Table)] == ["best-cell-bn"]


# --- what is looked for is found


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Better in 1 of 4: from +1.77 to +1.77 points", "a range from a number to itself"),
        ("from +1.77 [+1.0, +2.0] to +1.77 [+1.0, +2.0] points", "a range from a number to itself"),
        ("from 77 % to 77 % of the runs", "a range from a number to itself"),
        ("over 1 settings", "one in the plural"),
        ("(1 seeds)", "one in the plural"),
        ("averaged over the 1 setting of this design", "an average of one"),
        ("0 of 0 runs failed", "a share of none"),
        ("The mean is nan %", "no number"),
        ("None", "no number"),
        ("Accuracy of the the runs", "a word twice"),
        ("It is better..", "two stops"),
        ("better , and more", "two stops"),
        ("It is  better", "a gap"),
        ("the same for {every_arm}", "a gap"),
        ("averaged over all settings", "over one setting"),
        ("in every cell", "over one setting"),
    ],
)
def test_nonsense_is_found(text: str, what: str) -> None:
    assert any(fault.startswith(what) for fault in Text("seeds", "text", text).faults(has_one_setting=True))


@pytest.mark.parametrize(
    "text",
    [
        "from +1.77 to +1.772 points",
        "from 1 to 16 trials",
        "11 settings, 0.1 points and 2,1 seeds",
        "1 seed, 1 setting",
        "0 of 60 seeds",
        "study.optimise(..., searches=6)",
        "without BN | with BN",
        "this setting",
    ],
)
def test_what_is_sound_is_not(text: str) -> None:
    assert [*Text("seeds", "text", text).faults(has_one_setting=True)] == []


def test_only_of_one_setting_may_nothing_be_said_over_settings() -> None:
    assert [*Text("seeds", "text", "averaged over all settings").faults(has_one_setting=False)] == []
    assert [*Text("glossary", "text", "averaged over all settings").faults(has_one_setting=True)] == []


def test_long_headlines_wide_tables_and_names_given_twice_are_found() -> None:
    wide = Table("wide", "Eight", [Column(str(i), str, ("value",)) for i in range(MAX_COLUMNS + 1)], [{"value": 1}])
    narrow = replace(wide, columns=wide.columns[1:])
    long = Figure("long", "word " * (MAX_WORDS + 1), "A drawing.", lambda medium: None, "", "Lines.", wide)  # type: ignore[arg-type, return-value]
    right = replace(long, name="right", headline="word " * MAX_WORDS, alt="1", table=narrow)
    evidence, appendix = Section("map", "Map", [long, wide]), Section("cells", "Cells", [right], [wide])
    assert faults([evidence, appendix], [], has_one_setting=False) == [
        "two tables are called wide",
        f"map: {MAX_WORDS + 1} words in a headline: {long.headline!r}",
        f"map: {MAX_COLUMNS + 1} columns in the table wide",
        f"map: {MAX_COLUMNS + 1} columns in the table wide",
        "long: no alt",
    ]
    assert faults([Section("map", "Map", [right]), replace(appendix, blocks=[right])], [], False)[0] == (
        "two figures are called right"
    )


def test_every_text_of_a_block_is_read() -> None:
    table = Table("table", "caption", [Column("head", str, ("value",))], [{"value": "cell"}, {"value": "more"}], 1)
    figure = Figure("figure", "headline", "subtitle", lambda medium: None, "alt", "drawn", table)  # type: ignore[arg-type, return-value]
    blocks = [Paragraph("said"), BulletList(["item"]), Placeholder("missing", "command"), figure]
    part = {"key": "best", "title": "title", "headline": "first", "details": ["detail"]}
    verdict = {"parts": [part], "what_would_change_it": ["change"]}
    report = {"warnings": ["notice"], "notes": [], "scope": "scope", "verdicts": [verdict]}
    texts = [text.text for text in words_of([Section("map", "Map", blocks[:2], blocks[2:])], report)]
    assert texts == [
        *("notice", "scope", "title", "first", "detail", "change"),
        *("said", "item", "missing", "headline", "subtitle", "alt", "drawn", "caption", "head", "cell", "more"),
    ]
