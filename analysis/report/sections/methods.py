"""Methods (methods.txt, a paragraph each) and the papers they come from (references.txt, a line each)."""

from importlib.resources import files

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as words
from analysis.report.document import BulletList, Paragraph, Part
from study.spec.arms import ARMS

PAPERS = {"batch": "Ioffe and Szegedy 2015"}
"""By the kind of normalisation."""


def part(study: StudyData, results: Results) -> Part:
    text = _asset("methods.txt").format(
        differ=_differ(study),
        key=words.listing([*(factor.axis for factor in study.design.factors), "seed"]),
        activation=words.activation(study.design),
        widths="-".join(map(str, study.design.widths)),
        alpha=words.level(results.alpha),
        inner=words.level(1 - 2 * results.alpha),
        margin=f"{100 * results.margin:g}",
        chance=words.percent(study.chance),
    )
    paragraphs = [Paragraph(" ".join(paragraph.split())) for paragraph in text.split("\n\n")]
    return Part("methods", "Methods", [*paragraphs, BulletList(_asset("references.txt").splitlines())])


def _differ(study: StudyData) -> str:
    """What the two runs of a pair differ in, and where it comes from."""
    names = words.treatments(study.design.arms)
    kinds = {arm.name: arm.norm.kind for arm in ARMS.values() if arm.norm}
    papers = [f" ({PAPERS[kinds[name]]})" if kinds.get(name) in PAPERS else "" for name in names]
    if len(names) == 1:
        return f"{names[0]} alone{papers[0]}"
    return f"{' or '.join(name + paper for name, paper in zip(names, papers, strict=True))} alone"


def _asset(name: str) -> str:
    return files("analysis.report.sections").joinpath("texts", name).read_text("utf-8")
