"""Section of this study beside others, where some were named with ``--compare``."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, cycle
from typing import Any

from analysis.findings.comparison import Comparison
from analysis.findings.results import Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_values,
    count_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
)
from analysis.report.document import Block, BulletList, Column, Figure, Paragraph, Section, Table
from analysis.report.figures import forest
from analysis.report.figures.style import GREY, PALETTE, PURPLE
from analysis.report.sections.compared import sentences as say
from analysis.report.sections.compared.rows import Beside, Entry, Row, lead, rows

FIRST = ("black", "D")
COLOURS, MARKERS = (PURPLE, PALETTE[5], PALETTE[9], GREY), ("s", "^", "o", "v", "P", "X", "p")
"""Styles of the study whose page this is, and of the others in order; the colours of the arms are for the arms."""
TALLEST = 8.0
"""Inches beyond which a drawing leaves single settings to the table."""


def section(study: StudyData, results: Results) -> Section:
    found = say.by_arm(results.comparisons)
    figures = {arm: [_figure(study, of_arm)] for arm, of_arm in found.items()}
    details = {arm: [*_details(study, of_arm)] for arm, of_arm in found.items()}
    return Section(
        "compared", "Beside other studies", under_names(study.baseline, figures), under_names(study.baseline, details)
    )


# --- the evidence


def _figure(study: StudyData, of_arm: Sequence[Comparison]) -> Figure:
    every, first = rows(of_arm), of_arm[0]
    names = [first.study, *(comparison.name for comparison in of_arm)]
    drawn = every
    if forest.height([row.label for row in every], len(names)) > TALLEST:
        drawn = [row for row in every if row.kind != "setting"]
    return Figure(
        name=f"compared-{first.arm}",
        headline=say.headline(of_arm),
        subtitle=_subtitle(study, of_arm, every),
        draw=partial(forest.forest, [row.label for row in drawn], _series(drawn, names)),
        alt=f"{'; '.join(map(_alt, drawn))}.",
        caption=" ".join(_caption(of_arm, every, len(drawn) < len(every))),
        table=_table(study, first, every),
    )


def _series(drawn: Sequence[Row], names: Sequence[str]) -> list[forest.Series]:
    def intervals(name: str) -> list[Any]:
        return [entry.interval if (entry := row.of(name)) else None for row in drawn]

    styles = chain([FIRST], zip(cycle(COLOURS), cycle(MARKERS), strict=False))
    return [forest.Series(name, *style, intervals(name)) for name, style in zip(names, styles, strict=False)]


def _subtitle(study: StudyData, of_arm: Sequence[Comparison], every: Sequence[Row]) -> str:
    first = of_arm[0]
    what = f"Test accuracy {fmt.side(first.arm)} minus {fmt.side(first.baseline)}, in points"
    if len(of_arm) > 1:
        return f"{what}, in {len(of_arm) + 1} studies."
    datasets = (study.design.dataset, first.dataset)
    both = [
        f"{entry.study} ({fmt.dataset(dataset)}, {fmt.units(entry.interval.n, entry.unit)})"
        for entry, dataset in zip(lead(every, first).entries, datasets, strict=True)
    ]
    return f"{what}: {' and '.join(both)}."


def _alt(row: Row) -> str:
    sides = [f"{fmt.estimate(*fmt.as_triple(entry.interval))} in {entry.study}" for entry in row.entries]
    return f"{row.label}: {', '.join(sides)}"


def _caption(of_arm: Sequence[Comparison], every: Sequence[Row], left_out: bool) -> Iterator[str]:
    level = fmt.level(every[0].entries[0].interval.level)
    yield f"Marks and bars: the mean difference of each study and its {level} interval, each on its own."
    if len(of_arm) == 1:
        yield say.common(of_arm[0])
    else:
        yield "What the studies have in common, and how their designs differ, stands in the appendix."
    if left_out:
        yield "Single settings stand in the table."


def _table(study: StudyData, first: Comparison, every: Sequence[Row]) -> Table:
    columns = [
        text_column("setting", "setting"),
        text_column("study", "study"),
        interval_column("difference, points", "difference"),
        Column("n", fmt.units, ("n", "unit")),
        interval_column(f"{first.study} minus it, points", "less"),
    ]
    found = [_facts(study, row) | _evidence(entry) for row in every for entry in row.entries]
    return Table(f"studies-{first.arm}", "The difference in each study", columns, found)


def _facts(study: StudyData, row: Row) -> dict[str, Any]:
    return {"setting": row.label, "part": row.kind} | cell_values(study, row.cell)


def _evidence(entry: Entry) -> dict[str, Any]:
    return {
        "study": entry.study,
        **interval_values("difference", entry.interval),
        "n": entry.interval.n,
        "unit": entry.unit,
        **interval_values("less", entry.beside.difference if entry.beside else None),
    }


# --- the details


def _details(study: StudyData, of_arm: Sequence[Comparison]) -> Iterator[Block]:
    every, name = rows(of_arm), of_arm[0].study
    if any(row.kind != "best" for row in every):
        yield Paragraph(
            f"{name} is compared with each study by itself, within the seeds that both have: these share their random"
            " streams. The mean over common settings is tested by the paired t test. Single settings are tested"
            " together (sup-t): their p-values and intervals hold for all settings of a comparison at once."
        )
    if any(row.kind == "best" for row in every):
        yield Paragraph(
            "With each arm at its best, studies may differ in settings and seeds. The interval of their difference"
            " runs from the low end of one minus the high end of the other, up to the reverse. It holds whatever the"
            " studies share, and is wide where they share nothing."
        )
    if len(of_arm) > 1:
        yield Paragraph("The tests are not corrected for the number of studies.")
    yield BulletList([*map(say.common, of_arm), *say.at_best(of_arm)])
    yield _tests(study, of_arm[0], every)


def _tests(study: StudyData, first: Comparison, every: Sequence[Row]) -> Table:
    columns = [
        text_column("setting", "setting"),
        text_column("study", "study"),
        interval_column("its difference, points", "there"),
        Column("n", fmt.units, ("n_there", "unit_there")),
        interval_column(f"{first.study}, points", "here"),
        Column("n", fmt.units, ("n_here", "unit_here")),
        interval_column(f"{first.study} minus study [settings: simultaneous]", "difference"),
        p_column("p, in common: paired t; settings: adjusted (sup-t)", "p"),
        count_column("common seeds", "n_common"),
    ]
    found = [
        _facts(study, row) | _tested(row.entries[0], entry, entry.beside)
        for row in every
        for entry in row.entries
        if entry.beside is not None
    ]
    return Table(f"compared-{first.arm}", "Every comparison with its test", columns, found)


def _tested(here: Entry, there: Entry, beside: Beside) -> dict[str, Any]:
    return {
        "study": there.study,
        **interval_values("here", here.interval),
        "n_here": here.interval.n,
        "unit_here": here.unit,
        **interval_values("there", there.interval),
        "n_there": there.interval.n,
        "unit_there": there.unit,
        **interval_values("difference", beside.difference),
        **pvalue_values("p", beside.test),
        "n_common": beside.n_common,
    }
