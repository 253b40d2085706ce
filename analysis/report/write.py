"""The files of a study's report: report.html, report.json, tables/*.csv, figures/*.svg."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.findings.results import analyse
from analysis.records import completeness, tables
from analysis.records.other_studies import load_others
from analysis.records.rule import rule_of
from analysis.report import document, report_json, sentences
from analysis.report.html import page
from analysis.report.sections import order
from analysis.report.sections.compared import sentences as of_others


@dataclass(frozen=True)
class Written:
    """A written report: its page and what the command prints of it."""

    page: Path
    report: Mapping[str, Any]
    """The content of ``report.json``."""
    numbers: Sequence[tuple[str, str]]
    n_missing: int
    """Number of planned runs without records."""


def write_report(
    study_dir: Path, alpha: float | None = None, margin: float | None = None, compare: Sequence[Path] = ()
) -> Written:
    """Write the report of a study into its folder, beside those in ``compare``; level and margin are those that
    the study fixed unless given."""
    study = tables.load(study_dir)
    rule = rule_of(study, alpha, margin)
    results = analyse(study, rule.alpha, rule.margin, load_others(compare))
    report, sections = report_json.contents(study, results), order.sections(study, results)
    files = {f"figures/{figure.name}.svg": figure.wide for figure in document.figures(sections)}
    files |= {f"tables/{table.name}.csv": table.to_csv().encode() for table in document.tables(sections)}
    files["report.json"] = json.dumps(report, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    files["report.html"] = page.render(study, report, sections).encode()
    tables.write(study, files)
    tables.record_looks(study, report["looks"])
    numbers = [*sentences.main_numbers(results), *of_others.numbers(results.comparisons)]
    return Written(study.path / "report.html", report, numbers, completeness.n_missing(study))
