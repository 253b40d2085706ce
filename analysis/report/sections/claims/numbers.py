"""The two numbers that the tutorial reports, among ours; and what its loader leaves out of the test."""

import math
from collections.abc import Sequence
from functools import partial

from analysis.findings.arms import PUBLISHED_CELL
from analysis.findings.claims.ledger import Ledger, LedgerEntry
from analysis.findings.claims.left_out import left_out
from analysis.records.cells import rows_in
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures.claims.prediction import Predicted, predicted
from analysis.report.sections.claims.places import NUMBERS
from study.spec.arms import DEFAULT_ARMS
from study.spec.claims.rows import OTHERS
from study.spec.claims.rules import NOT_ASKED, NOT_REPRODUCED, REPRODUCED, UNDECIDED

ROWS = dict(zip(("13", "14"), reversed(DEFAULT_ARMS), strict=True))
"""Arms by the rows of their numbers."""


def figure(study: StudyData, ledger: Ledger) -> Figure | None:
    """Return all runs beside the reported numbers; None where these were not asked for."""
    entries = {ROWS[entry.row.key]: entry for entry in ledger.entries if entry.row.key in ROWS}
    asked = {arm: entry for arm, entry in entries.items() if entry.verdict != NOT_ASKED}
    arms = [_predicted(study, arm, entry) for arm, entry in asked.items()]
    if not any(of.runs for of in arms):
        return None
    levels = fmt.listing([*dict.fromkeys(fmt.level(of.level) for of in asked.values() if math.isfinite(of.level))])
    return Figure(
        name=NUMBERS,
        headline=_headline(asked),
        subtitle=f"Test accuracy (%) of every run at the tutorial's setting, after the last epoch; {_runs(arms)}.",
        draw=partial(predicted, arms),
        alt="; ".join(f"{fmt.side(of.arm)}: {_in_words(of)}" for of in arms) + ".",
        caption=f"Points: runs. Bar: prediction interval of one more run that learns{_level(ledger, levels)}. Diamond:"
        " the tutorial's number.",
        table=_table(asked, arms),
    )


def _level(ledger: Ledger, levels: str) -> str:
    """Return how wide the intervals are: the page has narrower ones elsewhere, each for itself."""
    n = sum(entry.row.family == OTHERS and entry.verdict != NOT_ASKED for entry in ledger.entries)
    return f", so wide that all {n} of its family hold together at {levels}" if levels else ""


def _predicted(study: StudyData, arm: str, entry: LedgerEntry) -> Predicted:
    at = rows_in(study.outcomes, PUBLISHED_CELL, study.cell_key)
    runs = [100 * float(value) for value in at.final[at.arm == arm]]
    return Predicted(arm, runs, entry.low, entry.high, entry.row.rule.bound)


def _headline(asked: dict[str, LedgerEntry]) -> str:
    def said(arm: str, entry: LedgerEntry) -> str:
        where = {REPRODUCED: "inside", NOT_REPRODUCED: "outside"}.get(entry.verdict, UNDECIDED)
        return f"{entry.row.rule.bound:g} % {fmt.side(arm)} {where}"

    return f"Reported: {', '.join(said(arm, entry) for arm, entry in asked.items())}"


def _runs(arms: Sequence[Predicted]) -> str:
    return fmt.listing([f"{fmt.units(len(of.runs), 'runs')} {fmt.side(of.arm)}" for of in arms])


def _in_words(of: Predicted) -> str:
    if not of.runs:
        return "no runs"
    ends = f"{min(of.runs):.2f} to {max(of.runs):.2f} %"
    return f"runs from {ends}, prediction interval {of.low:.2f} to {of.high:.2f} %, reported {of.reported:g} %"


def _table(asked: dict[str, LedgerEntry], arms: Sequence[Predicted]) -> Table:
    columns = [
        text_column("arm", "arm"),
        Column("tutorial, one run (%)", lambda value: f"{value:g}", ("reported",)),
        interval_column("mean [prediction interval of one more run] (%)", "mean", fmt.size),
        Column("runs from", lambda low, high: f"{low:.2f} to {high:.2f}", ("lowest", "highest")),
        count_column("runs", "n"),
        text_column("verdict", "verdict"),
    ]
    rows = [
        {
            "arm": fmt.side(of.arm), "reported": of.reported, "mean": asked[of.arm].estimate, "mean_low": of.low,
            "mean_high": of.high, "lowest": min(of.runs, default=math.nan), "highest": max(of.runs, default=math.nan),
            "n": len(of.runs), "verdict": asked[of.arm].verdict,
        }
        for of in arms
    ]  # fmt: skip
    return Table(NUMBERS, "The tutorial's numbers among ours", columns, rows)


def dropped(study: StudyData) -> str | None:
    """Return what the images change that the tutorial's loader leaves out of the test; None where it leaves out
    none."""
    found = left_out(study)
    if found is None:
        return None
    change = float(f"{100 * found.largest:.2g}")
    return (
        f"The tutorial leaves out the last {fmt.units(found.n_images, 'test images')} of {found.n_test:,}: over"
        f" {found.n_runs:,} runs of ours this changes the accuracy of a run by at most {change:g} points."
    )
