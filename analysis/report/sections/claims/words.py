"""The ledger in words: the tutorial's claims, a row's number, and how many rows came out how."""

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from analysis.findings.claims.ledger import ClaimVerdict, Ledger, LedgerEntry
from analysis.report import number_format as fmt
from study.spec.arms import DEFAULT_ARMS, PUBLISHED
from study.spec.claims.rows import ALONE, OTHERS, SEEDS
from study.spec.claims.rules import CONTRADICTED, NOT_ASKED, SUPPORTED, VERDICTS

BN, NONE = DEFAULT_ARMS
CLAIMS = {
    1: "Training and test images come from different distributions",
    2: "Such a shift costs accuracy",
    3: "An attribute tied to the class in training misleads at test",
    4: "Mini-batches differ from one another inside a network",
    5: "This internal covariate shift grows with depth",
    6: "The deeper a network, the less reliably it learns",
    7: "Batch normalisation reduces internal covariate shift",
    8: "The formulas of training and testing",
    9: "Gamma and beta matter",
    10: "The same image comes out differently in two batches",
    11: "Statistics saved in training prevent that",
    12: "Averages over the batches of training are the right statistics",
    13: f"One run without batch normalisation reaches {100 * PUBLISHED[NONE]:g} %",
    14: f"One run with batch normalisation reaches {100 * PUBLISHED[BN]:g} %",
    15: "Batch normalisation is better",
    16: "Batch normalisation learns faster",
    17: "The seed makes a run reproducible",
    18: "What it calls validation, the test images, flatters",
}
"""The tutorial's claims in our words."""
SHORT = {
    1: "Training and test images differ",
    2: "Such a shift costs accuracy",
    3: "An attribute tied to the class misleads",
    4: "Mini-batches differ",
    5: "This shift grows with depth",
    6: "Deeper networks learn less reliably",
    7: "BN reduces internal covariate shift",
    8: "The formulas",
    9: "Gamma and beta matter",
    10: "An image depends on its batch",
    11: "Saved statistics prevent that",
    12: "Averages over training are right",
    13: f"{100 * PUBLISHED[NONE]:g} % without BN",
    14: f"{100 * PUBLISHED[BN]:g} % with BN",
    15: "BN is better",
    16: "BN learns faster",
    17: "The seed makes a run reproducible",
    18: "Its validation flatters",
}
"""The same in at most 40 letters."""
LOG_RATIO = "log ratio"
UNIT_WORDS = {LOG_RATIO: "times", "percent": "%", "absolute": "", "share": "of all", "ratio": "of 1"}
"""Units that a reader gets in other words."""
UNSIGNED = ("AUC", "percent", "absolute", "images", "bits")
"""Units of what is no difference."""


def number(entry: LedgerEntry) -> str:
    """Return a row's number with its interval and unit: of an identity the values seen, of a reported number the
    prediction interval."""
    found = bare_number(entry)
    return found if found == fmt.NO_NUMBER else f"{found} {unit_words(entry.row.unit)}".rstrip()


def unit_words(unit: str) -> str:
    """Return a unit as it stands behind a number.

    >>> unit_words("log ratio"), unit_words("points")
    ('times', 'points')
    """
    return UNIT_WORDS.get(unit, unit)


def bare_number(entry: LedgerEntry) -> str:
    """Return a row's number with its interval."""
    low, high, kind = entry.low, entry.high, entry.row.rule.kind
    if entry.row.unit == LOG_RATIO:
        return fmt.size(*(math.exp(value) for value in (entry.estimate, low, high)))
    if kind == "reported":
        ends = fmt.size(entry.estimate, low, high)
        return ends if ends == fmt.NO_NUMBER else f"{ends.partition(' ')[2] or ends}, reported {entry.row.rule.bound:g}"
    if kind == "exact":
        return " to ".join(dict.fromkeys(f"{end:.3g}" for end in (low, high) if math.isfinite(end))) or fmt.NO_NUMBER
    is_signed = entry.row.unit not in UNSIGNED or entry.row.rule.kind == "within"
    return (fmt.number if is_signed else fmt.size)(entry.estimate, low, high)


def claim_line(claim: ClaimVerdict) -> str:
    """Return a claim with its verdict."""
    return f"{claim.claim} {CLAIMS[claim.claim]}: {claim.verdict}"


def rows_of(claim: ClaimVerdict) -> str:
    """Return the rows that a claim's verdict follows from, by theirs where they do not agree."""
    keys: dict[str, list[str]] = {}
    for entry in claim.counted:
        keys.setdefault(entry.verdict, []).append(entry.row.key)
    named = [f"{f'{verdict}: ' if len(keys) > 1 else ''}{', '.join(of)}" for verdict, of in keys.items()]
    return "; ".join(named) or fmt.NO_NUMBER


def counts(ledger: Ledger) -> Counter[str]:
    return Counter(entry.verdict for entry in ledger.rows)


def counted(ledger: Ledger) -> str:
    """Return how many rows came out how, in the order of VERDICTS, such as ``2 supported and 1 contradicted``."""
    found = counts(ledger)
    return fmt.listing([f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict]])


def headline(ledger: Ledger) -> str:
    """Return the finding in at most 12 words."""
    found = counts(ledger)
    n_asked = found.total() - found[NOT_ASKED]
    if not n_asked:
        return "No row of the ledger was asked"
    return f"Of {n_asked} rows asked, {found[SUPPORTED]} are supported, {found[CONTRADICTED]} contradicted"


def line(ledger: Ledger) -> str:
    """Return the ledger in a sentence for the first screen: the claims, then their rows."""
    of_claims = Counter(claim.verdict for claim in ledger.claims)
    kinds = [f"{n} {verdict}" for verdict, n in of_claims.most_common()]
    return (
        f"of the tutorial's {fmt.units(len(ledger.claims), 'claims')} {fmt.listing(kinds)}; of their"
        f" {fmt.units(len(ledger.rows), 'rows')} {counted(ledger)}."
    )


FAMILIES = {
    SEEDS: "over the seeds that all experiments share hold together (max-T)",
    OTHERS: "over other seeds or units, and of counts of failures, hold together (Bonferroni; their p by Holm)",
}


def families(ledger: Ledger) -> Iterator[str]:
    """Yield by family how many rows it has whose intervals hold together, and at which level; how many stand alone."""
    for family, what in FAMILIES.items():
        asked = [entry for entry in ledger.entries if entry.row.family == family and entry.verdict != NOT_ASKED]
        if asked:
            levels = {entry.level for entry in asked if math.isfinite(entry.level)}
            at = f" at {_levels(levels)}" if levels else ""
            yield f"The intervals of {fmt.units(len(asked), 'rows')} {what}{at}"
    alone = sum(entry.row.family == ALONE and entry.verdict != NOT_ASKED for entry in ledger.entries)
    if alone:
        yield f"{fmt.units(alone, 'rows')}, identities and controls, {'stands' if alone == 1 else 'stand'} alone"


def _levels(levels: Collection[float]) -> str:
    """Return the levels of a family: that of two one-sided tests, which is lower, behind the other."""
    highest, *others = [fmt.level(level) for level in sorted(levels, reverse=True)]
    return f"{highest} ({fmt.listing(others)} where two bounds are tested)" if others else highest


def about(ledger: Ledger) -> list[str]:
    """Return what the ledger is, its counts and what its intervals mean: a sentence each."""
    n_rows, n_claims = fmt.units(len(ledger.rows), "rows"), fmt.units(len(ledger.claims), "claims")
    return [
        f"The tutorial's {n_claims} are taken apart into {n_rows}, each with one number and one rule:"
        f" {counted(ledger)}.{_controls(ledger)}",
        *(f"{family}." for family in families(ledger)),
        f"Rows, rules and families, and alpha ({ledger.alpha:g}), stand in the manifest, which is written"
        " before the first run.",
    ]


def _controls(ledger: Ledger) -> str:
    """Return how many controls hold, which count for no claim; nothing where there are none."""
    verdicts = [entry.verdict for entry in ledger.controls]
    return f" {verdicts.count(SUPPORTED)} of {fmt.units(len(verdicts), 'controls')} hold." if verdicts else ""


def asked(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    return [entry for entry in entries if entry.verdict != NOT_ASKED]
