"""Section of all cells, with every number of them."""

from collections.abc import Callable

from analysis.findings import contrasts
from analysis.findings.results import Results
from analysis.findings.statistics import JOINT, ON_PAGE, STATISTICS, Kind, in_order
from analysis.records.tables import ENDPOINTS, StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_columns,
    count_column,
    counts_of,
    failed_column,
    p_column,
    tipping_column,
)
from analysis.report.document import Column, Paragraph, Placeholder, Section, Table

SHORT = {"last3": "last three epochs", "final": "last epoch"}


def section(study: StudyData, results: Results) -> Section:
    level = fmt.level(1 - results.alpha)
    about = (
        f"Differences in points, with {level} intervals. Failed runs: diverged or failed to learn, of the runs of each"
        " arm. A cell's difference is given that both arms learn, that of all cells takes failures as they ended."
        " p-values are two-sided; the adjusted one and Holm's are corrected for the number of cells, others are not."
        " Endpoints: "
        + "; ".join(
            f"{SHORT[name]}, {text}{' (primary)' if i == 0 else ''}" for i, (name, text) in enumerate(ENDPOINTS.items())
        )
        + "."
    )
    if not results.contrasts:
        return Section(
            "cells",
            "All cells",
            [Placeholder("There is nothing to compare with one arm; train both:", "python -m study.run")],
        )
    rows = contrasts.contrast_rows(results.contrasts, study.cell_key)
    n_totals = sum(contrast.over_all_cells for contrast in results.contrasts)
    table = Table("contrasts", "All cells and both endpoints", _columns(study), rows, n_totals)
    return Section("cells", "All cells", [Paragraph(about), table])


def _columns(study: StudyData) -> list[Column]:
    several = len(study.treatments) > 1
    return [
        *cell_columns(study),
        *([Column("arm", fmt.side, ("arm",), is_text=True)] if several else []),
        Column("endpoint", lambda name: SHORT[name], ("endpoint",), is_text=True),
        count_column("n", "n_pairs"),
        Column(fmt.side(study.baseline), fmt.percent, ("mean_baseline",)),
        Column("arm's accuracy" if several else fmt.side(study.treatments[0]), fmt.percent, ("mean_arm",)),
        *([_FAILED] if several else [failed_column(study.baseline, study.treatments[0])]),
        Column("difference", fmt.estimate, ("mean_diff", "ci_low", "ci_high")),
        Column("[all cells at once]", _ends, ("ci_sim_low", "ci_sim_high")),
        *_statistics(study),
        tipping_column(),
        Column(
            "verdict",
            lambda verdict, reason: verdict + (f" ({reason})" if reason else ""),
            ("verdict", "reason"),
            is_text=True,
        ),
    ]


_FAILED = Column("failed baseline | arm", counts_of, ("n_failed_baseline", "n_failed_arm", "n_runs"))


_JOINT = (p_column("p, adjusted (sup-t)", "p_adjusted"), Column("p, sign-flip with Holm", fmt.p_value, ("p_holm",)))
_SHOW: dict[Kind, Callable[..., str]] = {
    "p": fmt.p_value,
    "exact p": fmt.p_fraction,
    "points": fmt.estimate,
    "number": fmt.or_nothing(fmt.number),
    "probability": fmt.decimals,
}


def _statistics(study: StudyData) -> list[Column]:
    """Return the columns of the statistics that have a heading, and of the cells' joint tests among them."""
    several = len(study.treatments) > 1
    baseline, arm = ("baseline", "arm") if several else fmt.tags(study.baseline, study.treatments[0])
    columns: list[Column] = []
    for key in in_order(ON_PAGE):
        if key == JOINT:
            columns += _JOINT
        elif STATISTICS[key].heading:
            statistic = STATISTICS[key]
            shown = [*statistic.columns][-1:] if statistic.kind == "p" else [*statistic.columns]
            heading = statistic.heading.format(arm=arm, baseline=baseline)
            columns.append(Column(heading, _SHOW[statistic.kind], shown))
    return columns


def _ends(low: float | None, high: float | None) -> str:
    return fmt.NO_NUMBER if low is None or high is None else fmt.interval(low, high)
