"""Who learns faster? Runs that have reached an accuracy by epoch, and the difference of the times."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from analysis.findings.results import Findings, Results
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import counts_of, interval_column, interval_values, of_both, p_column, pvalue_values
from analysis.report.document import Block, Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures.curves import reached
from analysis.stats.time_to_event import TimeToAccuracy


def section(study: StudyData, results: Results) -> Section:
    of_arms = {arm: of_arm for arm, of_arm in results.of_arms.items() if of_arm.times}
    nothing = Placeholder(
        "No seed has a pair at every setting; the study's own command again completes it:", study.manifest["argv"]
    )
    evidence = under_names(study.baseline, {arm: [*_evidence(of_arm)] for arm, of_arm in of_arms.items()})
    details = under_names(
        study.baseline, {arm: [_about(study, of_arm.times[0]), _table(of_arm)] for arm, of_arm in of_arms.items()}
    )
    return Section("times", "How fast they learn", evidence or [nothing], details)


def _about(study: StudyData, time: TimeToAccuracy) -> Paragraph:
    averaged = " Times are averaged over the settings of a seed." if len(study.design.cells) > 1 else ""
    return Paragraph(
        "The time is the first epoch at whose end a run that never diverges has reached the accuracy. A run that does"
        f" not reach it counts with {fmt.units(time.epochs, 'epochs')}.{averaged} The thresholds were fixed before"
        " looking."
    )


def _evidence(of_arm: Findings) -> Iterator[Block]:
    """Yield the figure of the accuracies that some run reached, and the differences of the times to them."""
    first, known = of_arm.times[0], [time for time in of_arm.times if time.n_reached_arm or time.n_reached_baseline]
    if not known:
        lowest = fmt.percent(first.threshold, 0)
        yield Paragraph(f"No run reaches {lowest} test accuracy within {fmt.units(first.epochs, 'epochs')}.")
        return
    yield _figure(of_arm, known)
    each = [f"{fmt.number(*fmt.as_triple(time.interval))} to {fmt.percent(time.threshold, 0)}" for time in known]
    yield Paragraph(
        f"Mean epochs {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)}: {fmt.listing(each)}"
        f" ({fmt.seeds(first.interval.n)}). A run that does not get there counts with all {first.epochs}."
    )


def _figure(of_arm: Findings, known: Sequence[TimeToAccuracy]) -> Figure:
    arms = (of_arm.baseline, of_arm.arm)
    cells = [gap.cell for gap in of_arm.gaps if gap.cell is not None]
    where = f"at {fmt.cell(cells[0])}" if len(cells) == 1 else f"over all {len(cells)} settings"
    out_of_reach = [fmt.percent(time.threshold, 0) for time in of_arm.times if time not in known]
    return Figure(
        name=f"reached-{of_arm.arm}",
        headline=_headline(of_arm),
        subtitle=(
            f"Runs that have reached a test accuracy by the end of each epoch (%), {where};"
            f" {fmt.units(known[0].n_runs, 'runs')} per arm."
        ),
        draw=partial(reached, known, arms),
        alt=" ".join(_alt(time, arms) for time in known),
        caption=(
            "A run counts from the epoch after which it first stood at or above the accuracy."
            + (f" No run reaches {out_of_reach[0]}." if out_of_reach else "")
        ),
        table=_shares(of_arm),
    )


def _headline(of_arm: Findings) -> str:
    """Return the counts at the first accuracy that the arms reach in different numbers, else at the first."""
    time = next((t for t in of_arm.times if t.n_reached_arm != t.n_reached_baseline), of_arm.times[0])
    runs = f"{time.n_reached_arm:,} of {fmt.units(time.n_runs, 'runs')} {fmt.side(of_arm.arm)}"
    others = f"{time.n_reached_baseline:,} {fmt.tags(of_arm.baseline, of_arm.arm)[0]}"
    return f"{runs} reached {fmt.percent(time.threshold, 0)}, {others}"


def _alt(time: TimeToAccuracy, arms: tuple[str, str]) -> str:
    sides = zip(arms, (time.share_baseline, time.share_arm), strict=True)
    shares = "; ".join(f"{fmt.side(arm)} {', '.join(fmt.percent(s, 0) for s in share)}" for arm, share in sides)
    return f"{fmt.percent(time.threshold, 0)} reached after each of {fmt.units(time.epochs, 'epochs')}: {shares}."


def _shares(of_arm: Findings) -> Table:
    columns = [
        Column("test accuracy", lambda threshold: fmt.percent(threshold, 0), ("threshold",)),
        Column("epoch", str, ("epoch",)),
        Column(fmt.side(of_arm.baseline), fmt.percent, ("share_baseline",)),
        Column(fmt.side(of_arm.arm), fmt.percent, ("share_arm",)),
    ]
    rows = [
        {"threshold": t.threshold, "epoch": epoch, "share_baseline": a, "share_arm": b}
        for t in of_arm.times
        for epoch, (a, b) in enumerate(zip(t.share_baseline, t.share_arm, strict=True), 1)
    ]
    return Table(f"reached-{of_arm.arm}", "Share of runs that have reached an accuracy", columns, rows)


def _table(of_arm: Findings) -> Table:
    arms = of_arm.baseline, of_arm.arm
    columns = [
        Column("test accuracy", lambda threshold: fmt.percent(threshold, 0), ("threshold",)),
        of_both("reached", *arms, ("n_reached_baseline", "n_reached_arm", "n_runs"), counts_of),
        of_both("median epoch", *arms, ("median_baseline", "median_arm"), _medians),
        Column("seeds", fmt.count, ("n",)),
        interval_column("difference, epochs", "difference", fmt.number),
        p_column("p, sign-flip", "p_sign_flip"),
        p_column("p, all thresholds together (step-down max-T)", "p_max_t"),
        Column(
            f"pairs faster | tied | slower {fmt.tags(*arms)[1]}",
            lambda *n: " | ".join(map(str, n)),
            ("n_faster", "n_tied", "n_slower"),
        ),
    ]
    return Table(f"times-{of_arm.arm}", "Epochs to a test accuracy", columns, [_row(time) for time in of_arm.times])


def _medians(*epochs: float | None) -> str:
    return " | ".join("not reached" if epoch is None else f"{epoch:g}" for epoch in epochs)


def _row(time: TimeToAccuracy) -> dict[str, Any]:
    names = (
        "threshold", "n_runs", "n_reached_baseline", "n_reached_arm", "median_baseline", "median_arm", "n_faster",
        "n_tied", "n_slower",
    )  # fmt: skip
    return {
        **{name: getattr(time, name) for name in names},
        "n": time.interval.n,
        **interval_values("difference", time.interval),
        **pvalue_values("p_sign_flip", time.sign_flip),
        **pvalue_values("p_max_t", time.adjusted),
    }
