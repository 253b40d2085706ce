"""Up to which learning rate does each arm train, and at which does it train best?"""

from typing import Any

from analysis.findings.results import BestRateAt, Findings, UsableRate
from analysis.records.cells import Grid
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values, levels_columns, text_column
from analysis.report.document import Block, Column, Paragraph, Table


def evidence(grid: Grid, of_arm: Findings) -> list[Block]:
    """Return how many times as high the rates are at which an arm learns, in a sentence; nothing where no ratio is."""
    if not of_arm.usable_rates or not _has_ratio(of_arm.usable_rates[0]):
        return []
    usable, arm = of_arm.usable_rates[0], fmt.sentence(fmt.arm_name(of_arm.arm))
    ratio, ends = _ratio(usable)
    interval = "" if ends is None else f"{fmt.level(usable.found.interval.level)} interval {' to '.join(ends)}, "
    return [
        Paragraph(
            f"{arm} tolerates {fmt.levels_of(grid.across)} {ratio} times as high as training"
            f" {fmt.side(of_arm.baseline)} ({interval}{fmt.seeds(usable.found.interval.n)}).{_above(grid, usable)}"
        )
    ]


def details(grid: Grid, of_arm: Findings) -> list[Block]:
    return [*_usable(grid, of_arm), *_best(grid, of_arm)]


# --- the largest usable rate


def _has_ratio(usable: UsableRate) -> bool:
    return bool(usable.found.shares) and not usable.found.n_none and not _all_at_the_top(usable)


def _all_at_the_top(usable: UsableRate) -> bool:
    top = usable.found.shares[-1]
    return top.of_baseline == top.of_arm == 1


def _ratio(usable: UsableRate) -> tuple[str, tuple[str, str] | None]:
    """Return how many times as high the arm's largest rate is, and the ends of its interval where there is one."""
    ratio, low, high = (10**end for end in fmt.as_triple(usable.found.interval))
    if usable.found.interval.reason:
        return f"{ratio:.3g}", None
    places = fmt.digits(low, high, scale=1)
    return f"{ratio:.{places}f}", (f"{low:.{places}f}", f"{high:.{places}f}")


def _above(grid: Grid, usable: UsableRate) -> str:
    """Return that the grid ends the rates, behind a space, where an arm reaches its end."""
    top = usable.found.shares[-1]
    return f" We tried none above {grid.across.show(top.lr)}." if top.of_baseline or top.of_arm else ""


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
    units = " x ".join(["seeds", *map(fmt.levels_of, grid.others)])
    n_runs = of_arm.usable_rates[0].found.n_runs
    caption = f"Largest usable {rate.axis}: share of {n_runs} ({units}), by arm"
    about = " ".join(_about(grid, units, of_arm, usable) for usable in of_arm.usable_rates)
    return [Paragraph(about), Table(f"usable-{of_arm.arm}", caption, columns, rows)]


def _about(grid: Grid, units: str, of_arm: Findings, usable: UsableRate) -> str:
    """Return how many times as high the arm's largest usable rates are, or why that is not known."""
    found, arm, baseline, what = usable.found, fmt.side(of_arm.arm), fmt.side(of_arm.baseline), usable.level.what
    about = f"A run {what} if it ends at {fmt.percent(usable.level.accuracy, 1)} or more."
    if not found.shares:
        return f"{about} No seed has a run of either arm at every {grid.across.axis}, so no largest one is given."
    if found.n_none:
        return (
            f"{about} No ratio is given: of {found.n_runs} ({units}) per arm, {found.n_none_baseline} {baseline} and"
            f" {found.n_none_arm} {arm} have no such run at any {grid.across.axis} that we tried."
        )
    if _all_at_the_top(usable):
        top = grid.across.show(found.shares[-1].lr)
        return f"{about} Such runs reach the highest {grid.across.axis} that we tried, {top}, {baseline} and {arm}."
    ratio, ends = _ratio(usable)
    interval = "" if ends is None else f" [{', '.join(ends)}]"
    return (
        f"{about} The highest {grid.across.axis} with such a run is {ratio}{interval} times as high"
        f" {arm} as {baseline} (geometric mean).{_above(grid, usable)} Sign-flip test,"
        f" {fmt.seeds(found.sign_flip.n)}: {fmt.p_equals(found.sign_flip)}."
    )


# --- the best rate


def _best(grid: Grid, of_arm: Findings) -> list[Block]:
    if not of_arm.best_rates:
        return []

    def show(level: float | None) -> str:
        return fmt.NO_NUMBER if level is None else grid.across.show(level)

    columns = [
        *levels_columns(grid.others),
        Column(f"best rate {fmt.side(of_arm.baseline)}", show, ("best_baseline",)),
        Column(f"best rate {fmt.side(of_arm.arm)}", show, ("best_arm",)),
        count_column("n", "n"),
        interval_column("shift, powers of ten (bootstrap over seeds)", "shift", fmt.number),
        text_column("ties", "ties"),
    ]
    by = fmt.listing(["arm", *(f.axis for f in grid.others)])
    caption = f"{fmt.sentence(grid.across.axis)} with the best mean accuracy (failures as they ended), by {by}"
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
