"""How many runs of each arm end at an accuracy or above it, whatever the accuracy?"""

from collections.abc import Sequence
from functools import partial

from analysis.findings.accuracy_shares import AccuracyShares
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import count_column, interval_column, interval_values, text_column
from analysis.report.document import Column, Figure, Table
from analysis.report.figures import shares


def figure(study: StudyData, arms: Sequence[AccuracyShares]) -> Figure:
    levels, confidence = [one.level.what for one in arms[0].reaching], fmt.level(arms[0].reaching[0].share.level)
    lines = "line" if len(levels) == 1 else "lines, from below"
    return Figure(
        name="accuracy-shares",
        headline=_headline(arms),
        subtitle=(
            f"Test accuracy after the last epoch (%), the runs of each arm from the best to the worst; {_counts(arms)}."
        ),
        draw=partial(shares.share_reaching, arms),
        alt="; ".join(
            f"{fmt.side(of.arm)}, {fmt.percent(one.level.accuracy, 1)} or above: {one.n_reaching} of {of.n_runs}"
            for of in arms
            for one in of.reaching
        )
        + ".",
        caption=(
            f"Dotted {lines}: a run {fmt.listing(levels)}. Bars: {confidence} limits (Clopper and Pearson) of the share"
            " that does; the sample is the seeds, since the runs of a seed are alike. A diverged run counts as chance."
        ),
        table=_table(study, arms),
    )


def _counts(arms: Sequence[AccuracyShares]) -> str:
    if len({of.n_runs for of in arms}) == 1:
        return f"{fmt.units(arms[0].n_runs, 'runs')} per arm"
    return fmt.listing([f"{fmt.units(of.n_runs, 'runs')} {fmt.side(of.arm)}" for of in arms])


def _headline(arms: Sequence[AccuracyShares]) -> str:
    """Return in at most 12 words how many runs reach the level above the threshold, 90 % of the best mean."""
    place = min(1, len(arms[0].reaching) - 1)
    level = fmt.percent(arms[0].reaching[place].level.accuracy, 1)
    counts = [(of.reaching[place].n_reaching, of.n_runs, fmt.side(of.arm)) for of in arms]
    if len(counts) > 3:
        k, n = sum(k for k, _, _ in counts), sum(n for _, n, _ in counts)
        return f"{k:,} of {n:,} runs reach {level}, in {len(counts)} arms"
    if len(counts) == 1:
        k, n, side = counts[0]
        return f"{k:,} of {fmt.units(n, 'runs')} {side} {'reaches' if n == 1 else 'reach'} {level}"
    of = [fmt.units(n, "runs") if len(counts) == 2 else str(n) for _, n, _ in counts]
    reached = [f"{k}/{n} {side}" for (k, _, side), n in zip(counts, of, strict=True)]
    return f"Reaching {level}: {', '.join(reached)}"


def _table(study: StudyData, arms: Sequence[AccuracyShares]) -> Table:
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
    over = " in all settings" if len(study.design.cells) > 1 else ""
    return Table("accuracy-shares", f"Runs that end at an accuracy or above it{over}", columns, rows)
