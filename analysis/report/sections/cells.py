"""All cells, every number of them."""

from collections.abc import Callable

from analysis.findings import contrasts
from analysis.findings.results import Results
from analysis.findings.statistics import JOINT, ON_PAGE, STATISTICS, Kind, in_order
from analysis.records.tables import ENDPOINTS, StudyData
from analysis.report import number_format as words
from analysis.report.columns import (
    cell_columns,
    count_column,
    counts_of,
    failed_column,
    p_column,
)
from analysis.report.document import Column, Paragraph, Part, Placeholder, Table

SHORT = {"last3": "last three epochs", "final": "last epoch"}


def part(study: StudyData, results: Results) -> Part:
    level = words.level(1 - results.alpha)
    about = (
        f"Differences in points, with {level} intervals. Failed runs: diverged or failed to learn, of the runs of each"
        " arm. p-values are two-sided; max-T and Holm are corrected for the number of cells, the others are not."
        " Endpoints: "
        + "; ".join(
            f"{SHORT[name]}, {text}{' (primary)' if i == 0 else ''}" for i, (name, text) in enumerate(ENDPOINTS.items())
        )
        + "."
    )
    if not results.contrasts:
        return Part(
            "cells",
            "All cells",
            [Placeholder("There is nothing to compare with one arm; train both:", "python -m study.run")],
        )
    rows = contrasts.contrast_rows(results.contrasts, study.cell_key)
    n_totals = sum(contrast.over_all_cells for contrast in results.contrasts)
    table = Table("contrasts", "All cells and both endpoints", _columns(study), rows, n_totals)
    return Part("cells", "All cells", [Paragraph(about), table])


def _columns(study: StudyData) -> list[Column]:
    several = len(study.treatments) > 1
    return [
        *cell_columns(study),
        *([Column("arm", words.side, ("arm",), words=True)] if several else []),
        Column("endpoint", lambda name: SHORT[name], ("endpoint",), words=True),
        count_column("n", "n_pairs"),
        Column(words.side(study.baseline), words.percent, ("mean_baseline",)),
        Column("arm's accuracy" if several else words.side(study.treatments[0]), words.percent, ("mean_arm",)),
        *([_FAILED] if several else [failed_column(study.baseline, study.treatments[0])]),
        Column("difference", words.estimate, ("mean_diff", "ci_low", "ci_high")),
        Column("[all cells at once]", _ends, ("ci_sim_low", "ci_sim_high")),
        *_statistics(study),
        Column(
            "verdict",
            lambda verdict, reason: verdict + (f" ({reason})" if reason else ""),
            ("verdict", "reason"),
            words=True,
        ),
    ]


_FAILED = Column("failed baseline | arm", counts_of, ("n_failed_baseline", "n_failed_arm", "n_runs"))


_JOINT = (p_column("p, step-down max-T", "p_max_t"), Column("p, sign-flip with Holm", words.p_value, ("p_holm",)))
_SHOW: dict[Kind, Callable[..., str]] = {
    "p": words.p_value,
    "exact p": words.p_fraction,
    "points": words.estimate,
    "number": words.or_nothing(words.number),
    "probability": words.decimals,
}


def _statistics(study: StudyData) -> list[Column]:
    """The columns of the statistics that have a heading, and of the cells' joint tests among them."""
    several = len(study.treatments) > 1
    baseline, arm = ("baseline", "arm") if several else words.tags(study.baseline, study.treatments[0])
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
    return words.NO_NUMBER if low is None or high is None else words.interval(low, high)
