"""A study's report into its folder: report.html, report.json, tables/*.csv, figures/*.svg."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.findings.results import analyse
from analysis.records import completeness, tables
from analysis.report import document, report_json, sentences
from analysis.report.html import page
from analysis.report.sections import order


@dataclass(frozen=True)
class Written:
    """What a report came to."""

    page: Path
    said: Mapping[str, Any]
    """What ``report.json`` holds."""
    numbers: Sequence[tuple[str, str]]
    n_missing: int
    """Planned runs without records."""


def write_report(study_dir: Path, margin: float, alpha: float, compare: Path | None = None) -> Written:
    """Write the report of a study into its folder, beside that of ``compare`` if it is named."""
    study = tables.load(study_dir)
    other = None if compare is None else tables.load(compare)
    results = analyse(study, alpha, margin, other)
    said, parts = report_json.contents(study, results), order.parts(study, results)
    files = {f"figures/{figure.name}.svg": figure.svg for figure in document.figures(parts)}
    files |= {f"tables/{table.name}.csv": table.to_csv().encode() for table in document.tables(parts)}
    files["report.json"] = json.dumps(said, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    files["report.html"] = page.render(study, said, parts).encode()
    tables.write(study, files)
    tables.record_looks(study, said["looks"])
    numbers = sentences.main_numbers(results)
    return Written(study.path / "report.html", said, numbers, completeness.n_missing(study))
