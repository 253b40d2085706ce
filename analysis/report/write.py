"""The files of a study's report: report.html, report.json, tables/*.csv, figures/*.svg; and its export for a paper."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import AnalysisError
from analysis.findings.results import Results, analyse
from analysis.records import completeness, slices, tables
from analysis.records.other_studies import load_others
from analysis.records.rule import rule_of
from analysis.records.tables import StudyData
from analysis.report import document, report_json
from analysis.report.document import Section
from analysis.report.export import export as exported
from analysis.report.export import folder
from analysis.report.first_screen import screen
from analysis.report.html import page
from analysis.report.sections import glossary, order
from analysis.report.sections.claims import words as of_ledger
from analysis.report.sections.compared import sentences as of_others
from analysis.report.sentences import summary as sentences
from analysis.report.wording import for_data
from study.spec.claims.rules import NOT_ASKED

UNRECORDED = (
    "This look at the data is not recorded: the study's folder cannot be written. A later report does not know of it."
)


@dataclass(frozen=True)
class Written:
    """A written report: its page and what the command prints of it."""

    page: Path
    report: Mapping[str, Any]
    """The content of ``report.json``."""
    numbers: Sequence[tuple[str, str]]
    n_missing: int
    """Number of planned runs without records, and of rows of a ledger that have not been run."""


def write_report(
    study_dir: Path,
    alpha: float | None = None,
    margin: float | None = None,
    compare: Sequence[Path] = (),
    to: Path | None = None,
    export: Path | None = None,
    baseline: str | None = None,
    at: Mapping[str, Any] | None = None,
) -> Written:
    """Write the report of a study into its folder or into ``to``, beside those in ``compare``, and its export
    into ``export``; level, margin and baseline are those that the study fixed unless given. That of the slice ``at``
    some levels stands in a folder of its own."""
    _check_places(study_dir, to, export)
    study = slices.sliced(tables.load(study_dir).against(baseline), at or {})
    rule = rule_of(study, alpha, margin)
    results = analyse(study, rule.alpha, rule.margin, load_others(compare))
    plain, data = screen.screen(study, results), study.design.data
    first, sections = for_data(plain, data), for_data(order.sections(study, results), data)
    report = for_data(report_json.contents(study, results, plain), data)
    if to is not None and not _recorded(study, report["looks"]):
        report["warnings"].append(UNRECORDED)
    files = _files(study, report, first, sections)
    where = _place(study) if to is None else to
    if to is None:
        _write_into(study, where, files, report["looks"])
    else:
        tables.write(to, files)
    if export is not None:
        folder.write(export, study.name, exported.files(study, results, report, sections))
    ledger = [] if results.ledger is None else [("the tutorial's claims", of_ledger.line(results.ledger))]
    numbers = [*sentences.main_numbers(results), *of_others.numbers(results.comparisons), *ledger]
    return Written(where / "report.html", report, numbers, completeness.n_missing(study) + _n_not_run(study, results))


def _n_not_run(study: StudyData, results: Results) -> int:
    """Return how many rows of a ledger could be asked and have not been run."""
    if study.claims is None or results.ledger is None:
        return 0
    why_not = study.claims.why_not
    return sum(one.verdict == NOT_ASKED and why_not(one.row) is None for one in results.ledger.entries)


def _files(
    study: StudyData, report: Mapping[str, Any], first: screen.Screen, sections: Sequence[Section]
) -> dict[str, bytes]:
    """Return the files of a report by their paths in its folder."""
    files = {f"figures/{figure.name}.svg": figure.narrow for figure in first.figures}
    files |= {f"figures/{figure.name}.svg": figure.wide for figure in document.figures(sections)}
    files |= {f"tables/{table.name}.csv": table.to_csv().encode() for table in document.tables(sections)}
    files["report.json"] = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    meanings = for_data(glossary.meanings(study), study.design.data)
    files["report.html"] = page.render(study, report, first, sections, meanings).encode()
    return files


def _check_places(study_dir: Path, to: Path | None, export: Path | None) -> None:
    """Refuse, before anything is computed, folders that hold what no report may overwrite."""
    if to is not None and (to / "manifest.json").exists() and to.resolve() != study_dir.resolve():
        raise AnalysisError(f"--to {to} holds another study; name a folder of its own, such as {to}-report")
    if export is not None:
        folder.check(export)


def _place(study: StudyData) -> Path:
    """Return where a report stands: in the study's folder, of a slice in a folder there that is named by its levels."""
    return study.place / f"report-{'_'.join(study.at_words)}" if study.at else study.place


def _write_into(study: StudyData, where: Path, files: Mapping[str, bytes], looks: list[dict[str, Any]]) -> None:
    """Write into the study's own folder, and record there what was seen."""
    try:
        if where != study.place:
            tables.make_folder(study.place, where.name)
        tables.write(where, files)
        tables.record_looks(study, looks)
    except AnalysisError as error:
        raise AnalysisError(f"{error}; a report of {study.place} can be written elsewhere too, with --to DIR") from None


def _recorded(study: StudyData, looks: list[dict[str, Any]]) -> bool:
    """Record the looks in a study that may be one that is only read; return whether they stand there now."""
    try:
        tables.record_looks(study, looks)
    except AnalysisError:
        return False
    return True
