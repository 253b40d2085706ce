"""The order in which the page is read: the answer first, then what convinces, then every number."""

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import Part
from analysis.report.sections import (
    cells,
    compared,
    evidence,
    glossary,
    inference,
    learning,
    methods,
    provenance,
    robustness,
    speed,
    trust,
    tuning,
    where,
)

ORDER = (
    evidence, where, learning, robustness, speed, inference, tuning, compared, trust, cells, methods, provenance,
    glossary,
)  # fmt: skip


def parts(study: StudyData, results: Results) -> list[Part]:
    """All parts below the answer; the comparison with another study only where one was named."""
    made = [section.part(study, results) for section in ORDER]
    return [part for part in made if part.blocks]
