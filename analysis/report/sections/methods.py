"""Methods (methods.txt, a paragraph each) and the papers they come from (references.txt, a line each)."""

from importlib.resources import files

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as words
from analysis.report.document import Listing, Paragraph, Part


def part(study: StudyData, results: Results) -> Part:
    text = _asset("methods.txt").format(
        widths="-".join(map(str, study.design.widths)),
        alpha=words.level(results.alpha),
        inner=words.level(1 - 2 * results.alpha),
        margin=f"{100 * results.margin:g}",
        chance=words.percent(study.chance),
    )
    paragraphs = [Paragraph(" ".join(paragraph.split())) for paragraph in text.split("\n\n")]
    return Part("methods", "Methods", [*paragraphs, Listing(_asset("references.txt").splitlines())])


def _asset(name: str) -> str:
    return files("analysis.report.sections").joinpath("texts", name).read_text("utf-8")
