"""Every measurement of the ledger in short."""

from typing import Any

from analysis.findings.claims.measured import Measurement, measured
from analysis.records.claims import ClaimsData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, text_column
from analysis.report.document import Column, Table
from analysis.report.sections.claims.places import MEASURED
from study.spec.arms import ARMS
from study.spec.claims.experiments import PROBES


def table(claims: ClaimsData, level: float) -> Table | None:
    found = measured(claims.measurements, level)
    columns = [
        text_column("probe", "experiment"),
        text_column("measure", "measure"),
        text_column("condition", "condition"),
        text_column("arm", "arm"),
        text_column("statistics", "mode"),
        Column("mean [interval]", _shown, ("mean", "mean_low", "mean_high")),
        count_column("seeds or splits", "n"),
    ]
    caption = (
        f"What the probes measured: means over seeds, of all layers and steps, with {fmt.level(level)} intervals,"
        " pointwise; those of gradient ICS are geometric"
    )
    return Table(MEASURED, caption, columns, [*map(_row, found)]) if found else None


def _row(of: Measurement) -> dict[str, Any]:
    arm = fmt.side(of.arm) if of.arm in ARMS else of.arm
    return {
        "experiment": of.experiment, "about": PROBES[of.experiment].about if of.experiment in PROBES else "",
        "measure": of.measure, "condition": of.condition, "arm": arm, "mode": of.mode, "mean": of.value.estimate,
        "mean_low": of.value.low, "mean_high": of.value.high, "n": of.value.n,
    }  # fmt: skip


def _shown(mean: float, low: float, high: float) -> str:
    if not high > low:
        return f"{mean:.4g}"
    return f"{mean:.4g} [{low:.4g}, {high:.4g}]"
