"""The ledger as values: an entry a row, and a verdict a claim."""

from collections.abc import Sequence
from dataclasses import dataclass

from study.spec.claims.rows import Row


@dataclass(frozen=True)
class LedgerEntry:
    """A row with what was found. In the row's unit; NaN and a reason where a number is not there."""

    row: Row
    verdict: str
    """One of ``study.spec.claims.rules.VERDICTS``."""
    estimate: float
    low: float
    """Of the simultaneous interval; of a reported number the prediction interval of one more run; of an identity the
    smallest value seen."""
    high: float
    level: float
    """The level that holds for all rows of its family at once."""
    p: float
    """Of the hypothesis that the quantity lies at the bound of the rule, this row alone."""
    p_adjusted: float
    """Adjusted for all rows of its family."""
    n: int
    n_unit: str
    """What is counted: ``seeds``, ``images``, ``runs``."""
    reason: str = ""
    """Why it was not asked or is not decided; or what else must be said."""
    command: str = ""
    """What to type for a row that was not asked."""


@dataclass(frozen=True)
class ClaimVerdict:
    """The verdict of a claim from those of its rows."""

    claim: int
    verdict: str
    """One of VERDICTS, or MIXED."""
    entries: Sequence[LedgerEntry]
    named: Sequence[str]
    """The keys of the rows to be named where they do not agree."""


@dataclass(frozen=True)
class Ledger:
    """All rows, in order, and the claims."""

    entries: Sequence[LedgerEntry]
    claims: Sequence[ClaimVerdict]
    alpha: float
