"""Section of the ledger: the claims with their verdicts, the estimates against what was claimed, the experiments."""

from collections.abc import Iterator
from typing import TypeVar

from analysis.findings.claims.ledger import Ledger
from analysis.findings.results import Results
from analysis.records.claims import ClaimsData
from analysis.records.tables import StudyData
from analysis.report.document import Block, Figure, Paragraph, Section, Table
from analysis.report.sections.claims import cats, depth, drift, measured, numbers, tables, words

Shown = TypeVar("Shown", bound=Figure | Table)
NAME, TITLE = "claims", "The tutorial, claim by claim"


def section(study: StudyData, results: Results) -> Section:
    """Return the section of a study that has a ledger."""
    claims, ledger = study.claims, results.ledger
    assert claims is not None
    assert ledger is not None
    level = 1 - ledger.alpha
    figures = [*_there(_figures(study, claims, ledger, level))]
    further = [*_there(_further(claims, level))]
    drawn = [block.name for block in (*figures, *further)]
    blocks: list[Block] = [Paragraph(" ".join(words.about(ledger))), tables.claims(ledger), tables.figure(ledger)]
    blocks += figures
    blocks += [Paragraph(text) for text in (_plots(results), numbers.dropped(study)) if text]
    return Section(NAME, TITLE, blocks, [tables.every_row(ledger, results, drawn), *further])


def _figures(study: StudyData, claims: ClaimsData, ledger: Ledger, level: float) -> Iterator[Figure | None]:
    yield cats.figure(claims, level)
    yield drift.figure(claims, level)
    yield drift.gradients(claims, level)
    yield depth.figure(claims, level)
    yield numbers.figure(study, ledger)


def _further(claims: ClaimsData, level: float) -> Iterator[Figure | Table | None]:
    yield cats.faint(claims, level)
    yield depth.affine(claims, level)
    yield measured.table(claims, level)


def _there(blocks: Iterator[Shown | None]) -> Iterator[Shown]:
    return (block for block in blocks if block is not None)


def _plots(results: Results) -> str | None:
    """Return where the tutorial's four plots are, if any run was trained."""
    if not results.curves:
        return None
    return (
        "The tutorial's four plots, with all our seeds, are the figure of the section How they learn; what it calls"
        " validation there is the test."
    )
