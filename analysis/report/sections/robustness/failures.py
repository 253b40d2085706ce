"""How many runs of either arm fail, pair by pair, and what do failures do to the difference?"""

import math
from typing import Any

from analysis.findings.failures import Failures
from analysis.findings.results import Findings
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    failed_column,
    interval_column,
    interval_values,
    of_both,
    p_column,
    pvalue_values,
)
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.report.sentences import study_words


def details(study: StudyData, of_arm: Findings) -> list[Block]:
    arms = of_arm.baseline, of_arm.arm
    columns = [
        *cell_columns(study),
        failed_column(*arms),
        of_both("diverged", *arms, ("n_diverged_baseline", "n_diverged_arm"), _both),
        Column(" | ".join(f"only {tag}" for tag in fmt.tags(*arms)), _both, ("n_only_baseline", "n_only_arm")),
        p_column("p, exact McNemar (total: sign-flip of counts)", "p"),
        Column("p, McNemar mid-p", fmt.p_value, ("mid_p",)),
        interval_column("difference of the failure rates, points (Bonett and Price)", "difference"),
        p_column("p, worst rank (Wilcoxon)", "p_worst_rank"),
        interval_column("difference where neither run diverged, points", "survivors"),
        count_column("pairs left out there", "n_dropped"),
        Column("bounds for any score of diverged runs, points", fmt.interval, ("bound_low", "bound_high")),
    ]
    rows = [cell_values(study, row.cell) | _row(row) for row in of_arm.failures]
    table = Table(f"failures-{of_arm.arm}", "Failures in pairs of runs", columns, rows, n_totals=1)
    return [_about(study, of_arm), table]


def _about(study: StudyData, of_arm: Findings) -> Paragraph:
    over, threshold = of_arm.failures[0], study_words.threshold(study.learning_threshold)
    about = (
        f"A run fails if it diverges (then it counts as chance) or ends below the learning threshold of {threshold}."
    )
    if math.isnan(over.test.pvalue):
        return Paragraph(about)
    test = f"The sign-flip test of each seed's number of failures{study_words.over_all(study)}"
    return Paragraph(f"{about} {test} gives {fmt.p_equals(over.test)} ({fmt.seeds(over.test.n)}).")


def _both(a: int, b: int) -> str:
    return f"{a} | {b}"


def _row(row: Failures) -> dict[str, Any]:
    names = (
        "n_runs", "n_failed_baseline", "n_failed_arm", "n_diverged_baseline", "n_diverged_arm", "n_only_baseline",
        "n_only_arm", "mid_p",
    )  # fmt: skip
    return {
        **{name: getattr(row, name) for name in names},
        **pvalue_values("p", row.test),
        **interval_values("difference", row.interval),
        **pvalue_values("p_worst_rank", row.worst_rank),
        **interval_values("survivors", row.survivors.interval),
        "n_dropped": row.survivors.n_dropped,
        "bound_low": row.survivors.low,
        "bound_high": row.survivors.high,
    }
