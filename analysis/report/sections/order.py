"""The order in which the page is read: the answer first, then what convinces, then every number.

A section's number, and what refers to it, follow from its place here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import Section
from analysis.report.sections import (
    cells,
    compared,
    evidence,
    glossary,
    inference,
    methods,
    provenance,
    robustness,
    tuning,
    where,
)
from analysis.report.sections.learning import learning, speed
from analysis.report.sections.trust import trust


def _always(study: StudyData, results: Results) -> bool:
    return True


def _beside_another(study: StudyData, results: Results) -> bool:
    return bool(results.comparisons)


@dataclass(frozen=True)
class Entry:
    """A section in the order of the page."""

    key: str
    """Its name on the page: what a link leads to."""
    make: Callable[[StudyData, Results], Section]
    is_shown: Callable[[StudyData, Results], bool] = _always


SECTIONS = (
    Entry("seeds", evidence.section),
    Entry("map", where.section),
    Entry("curves", learning.section),
    Entry("robustness", robustness.section),
    Entry("times", speed.section),
    Entry("inference", inference.section),
    Entry("tuned", tuning.section),
    Entry("compared", compared.section, is_shown=_beside_another),
    Entry("trust", trust.section),
    Entry("cells", cells.section),
    Entry("methods", methods.section),
    Entry("provenance", provenance.section),
    Entry("glossary", glossary.section),
)
FIRST = 2
"""Number of the first of them: the answer above is number 1."""


def shown(study: StudyData, results: Results) -> list[Entry]:
    """Return the entries that a study's page has, in order."""
    return [entry for entry in SECTIONS if entry.is_shown(study, results)]


def sections(study: StudyData, results: Results) -> list[Section]:
    """Return all sections below the answer."""
    return [entry.make(study, results) for entry in shown(study, results)]


def number(key: str, study: StudyData, results: Results) -> int:
    """Return the number of a section on the page, for what refers to it."""
    return [entry.key for entry in shown(study, results)].index(key) + FIRST
