"""Section of the methods (methods.txt, a paragraph each) and their papers (references.txt, a line each)."""

from importlib.resources import files

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Block, BulletList, Paragraph, Section
from analysis.stats.power import seeds_to_reach
from study.spec.arms import ARMS

PAPERS = {"batch": "Ioffe and Szegedy 2015"}
"""Papers by the kind of normalisation."""


def section(study: StudyData, results: Results) -> Section:
    text = _asset("methods.txt").format(
        differ=_differ(study),
        key=fmt.listing([*(factor.axis for factor in study.design.factors), "seed"]),
        activation=fmt.activation(study.design),
        widths="-".join(map(str, study.design.widths)),
        alpha=fmt.level(results.alpha),
        inner=fmt.level(1 - 2 * results.alpha),
        margin=f"{100 * results.margin:g}",
        chance=fmt.percent(study.chance),
        learns=fmt.percent(study.learning_threshold, 0),
        enough=seeds_to_reach(results.alpha),
    )
    paragraphs = [Paragraph(" ".join(paragraph.split())) for paragraph in text.split("\n\n")]
    blocks: list[Block] = [*paragraphs, BulletList(_asset("references.txt").splitlines())]
    return Section("methods", "Methods", details=blocks)


def _differ(study: StudyData) -> str:
    """Return what the two runs of a pair differ in, with its paper."""
    names = fmt.treatments(study.design.arms)
    kinds = {arm.name: arm.norm.kind for arm in ARMS.values() if arm.norm}
    papers = [f" ({PAPERS[kinds[name]]})" if kinds.get(name) in PAPERS else "" for name in names]
    if len(names) == 1:
        return f"{names[0]} alone{papers[0]}"
    return f"{' or '.join(name + paper for name, paper in zip(names, papers, strict=True))} alone"


def _asset(name: str) -> str:
    return files("analysis.report.sections").joinpath("texts", name).read_text("utf-8")
