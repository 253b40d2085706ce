"""How does each arm bear the learning rate, and how does it fail?"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from analysis.findings.accuracy_shares import AccuracyShares, ShareReaching
from analysis.findings.arms import ArmCell
from analysis.findings.failures import Failures
from analysis.findings.results import BestRateAt, Findings, Results, UsableRate
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
from analysis.report.figures import rates, shares
from study.spec.factors import Factor


def section(study: StudyData, results: Results) -> Section:
    blocks: list[Block] = [_figure(study, results), _shares(results)] if results.arm_cells else []
    grid = Grid.of(study.design.factors)
    blocks += under_names(
        {
            arm: [*_failures(study, of_arm), *_usable(grid, of_arm), *_best(grid, of_arm)]
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
        draw=partial(rates.robustness, cells),
        alt="; ".join(
            f"{fmt.cell(cell.cell)}, {fmt.side(cell.arm)}: {fmt.share(*fmt.as_triple(cell.accuracy))},"
            f" {cell.n_failed} of {cell.n} failed"
            for cell in cells
        )
        + ".",
        caption=(
            f"Bars: {fmt.level(results.arm_cells[0].accuracy.level)} intervals, Student's of the mean and Clopper and"
            " Pearson's of the share, each on its own; two that overlap say nothing about the paired difference. The"
            f" means are of all runs; {_fails(study)}"
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


# --- above every accuracy


def _shares(results: Results) -> Figure:
    arms = results.accuracy_shares
    counts = fmt.listing([f"{fmt.units(of.n_runs, 'runs')} {fmt.side(of.arm)}" for of in arms])
    return Figure(
        name="accuracy-shares",
        headline=_shares_headline(arms),
        subtitle=(
            "Share of all runs of the grid (%) that end at a test accuracy or above it, after the last epoch; a"
            f" diverged run ends at chance. {counts}."
        ),
        draw=partial(shares.share_reaching, arms),
        alt="; ".join(
            f"{fmt.side(of.arm)}, {fmt.percent(one.level.accuracy, 1)} or above: {one.n_reaching} of {of.n_runs}"
            for of in arms
            for one in of.reaching
        )
        + ".",
        caption=(
            f"Bars, at the learning threshold and at 90 and 99 % of the best mean: {fmt.level(_confidence(arms))}"
            " limits of Clopper and Pearson with the seeds as the sample, since the runs of a seed are alike."
        ),
        table=_shares_table(arms),
    )


def _confidence(arms: Sequence[AccuracyShares]) -> float:
    return arms[0].reaching[0].share.level


def _shares_headline(arms: Sequence[AccuracyShares]) -> str:
    """Return how many runs reach the first two levels, k of n of each arm."""
    levels = [*zip(*(of.reaching[:2] for of in arms), strict=True)]
    reached = [f"at {fmt.percent(one[0].level.accuracy, 1)} or above: {_counts(one, arms)}" for one in levels]
    return f"Runs that end {'; '.join(reached)}"


def _counts(level: Sequence[ShareReaching], arms: Sequence[AccuracyShares]) -> str:
    sides = zip(level, arms, strict=True)
    return fmt.listing([f"{one.n_reaching} of {of.n_runs} {fmt.side(of.arm)}" for one, of in sides])


def _shares_table(arms: Sequence[AccuracyShares]) -> Table:
    columns = [
        text_column("a run", "reaches"),
        Column("accuracy, at least", lambda value: fmt.percent(value, 1), ("accuracy",)),
        text_column("arm", "arm"),
        Column("runs", lambda k, n: f"{k} of {n}", ("n_reaching", "n_runs")),
        count_column("seeds", "n"),
        interval_column("share of the runs [limits by seed]", "share", fmt.share),
    ]
    rows = [
        {
            "reaches": one.level.what,
            "accuracy": one.level.accuracy,
            "arm": fmt.side(of.arm),
            "n_reaching": one.n_reaching,
            "n_runs": of.n_runs,
            "n": one.share.n,
            **interval_values("share", one.share),
        }
        for of in arms
        for one in of.reaching
    ]
    return Table("accuracy-shares", "Runs that end at an accuracy or above it, over the whole grid", columns, rows)


# --- failures


def _fails(study: StudyData) -> str:
    threshold = fmt.percent(study.learning_threshold, 0)
    return f"a run fails where it diverges, which counts as chance, or ends below the learning threshold ({threshold})."


def _about_failures(study: StudyData, of_arm: Findings) -> Paragraph:
    over, about = of_arm.failures[0], fmt.sentence(_fails(study))
    if not over.n_runs:
        return Paragraph(about)
    test = f"sign-flip test of each seed's counts, {fmt.seeds(over.test.n)}"
    return Paragraph(f"{about} Over all cells: {fmt.p_equals(over.test)} ({test}).")


def _failures(study: StudyData, of_arm: Findings) -> list[Block]:
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
        interval_column("pairs in which neither diverged, points", "survivors"),
        count_column("pairs left out of it", "n_dropped"),
        Column("bounds, whatever diverged runs scored", fmt.interval, ("bound_low", "bound_high")),
    ]
    rows = [cell_values(study, row.cell) | _failure_row(row) for row in of_arm.failures]
    table = Table(f"failures-{of_arm.arm}", "Failures, n pairs of runs a row", columns, rows, n_totals=1)
    return [_about_failures(study, of_arm), table]


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


def _usable(grid: Grid, of_arm: Findings) -> list[Block]:
    if not of_arm.usable_rates:
        return []
    rate = grid.across
    columns = [
        text_column("a run", "reaches"),
        Column(f"up to {rate.label}", lambda level: "none" if level is None else rate.show(level), (rate.key,)),
        Column(fmt.side(of_arm.baseline), fmt.percent, ("of_baseline",)),
        Column(fmt.side(of_arm.arm), fmt.percent, ("of_arm",)),
    ]
    rows = [
        {"reaches": usable.level.what, rate.key: s.lr, "of_baseline": s.of_baseline, "of_arm": s.of_arm}
        for usable in of_arm.usable_rates
        for s in usable.found.shares
    ]
    units = " x ".join(["seeds", *(f"{factor.axis}s" for factor in grid.others)])
    n_runs = of_arm.usable_rates[0].found.n_runs
    caption = f"Largest usable rate, at two accuracies: share of {n_runs} ({units}), by arm"
    about = " ".join(_about_usable(rate, units, of_arm, usable) for usable in of_arm.usable_rates)
    return [Paragraph(about), Table(f"usable-{of_arm.arm}", caption, columns, rows)]


def _about_usable(rate: Factor, units: str, of_arm: Findings, usable: UsableRate) -> str:
    """Return how many times as high the arm's largest usable rates are, or why that is not known."""
    found, arm, baseline = usable.found, fmt.side(of_arm.arm), fmt.side(of_arm.baseline)
    what = f"{usable.level.what} ({fmt.percent(usable.level.accuracy, 1)} or more after the last epoch)"
    if not found.shares:
        return f"No seed says at which rates a run {what}."
    if found.n_none:
        never = f"{found.n_none_baseline} {baseline} and {found.n_none_arm} {arm}"
        return (
            f"Of {found.n_runs} ({units}) an arm, {never} have no rate, of those that we tried, at which a run {what}:"
            " no ratio of rates is given."
        )
    top = found.shares[-1]
    if top.of_baseline == top.of_arm == 1:
        return f"A run {what} at every {rate.axis} that we tried, up to {rate.show(top.lr)}, {baseline} and {arm}."
    ends = [10**end for end in fmt.as_triple(found.interval)]
    ratio = f"{ends[0]:.3g}" if found.interval.reason else fmt.size(*ends)
    how = f"geometric mean; sign-flip test, {fmt.seeds(found.sign_flip.n)}: {fmt.p_equals(found.sign_flip)}"
    above = f" We tried none above {rate.show(top.lr)}." if top.of_baseline or top.of_arm else ""
    return f"The largest {rate.axis} at which a run {what} is {ratio} times as high {arm} as {baseline} ({how}).{above}"


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
    by = fmt.listing(["arm", *(f.axis for f in grid.others)])
    caption = f"The rate with the best mean accuracy of all runs, failures as they ended, by {by}"
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
