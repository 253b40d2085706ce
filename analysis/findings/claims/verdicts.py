"""The ledger: every row's verdict by the rules that its manifest fixed, and every claim's from its rows'.

Which rows a family has follows from the manifest: those that its data set and extent can answer. What has not been run
yet is not asked; its family keeps its size. Controls do not count for their claim.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from analysis.findings.claims import other_families, seeds_family
from analysis.findings.claims.estimates import BySeed, Estimate
from analysis.findings.claims.estimators import ESTIMATORS
from analysis.findings.claims.judged import Judged, entry, not_asked
from analysis.findings.claims.ledger import ClaimVerdict, Ledger, LedgerEntry
from analysis.records.claims import ClaimsData, NotRunYet
from study.spec.claims.rows import ALONE, OTHERS, SEEDS, Row
from study.spec.claims.rules import of_claim

UNKNOWN = "this version of the program does not know the row"
Estimates = Mapping[str, Estimate]


def ledger(data: ClaimsData) -> Ledger:
    """Return the ledger of what has been run."""
    alpha, rows = data.fixed.alpha, {row.key: row for row in data.fixed.rows}
    estimates: dict[str, Estimate] = {}
    entries: dict[str, LedgerEntry] = {}
    for key, row in rows.items():
        found = _estimate(data, row)
        if isinstance(found, str):
            entries[key] = not_asked(row, found, data.command_for(row))
        else:
            estimates[key] = found
    for family, size in family_sizes(data).items():
        members = {key: of for key, of in estimates.items() if rows[key].family == family}
        judged = FAMILIES[family](data, members, rows, size)
        entries |= {key: entry(rows[key], of, alpha) for key, of in judged.items()}
    in_order = [entries[key] for key in rows]
    return Ledger(in_order, claim_verdicts(in_order), alpha)


def family_sizes(data: ClaimsData) -> dict[str, int]:
    """Return how many rows each family has, those among them that have not been run yet."""
    asked = [row.family for row in data.fixed.rows if data.why_not(row) is None and row.key in ESTIMATORS]
    return {family: asked.count(family) for family in (SEEDS, OTHERS, ALONE)}


def claim_verdicts(entries: Iterable[LedgerEntry]) -> list[ClaimVerdict]:
    """Return the verdict of each claim, in order."""
    of: dict[int, list[LedgerEntry]] = {}
    for one in entries:
        of.setdefault(one.row.claim, []).append(one)
    return [
        ClaimVerdict(claim, of_claim(one.verdict for one in mine if not one.row.control), mine)
        for claim, mine in sorted(of.items())
    ]


def _estimate(data: ClaimsData, row: Row) -> Estimate | str:
    """Return what is estimated of a row, or why nothing is."""
    why = data.why_not(row) or (None if row.key in ESTIMATORS else UNKNOWN)
    if why:
        return why
    try:
        return ESTIMATORS[row.key](data)
    except NotRunYet as not_yet:
        return str(not_yet)


def _over_seeds(data: ClaimsData, members: Estimates, rows: Mapping[str, Row], size: int) -> dict[str, Judged]:
    values = {
        key: of.values.reindex([*data.seeds]).to_numpy(np.float64)
        for key, of in members.items()
        if isinstance(of, BySeed)
    }
    others = {key: of for key, of in members.items() if key not in values}
    alpha = data.fixed.alpha
    return seeds_family.judge(values, rows, alpha, size) | other_families.judge(others, rows, alpha, size)


def _others(data: ClaimsData, members: Estimates, rows: Mapping[str, Row], size: int) -> dict[str, Judged]:
    return other_families.judge(members, rows, data.fixed.alpha, size)


def _each_alone(data: ClaimsData, members: Estimates, rows: Mapping[str, Row], size: int) -> dict[str, Judged]:
    return other_families.judge_alone(members, rows, data.fixed.alpha)


FAMILIES: Mapping[str, Callable[[ClaimsData, Estimates, Mapping[str, Row], int], dict[str, Judged]]] = {
    SEEDS: _over_seeds,
    OTHERS: _others,
    ALONE: _each_alone,
}
"""How the rows of a family are judged."""
