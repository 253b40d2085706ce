"""The ledger as tables: the claims, and under them every row; and as a figure."""

import math
from collections.abc import Collection, Iterator
from functools import partial
from itertools import groupby
from textwrap import wrap
from typing import Any

from analysis.findings.claims.ledger import Ledger, LedgerEntry
from analysis.findings.results import Results
from analysis.report import number_format as fmt
from analysis.report.columns import text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.claims import overview, verdicts
from analysis.report.sections.claims import places, words


def claims(ledger: Ledger) -> Table:
    """Return the claims with their verdicts; where rows disagree, these are named."""
    columns = [
        Column("claim", str, ("claim",)),
        text_column("the tutorial says, in our words", "statement"),
        text_column("verdict", "verdict"),
        text_column("rows", "rows"),
    ]
    rows = [
        {"claim": of.claim, "statement": words.CLAIMS[of.claim], "verdict": of.verdict, "rows": words.rows_of(of)}
        for of in ledger.claims
    ]
    return Table("claims-verdicts", "The tutorial's claims and their verdicts; all numbers stand below", columns, rows)


def every_row(ledger: Ledger, results: Results, drawn: Collection[str]) -> Table:
    """Return all rows in the order of the claims; ``drawn`` as ``places.place`` takes it."""
    entries = {entry.row.key: entry for entry in ledger.entries}
    columns = [
        Column("row", lambda row, statement: f"{row}: {statement}", ("row", "statement"), is_text=True),
        text_column("verdict", "verdict"),
        Column("quantity and condition", _measured, ("quantity", "condition"), is_text=True),
        Column(
            "estimate [simultaneous interval]", lambda key, *_: words.number(entries[key]),
            ("row", "estimate", "low", "high", "unit"),
        ),
        Column("adjusted p", fmt.p_value, ("p_adjusted",)),
        Column("n", lambda n, unit: fmt.units(n, unit) if n else fmt.NO_NUMBER, ("n", "n_unit")),
        Column("claimed", _region, ("rule", "bound", "unit"), is_text=True),
        Column("remark", _remark, ("reason", "command"), is_text=True),
        Column("see", places.in_words, ("section",), is_text=True, link=_link),
    ]  # fmt: skip
    rows = [_values(entry, places.place(entry.row, results, drawn)) for entry in ledger.entries]
    return Table("claims", "Every row of the ledger", columns, rows)


def _values(entry: LedgerEntry, section: str) -> dict[str, Any]:
    return entry.to_dict() | {"section": section}


def _region(kind: str, bound: float, unit: str) -> str:
    """Return the claimed region.

    >>> _region("within", 0.2, "points"), _region("below", -0.10536, "log ratio"), _region("exact", 0, "images")
    ('within ±0.2 points', 'below 0.9 times', '0 images')
    """
    value = math.exp(bound) if unit == words.LOG_RATIO else bound
    size = f"{value:.3g}" if unit == words.LOG_RATIO else f"{value:g}"
    text = {"within": f"within ±{size}", "exact": f"0, to {size}" if bound else "0", "reported": size}
    return f"{text.get(kind, f'{kind} {size}')} {words.unit_words(unit)}".rstrip()


def _measured(quantity: str, condition: str) -> str:
    return in_lines(f"{quantity}; {condition}")


LETTERS = 36
"""Of a line of a long text in the table, at least."""


def in_lines(text: str) -> str:
    """Return a text that breaks into lines of some 36 letters and no shorter ones, whatever the room."""
    return " ".join(line.replace(" ", "\N{NO-BREAK SPACE}") for line in wrap(text, LETTERS))


def _remark(reason: str, command: str) -> str:
    return in_lines(": ".join(filter(None, (reason, command)))) or fmt.NO_NUMBER


def _link(section: str) -> str:
    return section if places.is_anchor(section) else ""


def figure(ledger: Ledger) -> Figure:
    """Return every row against what was claimed; its numbers are those of the table of all rows."""
    rows = [*_drawn(ledger)]
    asked = words.asked(ledger.entries)
    return Figure(
        name="claims-ledger",
        headline=words.headline(ledger),
        subtitle=(
            "How far inside or outside the claimed region each estimate lies, in half-widths of its interval;"
            f" {fmt.units(len(words.asked(ledger.rows)), 'rows')} asked of {len(ledger.rows)}, and"
            f" {fmt.units(len(ledger.controls), 'controls')}."
        ),
        draw=partial(verdicts.ledger, rows),
        alt="; ".join(f"{entry.row.key} {entry.verdict}, {words.number(entry)}" for entry in asked) + ".",
        caption=_caption(ledger),
        table=None,
    )


def first_figure(ledger: Ledger) -> Figure:
    """Return the claims with a mark for every row, for the first screen."""
    lines = [(f"{of.claim} {words.SHORT[of.claim]}", [entry.verdict for entry in of.entries]) for of in ledger.claims]
    return Figure(
        name="first-claims",
        headline=words.headline(ledger),
        subtitle="The tutorial's claims.",
        draw=partial(overview.overview, lines),
        alt="; ".join(f"{claim}: {', '.join(verdicts)}" for claim, verdicts in lines) + ".",
        caption="A mark is a row of the ledger, with one number and one rule, or one of its controls.",
        table=None,
    )


def _caption(ledger: Ledger) -> str:
    said = [
        "Shaded: the region that the claim names.",
        "Bar: the simultaneous interval, which is two half-widths long on every row.",
        "Identities and reported numbers have no half-width: they stand inside or outside.",
        f"What lies beyond {verdicts.FARTHEST:g} stands at the edge.",
    ]
    if any(entry.verdict not in verdicts.LOOKS for entry in ledger.entries):
        said.append("Rows that were not asked have no mark.")
    return " ".join(said)


def _drawn(ledger: Ledger) -> Iterator[verdicts.DrawnRow]:
    for claim in ledger.claims:
        yield verdicts.DrawnRow(words.claim_line(claim), "claim")
        for statement, entries in groupby(claim.entries, key=lambda entry: entry.row.statement):
            if statement != words.CLAIMS[claim.claim]:
                yield verdicts.DrawnRow(statement, "statement")
            yield from map(_drawn_row, entries)


def _drawn_row(entry: LedgerEntry) -> verdicts.DrawnRow:
    mark = verdicts.mark_of(entry.row.rule, entry.verdict, entry.estimate, entry.low, entry.high)
    number = words.number(entry)
    text = entry.verdict if number == fmt.NO_NUMBER else number
    return verdicts.DrawnRow(entry.row.key, "row", entry.verdict, mark, text)
