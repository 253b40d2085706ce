"""What the statistics of a family say of a row, and the entry that this makes; what all families have in common."""

import math
from dataclasses import dataclass, fields

from analysis.findings.claims.ledger import Estimated, LedgerEntry
from study.spec.claims.rows import LIMITS, Row
from study.spec.claims.rules import NOT_ASKED, UNDECIDED

WITHIN = "within"
"""The kind of rule that two one-sided tests decide."""
TWO_ONE_SIDED = "the interval is that of two one-sided tests"


@dataclass(frozen=True)
class Judged(Estimated):
    """What the statistics of a family say of a row, before its verdict."""

    withheld: str = ""
    """Why there is no verdict yet."""
    tested: tuple[str, ...] = ()
    """Verdicts that the interval alone does not give: the adjusted p has to be at most ``alpha`` as well."""


def entry(row: Row, judged: Judged, alpha: float) -> LedgerEntry:
    """Return the entry of a row: its verdict follows from the interval by the row's rule."""
    verdict, reason = row.rule.verdict(judged.low, judged.high), judged.reason
    if judged.withheld:
        verdict, reason = UNDECIDED, joined(judged.withheld, reason)
    elif verdict in judged.tested and not judged.p_adjusted <= alpha:
        verdict = UNDECIDED
        reason = joined(f"its adjusted p of {judged.p_adjusted:.2g} is above {alpha:g}", reason)
    least, most = LIMITS.get(row.unit, (-math.inf, math.inf))
    found = {field.name: getattr(judged, field.name) for field in fields(Estimated)}
    found |= {"low": min(max(judged.low, least), most), "high": min(max(judged.high, least), most), "reason": reason}
    return LedgerEntry(**found, row=row, verdict=verdict)


def not_asked(row: Row, reason: str, command: str) -> LedgerEntry:
    """Return the entry of a row without numbers."""
    return LedgerEntry(row=row, verdict=NOT_ASKED, reason=reason, command=command)


def joined(*reasons: str | None) -> str:
    """Return the reasons that there are, as one text."""
    return "; ".join(reason for reason in reasons if reason)


def is_inside(row: Row, estimate: float) -> bool:
    """Whether a rule has two bounds and the estimate lies within: only then may the row be supported."""
    return row.rule.kind == WITHIN and abs(estimate) <= row.rule.bound


def level_of(row: Row, estimate: float, alpha: float) -> float:
    """Return the level of the interval that decides a row: within two bounds that of two one-sided tests at ``alpha``,
    1 - 2 alpha (Schuirmann 1987, section 2); beyond them, where either side would contradict, 1 - alpha."""
    return 1 - 2 * alpha if is_inside(row, estimate) else 1 - alpha


def of_two_bounds(row: Row, estimate: float, p: float) -> float:
    """Return the p of a region within two bounds, from the larger one of two one-sided tests that it lies inside
    (Schuirmann 1987): as it is where the estimate does, else twice that of the test that it lies outside."""
    return p if is_inside(row, estimate) else min(1.0, 2 * (1 - p))


def note_of(row: Row, estimate: float) -> str | None:
    """Return which interval it is, where it is not the two-sided one."""
    return TWO_ONE_SIDED if is_inside(row, estimate) else None
