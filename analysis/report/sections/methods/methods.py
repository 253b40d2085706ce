"""Section of the methods: the statements that hold of this study, and the papers that they cite."""

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import BulletList, Definition, Definitions, Section
from analysis.report.sections.methods import analyses, comparison, ledger, training
from analysis.report.sections.methods.facts import Facts
from analysis.report.sections.methods.statements import Passage, cited, passages

STATEMENTS = (*training.STATEMENTS, *comparison.STATEMENTS, *analyses.STATEMENTS, *ledger.STATEMENTS)


def section(study: StudyData, results: Results) -> Section:
    shown = of_study(study, results)
    texts = Definitions([Definition(passage.topic, passage.plain) for passage in shown])
    return Section("methods", "Methods", details=[texts, BulletList([paper.line for paper in cited(shown)])])


def of_study(study: StudyData, results: Results) -> list[Passage]:
    """Return what was done in this study and no more."""
    return passages(STATEMENTS, Facts(study, results))
