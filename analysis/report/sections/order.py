"""The order in which the page is read: the answer first, then what convinces, then every number.

A section's number, and what refers to it, follow from its place here.
"""

from collections.abc import Callable
from dataclasses import dataclass

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
    tuning,
    where,
)
from analysis.report.sections.trust import trust


def _always(study: StudyData, results: Results) -> bool:
    return True


def _beside_another(study: StudyData, results: Results) -> bool:
    return bool(results.comparisons)


@dataclass(frozen=True)
class Section:
    """A numbered part of the page."""

    key: str
    """Its name on the page: what a link leads to."""
    part: Callable[[StudyData, Results], Part]
    is_shown: Callable[[StudyData, Results], bool] = _always


SECTIONS = (
    Section("seeds", evidence.part),
    Section("map", where.part),
    Section("curves", learning.part),
    Section("robustness", robustness.part),
    Section("times", speed.part),
    Section("inference", inference.part),
    Section("tuned", tuning.part),
    Section("compared", compared.part, is_shown=_beside_another),
    Section("trust", trust.part),
    Section("cells", cells.part),
    Section("methods", methods.part),
    Section("provenance", provenance.part),
    Section("glossary", glossary.part),
)
FIRST = 2
"""Number of the first of them: the answer above is part 1."""


def shown(study: StudyData, results: Results) -> list[Section]:
    """Return the sections of a study's page, in order."""
    return [section for section in SECTIONS if section.is_shown(study, results)]


def parts(study: StudyData, results: Results) -> list[Part]:
    """Return all parts below the answer."""
    return [section.part(study, results) for section in shown(study, results)]


def number(key: str, study: StudyData, results: Results) -> int:
    """Return the number of a section on the page, for what refers to it."""
    return [section.key for section in shown(study, results)].index(key) + FIRST
