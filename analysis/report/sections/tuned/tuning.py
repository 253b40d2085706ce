"""Section of tuned against tuned, with equal budgets where the study was tuned, else on the study's own grid."""

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from analysis.findings.results import BestCell, Findings, Results
from analysis.findings.tuning import EQUAL, Tuned
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import count_column, interval_column, interval_values, of_both, text_column
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures.pairs import Panel, paired_differences
from analysis.report.sections import pairs
from analysis.report.sections.tuned import searches, tables
from analysis.report.sentences import tuning as say
from analysis.report.sentences.answer import PARTS


def section(study: StudyData, results: Results) -> Section:
    """Return the paired figure of the tuned arms, their trials and what the budget buys; of a grid, the best settings
    and how to tune."""
    if results.tuned:
        blocks = under_names(study.baseline, {of_arm.arm: [*_evidence(study, of_arm)] for of_arm in results.tuned})
        details = under_names(study.baseline, {of_arm.arm: [*_details(study, of_arm)] for of_arm in results.tuned})
    elif study.design.tuned:
        blocks, details = [Paragraph(_nothing_to_compare(study))], []
    else:
        best = {arm: of_arm.best_cell for arm, of_arm in results.of_arms.items() if of_arm.best_cell}
        grid = {arm: [*_on_the_grid(results.of_arms[arm], found)] for arm, found in best.items()}
        blocks, details = (
            [*under_names(study.baseline, grid), _not_tuned(study)],
            [Paragraph(CROSS_FITTED)] if best else [],
        )
    return Section("tuned", "After tuning both" if results.tuned else "Each arm at its best", blocks, details)


def _nothing_to_compare(study: StudyData) -> str:
    there = fmt.listing([fmt.side(arm) for arm in study.design.arms])
    return f"A comparison takes runs {fmt.side(study.baseline)} and those of another arm; this study has {there} alone."


# --- with a budget


def _evidence(study: StudyData, of_arm: Tuned) -> Iterator[Block]:
    if of_arm.pairs.seeds:
        yield _pairs(of_arm)
    yield Paragraph(say.gap(of_arm))
    if of_arm.scope != EQUAL:
        yield Placeholder(say.TO_CLAIM[of_arm.scope], say.command(study))
    yield searches.tried(study, of_arm)
    if of_arm.gap_by_budget is not None:
        yield searches.budget(of_arm, of_arm.gap_by_budget)


def _details(study: StudyData, of_arm: Tuned) -> Iterator[Block]:
    yield Paragraph(say.how(study, of_arm))
    yield tables.gains(of_arm)
    if len(of_arm.searches) > 1:
        yield Paragraph(say.OF_SEARCH_1)
    yield Paragraph(searches.BUDGETS_EXPLAINED if of_arm.gap_by_budget else say.ADAPTED)
    if of_arm.breadths:
        yield searches.breadth(of_arm)
    yield Paragraph(say.on_the_trials(of_arm))
    if of_arm.importances:
        yield searches.importance(of_arm)


def _pairs(of_arm: Tuned) -> Figure:
    units = fmt.units(len(of_arm.pairs.seeds), of_arm.unit)
    which = f"in each of {units}" if len(of_arm.pairs.seeds) > 1 else f"in {units}"
    return Figure(
        name=f"tuned-pairs-{of_arm.arm}",
        headline=_headline(of_arm),
        subtitle=f"Test accuracy of both tuned arms {which} (%), joined by a line, and the differences (points).",
        draw=partial(paired_differences, [_panel(of_arm)]),
        alt=pairs.describe(_panel(of_arm)),
        caption=" ".join(_caption(of_arm)),
        table=tables.by_search(of_arm) if len(of_arm.searches) > 1 else tables.by_seed(of_arm),
    )


def _panel(of_arm: Tuned) -> Panel:
    return Panel(PARTS["tuned"], of_arm.baseline, of_arm.arm, of_arm.pairs, of_arm.after.interval, False)


def _headline(of_arm: Tuned) -> str:
    after, before = (fmt.points_of(change.interval) for change in (of_arm.after, of_arm.before))
    untuned = "" if before == fmt.NO_NUMBER else f" (untuned {before})"
    return f"After tuning both, the gap is {after} points{untuned}"


def _caption(of_arm: Tuned) -> Iterator[str]:
    interval = of_arm.after.interval
    yield pairs.marks(_panel(of_arm))
    if not math.isfinite(interval.low):
        yield f"No interval ({interval.reason})."
    if of_arm.after.n_runs > interval.n:
        yield "Each search is the mean over its fresh seeds."
    if not all(of_arm.pairs.learned):
        yield "Hollow: a run did not learn."


# --- on a grid

CROSS_FITTED = (
    "For every seed, the mean accuracy of the other seeds chooses each arm's setting, and the seed is scored there: no"
    " score is reported that also chose. Every resample of the seeds repeats the choice. Failures count as they ended."
    " The grid is coarse, and the test images have a part in the choice: equal tuning on held-out images has not."
)


def _on_the_grid(of_arm: Findings, best: BestCell) -> Iterator[Block]:
    interval = best.found.interval
    if math.isnan(interval.estimate):
        yield Paragraph("One seed cannot both choose each arm's setting and score it, so no gap is given.")
    else:
        yield Paragraph(
            f"With each arm in its best setting, the gap is {fmt.estimate(*fmt.as_triple(interval))} points"
            f" ({fmt.seeds(interval.n)}, each scored in the settings that the others chose)."
        )
    yield _best_cell_table(of_arm, best)


def _best_cell_table(of_arm: Findings, best: BestCell) -> Table:
    found, sides = best.found, (fmt.side(of_arm.baseline), fmt.side(of_arm.arm))
    cells = [fmt.cell(best.cells[i]) if i is not None else None for i in (found.best_baseline, found.best_arm)]
    columns = [
        text_column(f"best setting {sides[0]}", "cell_baseline"),
        text_column(f"best setting {sides[1]}", "cell_arm"),
        Column(sides[0], fmt.percent, ("mean_baseline",)),
        Column(sides[1], fmt.percent, ("mean_arm",)),
        count_column("seeds", "n"),
        interval_column("difference, points", "difference"),
        of_both("choices that agree", of_arm.baseline, of_arm.arm, ("stable_baseline", "stable_arm"), _both_shares),
    ]
    row: dict[str, Any] = {
        "cell_baseline": cells[0],
        "stable_baseline": found.stable_baseline,
        "cell_arm": cells[1],
        "stable_arm": found.stable_arm,
        "mean_baseline": found.mean_baseline,
        "mean_arm": found.mean_arm,
        "n": found.interval.n,
        **interval_values("difference", found.interval),
        "reason": found.interval.reason,
    }
    return Table(f"best-cell-{of_arm.arm}", "Each arm in its best setting, cross-fitted over the seeds", columns, [row])


def _both_shares(of_baseline: float, of_arm: float) -> str:
    return f"{fmt.percent(of_baseline, 0)} | {fmt.percent(of_arm, 0)}"


def _not_tuned(study: StudyData) -> Placeholder:
    n = len(study.design.arms)
    none, every = ("No arm", "all") if n > 2 else ("Neither arm", "both") if n == 2 else ("This arm", "both arms")
    was = "was not tuned" if n == 1 else "was tuned"
    text = f"{none} {was} here. To tune {every} with the same budget:"
    return Placeholder(text, say.first_command(study.design))
