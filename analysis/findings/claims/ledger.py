"""The ledger as values: an entry a row, and a verdict a claim."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from study.spec.claims.rows import Row
from study.spec.claims.rules import NOT_ASKED


@dataclass(frozen=True)
class Estimated:
    """What the statistics of a family say of a row, in the row's unit; NaN and a reason where a number is not there."""

    estimate: float = math.nan
    low: float = math.nan
    """Of the simultaneous interval; of a reported number the prediction interval of one more run; of an identity the
    smallest value seen."""
    high: float = math.nan
    level: float = math.nan
    """The level that holds for all rows of its family at once."""
    p: float = math.nan
    """Of the hypothesis that the quantity lies at the bound of the rule, this row alone."""
    p_adjusted: float = math.nan
    """Adjusted for all rows of its family."""
    n: int = 0
    n_unit: str = ""
    """What is counted: ``seeds``, ``images``, ``runs``."""
    reason: str = ""
    """Why it was not asked or is not decided; or what else must be said."""


@dataclass(frozen=True, kw_only=True)
class LedgerEntry(Estimated):
    """A row with what was found, and its verdict."""

    row: Row
    verdict: str
    """One of ``study.spec.claims.rules.VERDICTS``."""
    command: str = ""
    """What to type for a row that was not asked."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as one flat row, of which ``tables/claims.csv`` has a line."""
        row, found = self.row, {field.name: getattr(self, field.name) for field in fields(Estimated)}
        reason = found.pop("reason")
        return {
            "claim": row.claim, "row": row.key, "statement": row.statement, "quantity": row.quantity, **found,
            "unit": row.unit, "condition": row.condition, "rule": row.rule.kind, "bound": row.rule.bound,
            "control": row.control, "verdict": self.verdict, "reason": reason, "command": self.command,
        }  # fmt: skip


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict of a claim from those of its rows."""

    claim: int
    verdict: str
    """One of VERDICTS, or MIXED."""
    entries: Sequence[LedgerEntry]

    @property
    def counted(self) -> list[LedgerEntry]:
        """The rows that the verdict follows from: asked, and no controls."""
        return [entry for entry in self.entries if entry.verdict != NOT_ASKED and not entry.row.control]


@dataclass(frozen=True)
class Ledger:
    """All rows, in order, and the claims."""

    entries: Sequence[LedgerEntry]
    claims: Sequence[ClaimVerdict]
    alpha: float

    @property
    def rows(self) -> list[LedgerEntry]:
        """The rows of claims, without the controls."""
        return [entry for entry in self.entries if not entry.row.control]

    @property
    def controls(self) -> list[LedgerEntry]:
        """The controls that were asked."""
        return [entry for entry in self.entries if entry.row.control and entry.verdict != NOT_ASKED]
