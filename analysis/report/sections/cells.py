"""What are all the numbers of every setting? Three tables of the same contrasts: what was found, tests, sizes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from analysis.findings import contrasts
from analysis.findings.results import Results
from analysis.findings.statistics import JOINT, ON_PAGE, STATISTICS, Kind, in_order
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    count_column,
    counts_of,
    failed_column,
    p_column,
    setting_column,
    tipping_column,
)
from analysis.report.document import Block, Column, Paragraph, Placeholder, Row, Section, Table
from analysis.report.sentences import study_words


def section(study: StudyData, results: Results) -> Section:
    if not results.contrasts:
        nothing = Placeholder("There is nothing to compare with one arm; train both:", "python -m study.run")
        return Section("cells", "Every comparison", details=[nothing])
    rows = contrasts.contrast_rows(results.contrasts, study.cell_key)
    n_totals = sum(contrast.over_all_cells for contrast in results.contrasts)
    return Section("cells", "Every comparison", details=_blocks(study, rows, n_totals, fmt.level(1 - results.alpha)))


def _blocks(study: StudyData, rows: Sequence[Row], n_totals: int, level: str) -> list[Block]:
    keys, tests, sizes = _keys(study), _statistics(study, TESTS), _statistics(study, SIZES)
    over = ", and all of them together" if len(study.design.cells) > 1 else ""
    return [
        Paragraph(_about(study, level)),
        Table("contrasts", f"Every setting{over}: accuracies and differences", [*keys, *_found(study)], rows, n_totals),
        Paragraph(
            "All p-values are two-sided. The adjusted one and Holm's are corrected for the number of"
            f" {'arms and settings' if len(study.treatments) > 1 else 'settings'}, the others are not."
        ),
        _part("contrasts-tests", "Every setting: p-values", [*keys, *tests], rows, n_totals),
        _part(
            "contrasts-sizes",
            "Every setting: effect sizes, and failed runs",
            [*keys, *sizes, _failed(study)],
            rows,
            n_totals,
        ),
    ]


def _about(study: StudyData, level: str) -> str:
    overall = " The difference over all settings takes failures as they ended." if len(study.design.cells) > 1 else ""
    return (
        f"Endpoints: {study_words.primary(study)} (primary) and {fmt.endpoint('final')}. Differences are in points,"
        f" with {level} intervals. Failed runs diverged or did not learn. The difference in a setting uses the pairs in"
        f" which both arms learned.{overall}"
    )


def _part(name: str, caption: str, columns: Sequence[Column], rows: Sequence[Row], n_totals: int) -> Table:
    """Return a table of these columns alone, in its CSV too."""
    shown = {key for column in columns for key in column.keys}
    return Table(name, caption, columns, [_only(row, shown) for row in rows], n_totals)


def _only(row: Mapping[str, Any], keys: Collection[str]) -> Row:
    return {key: value for key, value in row.items() if key in keys}


# --- columns


def _keys(study: StudyData) -> list[Column]:
    names = study_words.endpoints(study.design.epochs)
    arm = [Column("arm", fmt.side, ("arm",), is_text=True)] if len(study.treatments) > 1 else []
    endpoint = Column("endpoint", names.__getitem__, ("endpoint",), is_text=True)
    return [setting_column(study), *arm, endpoint, count_column("n", "n_pairs")]


def _found(study: StudyData) -> list[Column]:
    several = len(study.treatments) > 1
    return [
        Column(fmt.side(study.baseline), fmt.percent, ("mean_baseline",)),
        Column("arm's accuracy" if several else fmt.side(study.treatments[0]), fmt.percent, ("mean_arm",)),
        Column("difference", fmt.estimate, ("mean_diff", "ci_low", "ci_high")),
        Column("[simultaneous]", _ends, ("ci_sim_low", "ci_sim_high")),
        Column(
            "verdict",
            lambda verdict, reason: verdict + (f" ({reason})" if reason else ""),
            ("verdict", "reason"),
            is_text=True,
        ),
        tipping_column(),
    ]


def _failed(study: StudyData) -> Column:
    return _FAILED if len(study.treatments) > 1 else failed_column(study.baseline, study.treatments[0])


_FAILED = Column("failed baseline | arm", counts_of, ("n_failed_baseline", "n_failed_arm", "n_runs"))


def _ends(low: float | None, high: float | None) -> str:
    return fmt.NO_NUMBER if low is None or high is None else fmt.interval(low, high)


_JOINT = (p_column("p, adjusted (sup-t)", "p_adjusted"), Column("p, sign-flip with Holm", fmt.p_value, ("p_holm",)))
TESTS: Mapping[Kind, Callable[..., str]] = {"p": fmt.p_value, "exact p": fmt.p_fraction}
SIZES: Mapping[Kind, Callable[..., str]] = {
    "points": fmt.estimate,
    "number": fmt.or_nothing(fmt.number),
    "probability": fmt.decimals,
}
"""How the statistics of a table are shown, by their kind."""


def _statistics(study: StudyData, shown: Mapping[Kind, Callable[..., str]]) -> list[Column]:
    """Return the columns of the statistics of these kinds that have a heading; among tests, of the joint ones too."""
    several = len(study.treatments) > 1
    baseline, arm = ("baseline", "arm") if several else fmt.tags(study.baseline, study.treatments[0])
    columns: list[Column] = []
    for key in in_order(ON_PAGE):
        if key == JOINT:
            columns += _JOINT if shown is TESTS else ()
        elif STATISTICS[key].heading and STATISTICS[key].kind in shown:
            statistic = STATISTICS[key]
            values = [*statistic.columns][-1:] if statistic.kind == "p" else [*statistic.columns]
            columns.append(Column(statistic.heading.format(arm=arm, baseline=baseline), shown[statistic.kind], values))
    return columns
