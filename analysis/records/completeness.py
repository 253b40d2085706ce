"""How many runs were planned, and what became of them, by arm and by cell?"""

from collections.abc import Sequence
from typing import Any

from analysis.records.cells import levels, row_of
from analysis.records.tables import StudyData

OUTCOMES = ("planned", "done", "failed to learn", "diverged", "not applicable", "missing")
"""``done``: has records, whatever it came to; ``missing``: planned and has none."""


def completeness(study: StudyData) -> list[dict[str, Any]]:
    """Return a row per arm, over all cells (whose levels are None), then one per cell and arm: counts of OUTCOMES."""
    key = study.cell_key
    by = ["arm", *key]
    runs, failed = study.runs, study.outcomes[study.outcomes.failed & ~study.outcomes.diverged]
    counts = {
        "done": runs.groupby(by).size(),
        "failed to learn": failed.groupby(by).size(),
        "diverged": runs[runs.status == "diverged"].groupby(by).size(),
        "not applicable": runs[runs.status == "not_applicable"].groupby(by).size(),
    }
    design = study.design
    cells: list[dict[str, Any]] = [
        {**row_of(cell, key), "arm": arm, "planned": len(design.seeds)}
        | {name: int(count.get((arm, *levels(cell, key)), 0)) for name, count in counts.items()}
        for cell in design.cells
        for arm in design.arms
    ]
    rows = [row | {"missing": row["planned"] - row["done"]} for row in cells]
    return [row_of(None, key) | _total(arm, rows) for arm in design.arms] + rows


def _total(arm: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    of_arm = [row for row in rows if row["arm"] == arm]
    return {"arm": arm} | {name: sum(row[name] for row in of_arm) for name in OUTCOMES}


def n_missing(study: StudyData) -> int:
    """Return the number of planned runs without records."""
    known = {*study.runs.run_id, *(study.tuned.runs.run_id if study.tuned else ())}
    return len(study.design.runs) - len(known)
