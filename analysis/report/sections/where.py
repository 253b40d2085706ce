"""How does the difference vary over the grid: setting by setting, and from level to level of each factor?"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.findings.results import Findings, Results
from analysis.records.cells import Grid, Levels
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report import small_multiples
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_values,
    count_column,
    failed_column,
    interval_column,
    p_column,
    pvalue_values,
    setting_column,
    text_column,
    tipping_values,
)
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures import effects
from analysis.report.sections import interactions
from analysis.stats.power import seeds_to_reach
from study.spec.factors import Cell

FIRST_ROWS = 9
"""Rows of all panels below one another, their titles counted, that the first screen has room for."""


def section(study: StudyData, results: Results) -> Section:
    """Return the map where there are several settings, and every number of them."""
    figures: dict[str, list[Block]] = {}
    details: dict[str, list[Block]] = {}
    for arm, of_arm in results.of_arms.items():
        cells = contrasts.by_cell(results.contrasts, arm)
        table = _table(study, arm, cells)
        drawn = _figures(study, arm, cells, table) if is_drawn(cells) else []
        if drawn:
            figures[arm] = [drawn[0], *interactions.evidence(study, of_arm)]
        details[arm] = [*drawn[1:], *_details(study, of_arm, cells, [] if drawn else [table])]
    blocks = under_names(study.baseline, figures)
    if not any(details.values()):
        blocks = [Placeholder("No setting has a pair of runs. To train both arms:", "python -m study.run")]
    return Section("map", "Setting by setting", blocks, under_names(study.baseline, details))


def is_drawn(cells: Mapping[Cell, Contrast]) -> bool:
    """Return whether there is a map: several settings, and a difference in one."""
    return len(cells) > 1 and any(math.isfinite(cell.mean_diff) for cell in cells.values())


def _details(
    study: StudyData, of_arm: Findings, cells: Mapping[Cell, Contrast], table: Sequence[Table]
) -> Iterator[Block]:
    if any(math.isfinite(cell.mean_diff) for cell in cells.values()):
        yield from table
    elif any(cell.verdict == "counts alone" for cell in cells.values()):
        yield Paragraph("Too few runs learn to give a difference in any setting. The answer counts those that learn.")
    yield from interactions.details(study, of_arm)


def _figures(study: StudyData, arm: str, cells: Mapping[Cell, Contrast], table: Table) -> list[Figure]:
    """Return the map, which has the table; then the panels that it leaves for the appendix."""
    draw = partial(figure, study, arm, cells, f"effect-{arm}", table)
    return small_multiples.figures(study, effects.panels_of(cells), draw)


def first_figure(study: StudyData, arm: str, cells: Mapping[Cell, Contrast]) -> Figure:
    """Return the map of the first screen: of many panels those that have room."""
    panels = effects.panels_of(cells)
    shown = effects.first_panels(cells, FIRST_ROWS)[: small_multiples.MOST]
    n = len(panels) - len(shown)
    more = f" {fmt.units(n, 'more panels')} {'stands' if n == 1 else 'stand'} below." if n else ""
    return figure(study, arm, cells, "first-map", None, shown, more)


def figure(
    study: StudyData,
    arm: str,
    cells: Mapping[Cell, Contrast],
    name: str,
    table: Table | None,
    only: Sequence[Levels],
    more: str = "",
) -> Figure:
    """Return the map of the differences, of the panels in ``only``; ``more`` is said of the others."""
    known = [cell for cell in cells.values() if math.isfinite(cell.mean_diff)]
    grid = Grid.over(cells)
    drawn = {key: cell for key, cell in cells.items() if grid.panel(key) in only}
    return Figure(
        name=name,
        headline=_headline(known),
        subtitle=(
            f"Test accuracy {fmt.side(arm)} minus {fmt.side(known[0].baseline)} in points, by"
            f" {fmt.listing([factor.axis for factor in study.design.factors])}; up to"
            f" {fmt.seeds(max(cell.n_pairs for cell in known))} a setting."
        ),
        draw=partial(effects.effect_map, cells, only=only),
        alt="; ".join(f"{fmt.cell(key)}: {_difference(cell)}{_failed(cell)}" for key, cell in drawn.items()) + ".",
        caption=f"{_about_intervals(known)}{_about_failures(study, arm, cells)}{more}",
        table=table,
    )


def _about_intervals(cells: Sequence[Contrast]) -> str:
    if all(cell.joint is None for cell in cells):
        return "Mean differences, without intervals."
    return f"Brackets: {fmt.level(cells[0].ci.level)} intervals that hold for all settings and their mean together."


def _about_failures(study: StudyData, arm: str, cells: Mapping[Cell, Contrast]) -> str:
    if not any(cell.n_failed_baseline or cell.n_failed_arm for cell in cells.values()):
        return ""
    few = seeds_to_reach(next(iter(cells.values())).alpha)
    return (
        f" Differences are of pairs in which both arms learn. Failed runs: {fmt.both(study.baseline, arm)}; they stand"
        f" alone where fewer than {few} pairs learn."
    )


def _headline(cells: Sequence[Contrast]) -> str:
    if all(cell.joint is None for cell in cells):
        return "Too few seeds to test single settings"
    better, worse = (sum(cell.verdict.startswith(side) for cell in cells) for side in ("better", "worse"))
    where = fmt.units(len(cells), "settings")
    return f"Better in {better}, worse in {worse} of {where} compared"


def _difference(cell: Contrast) -> str:
    if math.isnan(cell.mean_diff):
        return "no difference"
    return f"{_estimate(cell)} points"


def _estimate(cell: Contrast) -> str:
    return fmt.estimate(cell.mean_diff, *effects.joint_ends(cell))


def _failed(cell: Contrast) -> str:
    if not cell.n_failed_baseline and not cell.n_failed_arm:
        return ""
    without, with_arm = fmt.tags(cell.baseline, cell.arm)
    return f" ({cell.n_failed_baseline} {without} and {cell.n_failed_arm} {with_arm} of {cell.n_runs} failed)"


def _table(study: StudyData, arm: str, cells: Mapping[Cell, Contrast]) -> Table:
    inner = 1 - 2 * next(iter(cells.values())).alpha
    alone = " of all arms" if len(study.treatments) > 1 else " alone"
    columns = [
        setting_column(study),
        count_column("n", "n"),
        interval_column("difference, points [simultaneous]", "difference"),
        p_column("p, adjusted (sup-t)", "p_adjusted"),
        failed_column(study.baseline, arm),
        Column(f"[{fmt.level(inner)}, this setting{alone}]", fmt.interval, ("inner_low", "inner_high")),
        text_column("verdict", "verdict"),
    ]
    rows = [cell_values(study, key) | _row(cell) for key, cell in cells.items()]
    return Table(f"effect-{arm}", "The difference in every setting, tested together", columns, rows)


def _row(cell: Contrast) -> dict[str, Any]:
    low, high = effects.joint_ends(cell)
    return {
        "n": cell.n_pairs,
        "difference": cell.mean_diff,
        "difference_low": low,
        "difference_high": high,
        **pvalue_values("p_adjusted", cell.joint.test if cell.joint else None),
        "n_failed_baseline": cell.n_failed_baseline,
        "n_failed_arm": cell.n_failed_arm,
        "n_runs": cell.n_runs,
        "inner_low": cell.inner.low,
        "inner_high": cell.inner.high,
        **tipping_values(cell.tipping),
        "verdict": cell.verdict,
    }
