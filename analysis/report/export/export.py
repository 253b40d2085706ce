"""All files of an export by their names: the table, the methods, the papers, the sentences, the figures."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import Section
from analysis.report.export import bibtex, latex, markdown
from analysis.report.export.figure_files import figure_files
from analysis.report.export.results_table import results_table
from analysis.report.sections.methods import methods
from analysis.report.sections.methods.statements import cited
from analysis.report.wording import for_data


def files(
    study: StudyData, results: Results, report: Mapping[str, Any], sections: Sequence[Section]
) -> dict[str, bytes]:
    """Return the files of a study's export; ``report`` is the content of its ``report.json``."""
    figures = {f"figures/{name}": content for name, content in figure_files(sections).items()}
    return {name: text.encode() for name, text in texts(study, results, report).items()} | figures


def texts(study: StudyData, results: Results, report: Mapping[str, Any]) -> dict[str, str]:
    """Return the files that are read."""
    passages = for_data(methods.of_study(study, results), study.design.data)
    papers = cited(passages)
    return _tables(study, results) | {
        "methods.tex": latex.methods(passages),
        "methods.md": markdown.methods(passages, papers),
        "references.bib": bibtex.entries(papers),
        "sentence.txt": _sentences(report),
    }


def _tables(study: StudyData, results: Results) -> dict[str, str]:
    """Return the table in both forms; none of a study that compares nothing."""
    if not study.treatments:
        return {}
    table = results_table(study, results)
    return {"table.tex": latex.table(table, f"tab:{latex.label(study.name)}"), "table.md": markdown.table(table)}


def _sentences(report: Mapping[str, Any]) -> str:
    """Return the headlines of the answer, a line each; where there is none, why."""
    headlines = [part["headline"] for verdict in report["verdicts"] for part in verdict["parts"]]
    return "".join(f"{line}\n" for line in headlines or report["warnings"])
