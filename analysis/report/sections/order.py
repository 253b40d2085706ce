"""The order in which the page is read: what convinces first, then, in the same order, every number."""

from collections.abc import Callable
from dataclasses import dataclass

from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report.document import Section
from analysis.report.sections import (
    arms,
    cells,
    glossary,
    inference,
    pairs,
    provenance,
    where,
)
from analysis.report.sections.claims import claims
from analysis.report.sections.compared import compared
from analysis.report.sections.learning import learning, speed
from analysis.report.sections.methods import methods
from analysis.report.sections.robustness import robustness
from analysis.report.sections.trust import trust
from analysis.report.sections.tuned import tuning


def _always(study: StudyData, results: Results) -> bool:
    return True


def _beside_another(study: StudyData, results: Results) -> bool:
    return bool(results.comparisons)


def _has_ledger(study: StudyData, results: Results) -> bool:
    return study.claims is not None and results.ledger is not None


def _several_arms(study: StudyData, results: Results) -> bool:
    return len(study.treatments) > 1


@dataclass(frozen=True)
class Entry:
    """A section in the order of the page."""

    key: str
    """Its name on the page: what a link leads to."""
    make: Callable[[StudyData, Results], Section]
    is_shown: Callable[[StudyData, Results], bool] = _always


SECTIONS = (
    Entry(claims.NAME, claims.section, is_shown=_has_ledger),
    Entry("arms", arms.section, is_shown=_several_arms),
    Entry("seeds", pairs.section),
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
LEADS_WHERE_TUNED = "tuned"
"""What a tuned study is about."""


def shown(study: StudyData, results: Results) -> list[Entry]:
    """Return the entries that a study's page has, in order."""
    every = [entry for entry in SECTIONS if entry.is_shown(study, results)]
    return sorted(every, key=lambda entry: entry.key != LEADS_WHERE_TUNED) if results.tuned else every


def sections(study: StudyData, results: Results) -> list[Section]:
    """Return all sections below the answer."""
    return [entry.make(study, results) for entry in shown(study, results)]


def title(key: str, study: StudyData, results: Results) -> str:
    """Return the title of a section on the page, for what refers to it."""
    return next(entry.make(study, results).title for entry in shown(study, results) if entry.key == key)
