"""How does the difference vary over the grid?"""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.findings.results import Findings, Results
from analysis.records.tables import PRIMARY, StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    failed_column,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    text_column,
    tipping_column,
    tipping_values,
)
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures import effects
from analysis.stats.grid import LevelDifference
from analysis.stats.power import seeds_to_reach
from study.spec.factors import Cell


def section(study: StudyData, results: Results) -> Section:
    blocks = under_names({arm: [*_of_arm(study, results, of_arm)] for arm, of_arm in results.of_arms.items()})
    return Section(
        "map",
        "Cell by cell",
        blocks or [Placeholder("No cell has a pair of runs; train both arms:", "python -m study.run")],
    )


def _of_arm(study: StudyData, results: Results, of_arm: Findings) -> Iterator[Block]:
    cells = contrasts.by_cell(results.contrasts, of_arm.arm)
    if any(math.isfinite(cell.mean_diff) for cell in cells.values()):
        yield _map(study, of_arm.arm, cells)
    elif any(cell.verdict == "counts alone" for cell in cells.values()):
        yield Paragraph("Too few runs learn for a difference in any cell; the answer counts those that do.")
    if of_arm.level_differences:
        yield _about_levels(study, of_arm)
        yield _level_table(study, of_arm)


def _map(study: StudyData, arm: str, cells: dict[Cell, Contrast]) -> Figure:
    known = [cell for cell in cells.values() if math.isfinite(cell.mean_diff)]
    n = max(cell.n_pairs for cell in known)
    return Figure(
        name=f"effect-{arm}",
        headline=_headline(known),
        subtitle=(
            f"Test accuracy {fmt.side(arm)} minus {fmt.side(known[0].baseline)}, in points, by"
            f" {fmt.listing([factor.axis for factor in study.design.factors])}; {fmt.endpoint(PRIMARY)}; up to"
            f" {fmt.seeds(n)} a cell."
        ),
        draw=partial(effects.effect_map, cells),
        alt="; ".join(f"{fmt.cell(key)}: {_difference(cell)}{_failed(cell)}" for key, cell in cells.items()) + ".",
        caption=(
            f"The difference given that both arms learn. Intervals hold for all cells and their mean at once (sup-t,"
            f" {fmt.level(known[0].ci.level)}). ✕: runs that diverged or ended below"
            f" {fmt.percent(study.learning_threshold, 0)}, {fmt.both(study.baseline, arm)}; where fewer than"
            f" {seeds_to_reach(known[0].alpha)} pairs learn they stand alone. Colours are linear up to half a point,"
            " logarithmic beyond."
        ),
        table=_table(study, arm, cells),
    )


def _headline(cells: list[Contrast]) -> str:
    if len(cells) == 1:
        return f"The difference is {_difference(cells[0])} at {fmt.cell(cells[0].cell)}"
    better, worse = (sum(cell.verdict.startswith(side) for cell in cells) for side in ("better", "worse"))
    tally = f"Better in {better}, worse in {worse} of {len(cells)} cells in which both arms learn"
    if all(cell.joint is None for cell in cells):
        tally = "Too few seeds to test single cells"
    low, high = (choose(cells, key=lambda cell: cell.mean_diff) for choose in (min, max))
    return f"{tally}: from {_estimate(low)} to {_estimate(high)} points"


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


def _table(study: StudyData, arm: str, cells: dict[Cell, Contrast]) -> Table:
    inner = 1 - 2 * next(iter(cells.values())).alpha
    columns = [
        *cell_columns(study),
        count_column("n", "n"),
        interval_column("difference, points [all cells at once]", "difference"),
        p_column("p, adjusted for all cells and their mean (sup-t)", "p_adjusted"),
        failed_column(study.baseline, arm),
        Column(f"[{fmt.level(inner)}, this cell alone]", fmt.interval, ("inner_low", "inner_high")),
        tipping_column(),
        text_column("verdict", "verdict"),
    ]
    rows = [cell_values(study, key) | _row(cell) for key, cell in cells.items()]
    return Table(f"effect-{arm}", "The difference in every cell, tested together", columns, rows)


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


def _about_levels(study: StudyData, of_arm: Findings) -> Paragraph:
    steps = [
        f"{fmt.estimate(*fmt.as_triple(step.interval))} points from {_levels(study, step)}"
        for step in of_arm.level_differences
    ]
    n, few = of_arm.level_differences[0].interval.n, of_arm.level_differences[0].interval.reason
    together = f"{fmt.seeds(n)} are too few for intervals" if few else "the intervals hold together"
    return Paragraph(
        f"How the difference changes from level to level, averaged over the other factors: {'; '.join(steps)}. All"
        f" pairs count, failures as they ended; {together}."
    )


def _levels(study: StudyData, step: LevelDifference) -> str:
    factor = next(factor for factor in study.design.factors if factor.key == step.name)
    return f"{factor.label} {factor.show(step.lower)} to {factor.show(step.upper)}"


def _level_table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        text_column("from one level to another", "levels"),
        count_column("n", "n"),
        interval_column("change of the difference, points [all at once]", "change"),
        p_column("p, all changes together (sup-t)", "p_adjusted"),
    ]
    rows = [
        {
            "levels": _levels(study, step),
            "n": step.interval.n,
            **interval_values("change", step.interval),
            **pvalue_values("p_adjusted", step.test),
        }
        for step in of_arm.level_differences
    ]
    caption = "How the difference changes from one level to another, averaged over the other factors"
    return Table(f"levels-{of_arm.arm}", caption, columns, rows)
