"""How does each arm bear the learning rate, and how does it fail?"""

from collections.abc import Sequence
from functools import partial

from analysis.findings.arms import ArmCell
from analysis.findings.results import Results
from analysis.records.cells import Grid, Levels
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report import small_multiples
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_values,
    count_column,
    interval_column,
    interval_values,
    setting_column,
    text_column,
)
from analysis.report.document import Block, Column, Figure, Placeholder, Section, Table
from analysis.report.figures import rates
from analysis.report.sections.robustness import accuracy_shares, failures, usable_rates
from analysis.report.sentences import study_words

MAX_NAMED = 3
"""Failing points that the caption names."""


def section(study: StudyData, results: Results) -> Section:
    grid = Grid.of(study.design.factors)
    drawn = _figures(study, results.arm_cells) if results.arm_cells else []
    blocks: list[Block] = [*drawn[:1]]
    blocks += under_names(
        study.baseline, {arm: usable_rates.evidence(grid, found) for arm, found in results.of_arms.items()}
    )
    blocks += [accuracy_shares.figure(study, results.accuracy_shares)] if results.arm_cells else []
    details = {
        arm: [*failures.details(study, found), *usable_rates.details(grid, found)]
        for arm, found in results.of_arms.items()
    }
    nothing = Placeholder("No run has been trained yet:", "python -m study.run")
    more = [*drawn[1:], *under_names(study.baseline, details)]
    return Section("robustness", "How robust they are", blocks or [nothing], more)


def _figures(study: StudyData, cells: Sequence[ArmCell]) -> list[Figure]:
    """Return the figure, which has the table; then the panels that it leaves for the appendix."""
    return small_multiples.figures(study, rates.panels_of(cells), partial(figure, study, cells))


def figure(study: StudyData, cells: Sequence[ArmCell], only: Sequence[Levels] | None = None, more: str = "") -> Figure:
    """Return the figure, of the panels in ``only`` where it is given; ``more`` is said of the others."""
    least, most = (choose(cell.n for cell in cells) for choose in (min, max))
    grid = Grid.over(cell.cell for cell in cells)
    only = rates.panels_of(cells) if only is None else only
    return Figure(
        name="robustness",
        headline=_headline(cells),
        subtitle=(
            f"{fmt.sentence(study_words.primary(study))} (%), {_by(study)};"
            f" {'' if least == most else 'up to '}{fmt.seeds(most)} per point."
        ),
        draw=partial(rates.robustness, cells, only=only),
        alt="; ".join(
            f"{fmt.cell(cell.cell)}, {fmt.side(cell.arm)}: {fmt.share(*fmt.as_triple(cell.accuracy))},"
            f" {cell.n_failed} of {cell.n} failed"
            for cell in cells
            if grid.row(cell.cell) in only
        )
        + ".",
        caption=f"{_bars(cells)} {_hollow(study, cells, only)}{more}",
        table=_table(study, cells),
    )


def _by(study: StudyData) -> str:
    """Return the factors that vary, the one across first; the setting where none does."""
    across = Grid.over(study.cells).across
    ordered = [across, *(factor for factor in study.design.factors if factor.key != across.key)]
    varied = [f for f in ordered if len({cell[f.key] for cell in study.design.cells}) > 1]
    return f"by {fmt.listing([f.axis for f in varied])}" if varied else f"at {fmt.cell(study.design.cells[0])}"


def _headline(cells: Sequence[ArmCell]) -> str:
    """Return in at most 12 words how many runs failed, of the arm with most failures first."""
    counts = [_count(cells, arm) for arm in dict.fromkeys(cell.arm for cell in cells)]
    n_failed, n = sum(cell.n_failed for cell in cells), sum(cell.n for cell in cells)
    if n_failed in (0, n):
        return f"{'The only run' if n == 1 else f'All {n:,} runs'} {'failed' if n_failed else 'learned'}"
    if len(counts) > 3:
        return f"{n_failed:,} of {n:,} runs failed, in {len(counts)} arms"
    if len(counts) == 3:
        return f"Failed runs: {', '.join(f'{failed:,} {side}' for failed, _, side in counts)}"
    (k, n, side), *others = sorted(counts, key=lambda count: -count[0] / count[1])
    rest = [f"{failed:,} of {of_n:,} {of}" if failed else f"none {of}" for failed, of_n, of in others]
    return ", ".join([f"{k:,} of {fmt.units(n, 'runs')} {side} failed", *rest])


def _count(cells: Sequence[ArmCell], arm: str) -> tuple[int, int, str]:
    """Return how many runs of an arm failed, of how many, and its name."""
    mine = [cell for cell in cells if cell.arm == arm]
    return sum(cell.n_failed for cell in mine), sum(cell.n for cell in mine), fmt.side(arm)


def _bars(cells: Sequence[ArmCell]) -> str:
    if all(cell.n == 1 for cell in cells):
        return "One run per point, so no intervals."
    bars = f"Bars: {fmt.level(cells[0].accuracy.level)} intervals of each mean"
    several = len({cell.arm for cell in cells}) > 1
    return f"{bars}{'; their overlap says nothing about the paired difference' if several else ''}."


def _hollow(study: StudyData, cells: Sequence[ArmCell], only: Sequence[Levels]) -> str:
    """Return what a failure is, and where failures are."""
    threshold, failing = study_words.threshold(study.learning_threshold), [cell for cell in cells if cell.n_failed]
    if not failing:
        return f"No run diverged or ended below {threshold}."
    shares = ", and a panel below shows their share with its interval" if rates.has_shares(cells, only) else ""
    hollow = f"Hollow points have failed runs, which diverged (counted as chance) or ended below {threshold}{shares}."
    return f"{hollow} {_where(study, failing)}"


def _where(study: StudyData, failing: Sequence[ArmCell]) -> str:
    n_settings = len(study.design.cells)
    if n_settings > 1 and len(failing) > MAX_NAMED:
        return f"Runs failed in {len({cell.cell for cell in failing})} of {n_settings} settings."
    at = {cell.cell: f" at {study_words.setting(study, cell.cell)}" if n_settings > 1 else "" for cell in failing}
    named = [f"{cell.n_failed} of {cell.n} {fmt.side(cell.arm)}{at[cell.cell]}" for cell in failing]
    return f"Failures: {'; '.join(named)}."


def _table(study: StudyData, cells: Sequence[ArmCell]) -> Table:
    columns = [
        setting_column(study),
        text_column("arm", "arm"),
        count_column("n", "n"),
        interval_column("test accuracy", "accuracy", fmt.share),
        Column("failed", lambda k, n: f"{k} of {n}", ("n_failed", "n")),
        count_column("of these diverged", "n_diverged"),
        interval_column("share that fails", "failing", fmt.share),
    ]
    rows = [
        {
            **cell_values(study, cell.cell),
            "arm": fmt.side(cell.arm),
            "n": cell.n,
            **interval_values("accuracy", cell.accuracy),
            "n_failed": cell.n_failed,
            "n_diverged": cell.n_diverged,
            **interval_values("failing", cell.failing),
        }
        for cell in cells
    ]
    return Table("robustness", "Accuracy and failures of each arm in each setting", columns, rows)
