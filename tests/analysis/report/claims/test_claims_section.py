"""The section of the ledger: what is planted is said, in words, tables and figures, and nothing where there is none."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import report_json
from analysis.report.document import Figure, Section, Table, figures, tables
from analysis.report.first_screen import screen
from analysis.report.html import page
from analysis.report.sections import glossary, order
from analysis.report.sections.claims import cats, claims, depth, drift, numbers, places, words
from analysis.report.sections.claims.tables import every_row
from analysis.report.sections.claims.tables import figure as ledger_figure
from analysis.report.sections.methods import methods
from study.spec.claims.experiments import QUICK
from study.spec.claims.rows import ROWS
from study.spec.claims.rules import CONTRADICTED, MIXED, NOT_ASKED, SUPPORTED
from study.spec.datasets import DATASETS
from tests.analysis.claims_study import in_memory
from tests.analysis.report.claims import planted_ledger
from tests.analysis.report.figures.drawn import line, panels
from tests.analysis.report.figures.legible import illegible

COLUMNS = (
    "claim", "row", "statement", "quantity", "estimate", "low", "high", "level", "p", "p_adjusted", "n", "n_unit",
    "unit", "condition", "rule", "bound", "control", "verdict", "reason", "command", "section",
)  # fmt: skip


@pytest.fixture(scope="module")
def section(planted_study: StudyData, planted_results: Results) -> Section:
    return claims.section(planted_study, planted_results)


def rows_of(section: Section, name: str) -> list[dict[str, str]]:
    (table,) = (table for table in tables([section]) if table.name == name)
    return [*csv.DictReader(io.StringIO(table.to_csv()))]


def test_the_csv_has_a_line_for_every_row_and_the_columns_that_are_promised(section: Section) -> None:
    rows = rows_of(section, "claims")
    assert tuple(rows[0]) == COLUMNS
    assert [row["row"] for row in rows] == [*ROWS]
    assert {row["row"] for row in rows if row["verdict"] == NOT_ASKED} == {*planted_ledger.SILENT}
    silent = next(row for row in rows if row["row"] == "15c")
    assert (silent["estimate"], silent["command"]) == ("", "python -m study.claims")
    assert silent["reason"]


def test_a_claim_says_its_verdict_and_names_the_rows_that_do_not_agree(section: Section) -> None:
    found = {row["claim"]: row for row in rows_of(section, "claims-verdicts")}
    assert len(found) == 18
    assert (found["5"]["verdict"], found["5"]["rows"]) == (MIXED, "contradicted: 5a; supported: 5b-relu, 5b-tanh")
    assert (found["15"]["verdict"], found["15"]["rows"]) == (SUPPORTED, "15a, 15b, 15d")


def test_the_words_count_what_the_ledger_has_and_turn_with_it() -> None:
    plain, turned = planted_ledger.ledger(), planted_ledger.ledger(outside=[*ROWS], undecided=(), silent=())
    assert words.counted(plain) == (
        "52 supported, 5 contradicted, 1 reproduced, 1 not reproduced, 5 exact, 1 undecided and 2 not asked"
    )
    assert words.headline(plain) == "Of 65 rows asked, 52 are supported, 5 contradicted"
    assert words.headline(turned) == "Of 67 rows asked, 0 are supported, 65 contradicted"
    assert words.counted(turned) == "65 contradicted and 2 not reproduced"
    nothing = planted_ledger.ledger(silent=[*ROWS])
    assert words.headline(nothing) == "No row of the ledger was asked"
    said = " ".join(words.about(plain))
    assert "The intervals of 51 rows over the seeds that all experiments share hold together (max-T) at 95 %." in said
    assert "hold together" not in " ".join(words.about(nothing))


def test_a_row_leads_to_its_evidence_and_to_nothing_that_is_not_there(
    planted_study: StudyData, planted_results: Results, section: Section
) -> None:
    targets = {row["row"]: row["section"] for row in rows_of(section, "claims")}
    assert targets["5a"] == "figure-claims-drift"
    assert targets["7c-tanh"] == "figure-claims-gradient"
    assert targets["7d-relu"] == "figure-claims-depth"
    assert targets["17a"] == "table-claims-measured"
    assert targets["15b"] == "studies/unpaired"
    there = {f"figure-{figure.name}" for figure in figures([section])}
    there |= {f"table-{table.name}" for table in tables([section])}
    there |= {"answer", *(entry.key for entry in order.shown(planted_study, planted_results))}
    assert {target for target in targets.values() if places.is_anchor(target)} <= there
    ledger = planted_results.ledger
    assert ledger
    bare = every_row(ledger, planted_results, drawn=())
    assert {places.is_anchor(str(row["section"])) for row in bare.rows if row["claim"] == 5} == {False}


def headlines(study: StudyData) -> Iterator[Figure | None]:
    assert study.claims
    yield cats.figure(study.claims, 0.95)
    yield drift.figure(study.claims, 0.95)
    yield drift.gradients(study.claims, 0.95)
    yield depth.figure(study.claims, 0.95)
    yield depth.affine(study.claims, 0.95)


def test_a_headline_says_what_is_planted_and_turns_when_the_arms_are_exchanged(
    planted_study: StudyData, exchanged_study: StudyData
) -> None:
    plain, turned = ([figure.headline for figure in headlines(of) if figure] for of in (planted_study, exchanged_study))
    assert plain == [
        "Background gone, cats called dogs: 99 % with BN, 95 % without",
        "A step moves inputs 0.05–0.051 times as far with BN as without",
        "Gradient ICS with BN: 0.95–0.96 times that without",
        "At 10 layers BN changes accuracy by +0.4 to +61.2 points",
        "Without gamma and beta 10 layers change by -2.5 to +3.8 points",
    ]
    assert turned[1:4] == [
        "A step moves inputs 20 times as far with BN as without",
        "Gradient ICS with BN: 1–1.1 times that without",
        "At 10 layers BN changes accuracy by -61.2 to -0.4 points",
    ]
    assert "in 3 of 3" in next(f.subtitle for f in headlines(planted_study) if f and f.name == places.GRADIENT)
    assert "in 0 of 3" in next(f.subtitle for f in headlines(exchanged_study) if f and f.name == places.GRADIENT)


def test_a_headline_has_at_most_twelve_words(section: Section) -> None:
    assert {figure.name for figure in figures([section])} >= {"claims-ledger", places.CATS, places.NUMBERS}
    for figure in figures([section]):
        assert len(figure.headline.split()) <= 12, figure.headline
        assert figure.table is None or len(figure.table.columns) <= 7


def test_at_most_six_figures_stand_in_sight(section: Section) -> None:
    assert sum(isinstance(block, Figure) for block in section.blocks) <= 6


def test_a_reported_number_is_told_inside_and_outside(planted_study: StudyData) -> None:
    inside = numbers.figure(planted_study, planted_ledger.ledger(outside=("13",)))
    assert inside
    assert inside.headline == "Reported: 95.55 % without BN outside, 97.8 % with BN inside"
    assert numbers.figure(planted_study, planted_ledger.ledger(silent=("13", "14"))) is None


def test_the_images_left_out_are_told_in_a_sentence(planted_study: StudyData) -> None:
    assert "leaves out the last 16 test images of 10,000: over 12 runs of ours" in str(numbers.dropped(planted_study))


def test_what_was_not_measured_has_no_figure(planted_study: StudyData) -> None:
    empty = in_memory("c", DATASETS["mnist"], QUICK, planted_ledger.measurements().iloc[:0])
    assert [*headlines(replace(planted_study, claims=empty))] == [None] * 5


def test_the_lines_drawn_are_those_of_the_arms(planted_study: StudyData) -> None:
    (_, drawing, *_) = (figure for figure in headlines(planted_study) if figure)
    found = panels(drawing.draw())
    assert list(found)[:3] == ["ReLU, rate 0.01", "ReLU, rate 0.001", "tanh, rate 0.003"]
    first = found["ReLU, rate 0.01"]
    bn, none = ([*line(first, f"{name} BN").get_ydata()] for name in ("with", "without"))
    assert all(0.04 < one / other < 0.06 for one, other in zip(bn, none, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("medium", ["wide", "narrow"])
def test_every_text_of_every_figure_can_be_read(section: Section, medium: str) -> None:
    from analysis.report.figures.style import NARROW, WIDE

    for figure in figures([section]):
        assert illegible(figure.draw(medium={"wide": WIDE, "narrow": NARROW}[medium])) == [], figure.name
        assert len(figure.wide) < 200_000


# --- the page


def bare(section: Section) -> Section:
    """The section's tables alone, which are drawn at once."""
    return replace(
        section,
        blocks=[block for block in section.blocks if not isinstance(block, Figure)],
        details=[block for block in section.details if isinstance(block, Table)],
    )


def page_of(study: StudyData, results: Results, section: Section) -> str:
    first = replace(screen.screen(study, results), figures=[])
    report = report_json.contents(study, results, first)
    return page.render(study, report, first, [bare(section)], glossary.meanings(study))


def test_the_first_screen_counts_the_verdicts_and_leads_to_the_rows(
    planted_study: StudyData, planted_results: Results, section: Section
) -> None:
    shown = page_of(planted_study, planted_results, section)
    first = shown[: shown.index("<nav")]
    assert "of the tutorial&#39;s 18 claims 9 supported, 5 mixed" in first
    assert '<a href="#claims">' in first
    assert 'id="take-ledger"' in first
    assert 'id="claims"' in shown
    assert '<a href="#figure-claims-drift">figure</a>' in shown


def test_texts_of_a_ledger_are_escaped(planted_study: StudyData, planted_results: Results) -> None:
    hostile = "<script>alert(1)</script>"
    rows = [replace(row, statement=hostile, condition=hostile, quantity=hostile) for row in list(ROWS.values())[:3]]
    entries = [replace(planted_ledger.entry(row), reason=hostile, command=hostile) for row in rows]
    results = replace(planted_results, ledger=planted_ledger.of_entries(entries))
    section = claims.section(planted_study, results)
    assert hostile not in page_of(planted_study, results, section)
    assert results.ledger
    drawn = ledger_figure(results.ledger)
    assert hostile.encode() not in drawn.wide


def test_report_json_has_every_row_with_its_number(planted_study: StudyData, planted_results: Results) -> None:
    first = screen.screen(planted_study, planted_results)
    report = report_json.contents(planted_study, planted_results, first)
    ledger = json.loads(json.dumps(report, allow_nan=False))["tutorial_ledger"]
    assert [row["row"] for row in ledger["rows"]] == [*ROWS]
    assert next(row for row in ledger["rows"] if row["row"] == "5a")["verdict"] == CONTRADICTED
    assert next(row for row in ledger["rows"] if row["row"] == "15c")["estimate"] is None
    assert next(claim for claim in ledger["claims"] if claim["claim"] == 5)["verdict"] == MIXED


def test_a_study_without_claims_has_nothing_of_the_ledger(planted_study: StudyData, planted_results: Results) -> None:
    study, results = replace(planted_study, claims=None), replace(planted_results, ledger=None)
    assert "claims" not in [entry.key for entry in order.shown(study, results)]
    first = screen.screen(study, results)
    assert first.ledger == ""
    assert "ledger" not in [one.key for one in first.take_aways]
    assert "tutorial_ledger" not in report_json.contents(study, results, first)
    assert "internal covariate shift" not in glossary.meanings(study)
    assert "ledger" not in str(methods.section(study, results))


def test_the_methods_and_the_glossary_speak_of_the_ledger(planted_study: StudyData, planted_results: Results) -> None:
    said = str(methods.section(planted_study, planted_results))
    assert "The 67 rows and 5 controls stand with their regions in the manifest" in said
    assert "Santurkar et al. 2018" in said
    assert {"drift", "AUC", "max-T", "Holm"} <= {*glossary.meanings(planted_study)}


def test_the_section_stands_first(planted_study: StudyData, planted_results: Results) -> None:
    assert order.shown(planted_study, planted_results)[0].key == "claims"


@pytest.mark.slow
def test_every_link_of_the_whole_page_leads_somewhere(planted_study: StudyData, planted_results: Results) -> None:
    first = screen.screen(planted_study, planted_results)
    report = report_json.contents(planted_study, planted_results, first)
    sections = order.sections(planted_study, planted_results)
    shown = page.render(planted_study, report, first, sections, glossary.meanings(planted_study))
    ids = {*re.findall(r'id="([^"]+)"', shown)}
    assert {*re.findall(r'href="#([^"]+)"', shown)} <= ids
    assert "data:image/png;base64," in shown
