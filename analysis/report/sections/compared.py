"""Section of two studies side by side, where another was named with ``--compare``."""

from functools import partial
from typing import Any

from analysis.findings.comparison import Comparison, Side
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
)
from analysis.report.document import Figure, Section, Table
from analysis.report.figures import effects
from analysis.report.figures.style import BLUE, VERMILLION


def section(study: StudyData, results: Results) -> Section:
    return Section(
        "compared", "Beside another study", [_figure(study, comparison) for comparison in results.comparisons]
    )


def _figure(study: StudyData, comparison: Comparison) -> Figure:
    here, there = (
        f"{name} ({fmt.dataset(dataset)})"
        for name, dataset in ((study.name, study.design.dataset), (comparison.name, comparison.dataset))
    )
    differ = f" The designs differ too: {'; '.join(comparison.differs)}." if comparison.differs else ""
    series = [
        effects.Series("this study", BLUE, "o", [side.here for side in comparison.sides]),
        effects.Series("the other", VERMILLION, "s", [side.there for side in comparison.sides]),
    ]
    overall = comparison.sides[0]
    labels = [fmt.cell(side.cell) for side in comparison.sides]
    return Figure(
        name=f"compared-{comparison.arm}",
        headline=_headline(overall),
        subtitle=(
            f"Test accuracy {fmt.side(comparison.arm)} minus {fmt.side(comparison.baseline)}, in points: {here}"
            f" beside {there}. {overall.here.n} and {fmt.seeds(overall.there.n)}, of which {comparison.n_common} are in"
            " both."
        ),
        draw=partial(effects.forest, labels, series),
        alt="; ".join(_alt(label, side) for label, side in zip(labels, comparison.sides, strict=True)) + ".",
        caption=(
            f"Bars: Student's {fmt.level(overall.here.level)} intervals, each on its own. The studies are compared"
            f" within the seeds that both have, since these share their random streams.{differ}"
        ),
        table=_table(study, comparison),
    )


def _headline(overall: Side) -> str:
    here, there = (fmt.estimate(*fmt.as_triple(interval)) for interval in (overall.here, overall.there))
    return f"Over the common cells the difference is {here} points here and {there} there"


def _alt(label: str, side: Side) -> str:
    here, there = (fmt.estimate(*fmt.as_triple(interval)) for interval in (side.here, side.there))
    return f"{label}: {here} here, {there} there"


def _table(study: StudyData, comparison: Comparison) -> Table:
    columns = [
        *cell_columns(study),
        interval_column("this study, points", "here"),
        count_column("n", "n_here"),
        interval_column("the other, points", "there"),
        count_column("n", "n_there"),
        interval_column("this minus the other [cells: all at once]", "difference"),
        p_column("p, all cells: paired t; cells: adjusted (sup-t)", "p"),
        count_column("common seeds", "n_common"),
    ]
    rows = [cell_values(study, side.cell) | _row(side) for side in comparison.sides]
    return Table(f"compared-{comparison.arm}", "The difference in both studies", columns, rows, 1)


def _row(side: Side) -> dict[str, Any]:
    return {
        **interval_values("here", side.here),
        "n_here": side.here.n,
        **interval_values("there", side.there),
        "n_there": side.there.n,
        **interval_values("difference", side.difference),
        **pvalue_values("p", side.test),
        "n_common": side.difference.n,
    }
