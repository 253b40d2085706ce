"""Tables of the tuned comparison: every search or seed, and both arms tuned, untuned and by what they gain."""

from collections.abc import Iterator
from typing import Any

from analysis.findings.tuning import ONE, Gap, Tuned
from analysis.report import number_format as fmt
from analysis.report.columns import (
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
from analysis.report.document import Column, Table
from analysis.report.sentences import tuning as say
from study.spec.factors import REFERENCE_SETTING

EACH_ITS_OWN = "each search its own"
NOTHING_CONCLUDED = {**tipping_values(None), "verdict": None}


def by_seed(of_arm: Tuned) -> Table:
    """Return the scores of one search, a row a seed."""
    baseline, arm = _accuracies(of_arm, "of_baseline", "of_arm")
    columns = [text_column("seed", "seed"), baseline, arm, Column("difference, points", fmt.points, ("difference",))]
    pairs = of_arm.pairs
    rows = [
        {"seed": seed, "of_baseline": a, "of_arm": b, "difference": d}
        for seed, a, b, d in zip(pairs.seeds, pairs.of_baseline, pairs.of_arm, pairs.differences, strict=True)
    ]
    return Table(f"tuned-pairs-{of_arm.arm}", "Every seed, both arms tuned", columns, rows)


def by_search(of_arm: Tuned) -> Table:
    """Return a row for each search: what it chose, and the difference of that over its own seeds."""
    columns = [
        count_column("search", "search"),
        *_columns(of_arm),
        interval_column("difference, points", "difference"),
        failed_column(of_arm.baseline, of_arm.arm),
    ]
    rows = [{"search": one.search, **_row(say.at(one), one.after)} for one in of_arm.searches]
    caption = "Every search: the two settings that it chose, and their difference over its own fresh seeds"
    return Table(f"searches-{of_arm.arm}", caption, columns, rows)


def gains(of_arm: Tuned) -> Table:
    """Return both arms tuned and untuned, with every test, and what each gains from tuning."""
    columns = [
        text_column("what", "what"),
        *_columns(of_arm),
        count_column(of_arm.unit, "n"),
        interval_column("difference, points", "difference"),
        p_column("p, paired t", "p_t"),
        failed_column(of_arm.baseline, of_arm.arm),
        tipping_column(),
        text_column("verdict", "verdict"),
    ]
    own = say.at(of_arm.searches[0]) if of_arm.scope == ONE else [EACH_ITS_OWN] * 2
    reference = [fmt.cell(REFERENCE_SETTING)] * 2
    rows = [
        {"what": "both tuned", **_row(own, of_arm.after), **_concluded(of_arm)},
        {"what": "both untuned", **_row(reference, of_arm.before), **NOTHING_CONCLUDED},
        *_gain_rows(of_arm),
    ]
    return Table(f"tuned-{of_arm.arm}", "Tuned, untuned, and what tuning adds to each arm", columns, rows)


def _columns(of_arm: Tuned) -> list[Column]:
    """Return the columns of both arms' settings and accuracies."""
    return [
        text_column(f"setting {fmt.side(of_arm.baseline)}", "at_baseline"),
        text_column(f"setting {fmt.side(of_arm.arm)}", "at_arm"),
        *_accuracies(of_arm, "mean_baseline", "mean_arm"),
    ]


def _accuracies(of_arm: Tuned, baseline: str, arm: str) -> list[Column]:
    sides = ((of_arm.baseline, baseline), (of_arm.arm, arm))
    return [Column(fmt.side(one), fmt.percent, (key,)) for one, key in sides]


def _concluded(of_arm: Tuned) -> dict[str, Any]:
    return {**tipping_values(of_arm.tipping), "verdict": of_arm.verdict}


def _row(at: list[str], gap: Gap) -> dict[str, Any]:
    return {
        "at_baseline": at[0],
        "at_arm": at[1],
        "mean_baseline": gap.mean_baseline,
        "mean_arm": gap.mean_arm,
        "n": gap.interval.n,
        **interval_values("difference", gap.interval),
        **pvalue_values("p_t", gap.test),
        **say.failed(gap),
    }


def _gain_rows(of_arm: Tuned) -> Iterator[dict[str, Any]]:
    """Yield the gains of each arm and their difference, which no pair of arms has."""
    rows = [(f"gain from tuning, {fmt.side(gain.arm)}", gain.interval, gain.test) for gain in of_arm.gains]
    rows.append(("gap untuned less gap tuned", of_arm.taken_away, of_arm.taken_away_test))
    for what, interval, test in rows:
        yield {
            "what": what,
            **dict.fromkeys(("at_baseline", "at_arm", "mean_baseline", "mean_arm")),
            "n": interval.n,
            **interval_values("difference", interval),
            **pvalue_values("p_t", test),
            **dict.fromkeys(("n_failed_baseline", "n_failed_arm", "n_runs")),
            **NOTHING_CONCLUDED,
        }
