"""How many runs were planned and what became of them, by arm and by cell."""

from collections.abc import Sequence
from typing import Any

from analysis.records.tables import CELL, Study

BY = ["arm", *CELL]
OUTCOMES = ("planned", "done", "failed to learn", "diverged", "not applicable", "missing")
"""``done``: has records, whatever it came to; ``missing``: planned and has none."""


def completeness(study: Study) -> list[dict[str, Any]]:
    """A row per arm, over all cells (``batch_size`` and ``lr`` None), then one per cell and arm: counts of OUTCOMES."""
    runs, failed = study.runs, study.outcomes[study.outcomes.failed & ~study.outcomes.diverged]
    counts = {
        "done": runs.groupby(BY).size(),
        "failed to learn": failed.groupby(BY).size(),
        "diverged": runs[runs.status == "diverged"].groupby(BY).size(),
        "not applicable": runs[runs.status == "not_applicable"].groupby(BY).size(),
    }
    design = study.design
    cells: list[dict[str, Any]] = [
        {"batch_size": size, "lr": lr, "arm": arm, "planned": len(design.seeds)}
        | {name: int(count.get((arm, size, lr), 0)) for name, count in counts.items()}
        for size in design.batch_sizes
        for lr in design.lrs
        for arm in design.arms
    ]
    rows = [row | {"missing": row["planned"] - row["done"]} for row in cells]
    return [_total(arm, rows) for arm in design.arms] + rows


def _total(arm: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    of_arm = [row for row in rows if row["arm"] == arm]
    return {"batch_size": None, "lr": None, "arm": arm} | {name: sum(row[name] for row in of_arm) for name in OUTCOMES}


def n_missing(study: Study) -> int:
    """Planned runs without records."""
    known = {*study.runs.run_id, *(study.tuned.runs.run_id if study.tuned else ())}
    return len(study.design.runs) - len(known)
