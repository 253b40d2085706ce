"""How does each arm bear the learning rate, and how does it fail?"""

from typing import Any

from analysis.findings.arms import ArmCell
from analysis.findings.failures import Failures
from analysis.findings.results import BestRateAt, Findings, Results
from analysis.records.cells import Grid
from analysis.records.tables import PRIMARY, StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import (
    cell_columns,
    cell_values,
    count_column,
    factor_column,
    failed_column,
    interval_column,
    interval_values,
    of_both,
    p_column,
    pvalue_values,
    text_column,
)
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures import rates
from analysis.report.figures.style import svg
from analysis.stats.grid import LargestRate


def section(study: StudyData, results: Results) -> Section:
    blocks: list[Block] = [_figure(study, results)] if results.arm_cells else []
    grid = Grid.of(study.design.factors)
    blocks += under_names(
        {
            arm: [_about_failures(of_arm), _failures(study, of_arm), *_largest(grid, of_arm), *_best(grid, of_arm)]
            for arm, of_arm in results.of_arms.items()
        }
    )
    return Section(
        "robustness",
        "How robust they are",
        blocks or [Placeholder("No run has been trained yet:", "python -m study.run")],
    )


def _figure(study: StudyData, results: Results) -> Figure:
    cells, grid = results.arm_cells, Grid.of(study.design.factors)
    return Figure(
        name="robustness",
        headline=_headline(cells),
        subtitle=(
            f"Mean test accuracy (%), {fmt.endpoint(PRIMARY)}, and share of runs that failed (%), over the"
            f" {grid.across.axis} by {fmt.listing([f.axis for f in grid.others])}; up to"
            f" {fmt.seeds(max(cell.n for cell in cells))} a point."
        ),
        svg=svg(rates.robustness(cells)),
        alt="; ".join(
            f"{fmt.cell(cell.cell)}, {fmt.side(cell.arm)}: {fmt.share(*fmt.as_triple(cell.accuracy))},"
            f" {cell.n_failed} of {cell.n} failed"
            for cell in cells
        )
        + ".",
        caption=(
            f"Bars: {fmt.level(results.arm_cells[0].accuracy.level)} intervals, Student's of the mean and Clopper and"
            " Pearson's of the share, each on its own; two that overlap say nothing about the paired difference. A run"
            " fails where it diverges or ends below twice chance."
        ),
        table=_table(study, results),
    )


def _headline(cells: list[ArmCell]) -> str:
    arms = list(dict.fromkeys(cell.arm for cell in cells))
    parts = []
    for arm in arms:
        of_arm = [cell for cell in cells if cell.arm == arm]
        parts.append(f"{sum(c.n_failed for c in of_arm)} of {sum(c.n for c in of_arm)} runs fail {fmt.side(arm)}")
    return fmt.listing(parts)


def _table(study: StudyData, results: Results) -> Table:
    columns = [
        *cell_columns(study),
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
        for cell in results.arm_cells
    ]
    return Table("robustness", "Each arm on its own, in every cell", columns, rows)


# --- failures


def _about_failures(of_arm: Findings) -> Paragraph:
    over = of_arm.failures[0]
    about = "A run fails where it diverges or ends below twice chance; no pair is left out for it."
    if not over.n_runs:
        return Paragraph(about)
    test = f"sign-flip test of each seed's counts, {fmt.seeds(over.test.n)}"
    return Paragraph(f"{about} Over all cells: {fmt.p_equals(over.test)} ({test}).")


def _failures(study: StudyData, of_arm: Findings) -> Table:
    arms = of_arm.baseline, of_arm.arm
    columns = [
        *cell_columns(study),
        failed_column(*arms),
        of_both("diverged", *arms, ("n_diverged_baseline", "n_diverged_arm"), _both),
        Column(" | ".join(f"only {tag}" for tag in fmt.tags(*arms)), _both, ("n_only_baseline", "n_only_arm")),
        p_column("p, McNemar exact; over all cells sign-flip of counts", "p"),
        Column("p, McNemar mid-p", fmt.p_value, ("mid_p",)),
        interval_column("difference of the rates, points (Bonett and Price)", "difference"),
        p_column("p, worst rank (Wilcoxon)", "p_worst_rank"),
        interval_column("survivors only, points", "survivors"),
        count_column("pairs dropped", "n_dropped"),
        Column("bounds, whatever diverged runs scored", fmt.interval, ("bound_low", "bound_high")),
    ]
    rows = [cell_values(study, row.cell) | _failure_row(row) for row in of_arm.failures]
    return Table(f"failures-{of_arm.arm}", "Failures, n pairs of runs a row", columns, rows, n_totals=1)


def _both(a: int, b: int) -> str:
    return f"{a} | {b}"


def _failure_row(row: Failures) -> dict[str, Any]:
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


# --- rates


def _largest(grid: Grid, of_arm: Findings) -> list[Block]:
    largest, rate = of_arm.largest_rate, grid.across
    if largest is None:
        others = fmt.listing([factor.label for factor in grid.others])
        return [
            Paragraph(f"The largest usable {rate.label} needs a grid in which every {others} has every {rate.label}.")
        ]
    columns = [
        Column("largest usable rate", lambda level: "none" if level is None else rate.show(level), (rate.key,)),
        Column(fmt.side(of_arm.baseline), fmt.percent, ("of_baseline",)),
        Column(fmt.side(of_arm.arm), fmt.percent, ("of_arm",)),
    ]
    rows = [{rate.key: s.lr, "of_baseline": s.of_baseline, "of_arm": s.of_arm} for s in largest.shares]
    units = " x ".join(["seeds", *(f"{factor.axis}s" for factor in grid.others)])
    caption = f"Largest rate at which a run does not fail: share of {largest.n_runs} ({units}), by arm"
    return [Paragraph(_about_largest(of_arm, largest)), Table(f"largest-{of_arm.arm}", caption, columns, rows)]


def _about_largest(of_arm: Findings, largest: LargestRate) -> str:
    test = f"sign-flip test, {fmt.seeds(largest.sign_flip.n)}: {fmt.p_equals(largest.sign_flip)}"
    return (
        f"The largest usable rate, {fmt.side(of_arm.arm)} against {fmt.side(of_arm.baseline)}:"
        f" {fmt.number(*fmt.as_triple(largest.interval))} powers of ten ({test}). The grid ends the rates: who"
        " bears the largest may bear a larger one."
    )


def _best(grid: Grid, of_arm: Findings) -> list[Block]:
    if not of_arm.best_rates:
        return []

    def show(level: float | None) -> str:
        return fmt.NO_NUMBER if level is None else grid.across.show(level)

    columns = [
        *(factor_column(factor) for factor in grid.others),
        Column(f"best rate {fmt.side(of_arm.baseline)}", show, ("best_baseline",)),
        Column(f"best rate {fmt.side(of_arm.arm)}", show, ("best_arm",)),
        count_column("n", "n"),
        interval_column("shift, powers of ten (seeds resampled, choice repeated)", "shift", fmt.number),
        text_column("ties", "ties"),
    ]
    caption = f"The rate with the best mean accuracy, by {fmt.listing(['arm', *(f.axis for f in grid.others)])}"
    return [Table(f"best-{of_arm.arm}", caption, columns, [_best_row(best) for best in of_arm.best_rates])]


def _best_row(best: BestRateAt) -> dict[str, Any]:
    choice = best.found
    return {
        **best.at,
        "best_baseline": choice.best_baseline,
        "best_arm": choice.best_arm,
        "n": choice.interval.n,
        **interval_values("shift", choice.interval),
        "ties": choice.ties,
    }
