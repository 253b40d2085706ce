"""How do several arms stand against one another? Ranked against the baseline, then every pair of them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from analysis.findings import contrasts
from analysis.findings.contrasts import Contrast
from analysis.findings.family import Member
from analysis.findings.results import Results
from analysis.findings.secondary.all_pairs import AllPairs, RankedArm
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import (
    cell_values,
    count_column,
    counts_of,
    interval_column,
    interval_values,
    p_column,
    pvalue_values,
    setting_column,
    text_column,
)
from analysis.report.document import Column, Figure, Paragraph, Placeholder, Section, Table
from analysis.report.figures.arms import MAX_HIGH, Entry, Ranked, matrix
from analysis.report.figures.arms import ranking as ranked_arms
from analysis.stats.intervals import Interval

NAME = "arms"
TITLE = "Arms against one another"


def section(study: StudyData, results: Results) -> Section:
    """Return the arms ranked, the matrix of all pairs, and every pair in every setting."""
    found = results.all_pairs
    if study.all_failed:
        return Section(NAME, TITLE, [Paragraph("Every run failed: no arm is told from another.")])
    if found is None:
        return Section(NAME, TITLE, [Placeholder("No setting has runs of every arm yet:", study.manifest["argv"])])
    figures = [ranking(study, results, found, "arms", ranking_table(study, results, found))]
    figures.append(
        pair_matrix(study, found, "arms-matrix", _pairs_table(study, found, found.in_setting, "pairs-of-arms"))
    )
    every = _pairs_table(study, found, found.members, "pairs-of-arms-all")
    return Section(NAME, TITLE, figures, [Paragraph(_about(study, results, found)), every])


def _about(study: StudyData, results: Results, found: AllPairs) -> str:
    level, n_arms = fmt.level(1 - results.alpha), len(found.ranked)
    over = " in every setting and on average" if len(study.design.cells) > 1 else ""
    chosen = (
        f" The arms are ranked at {fmt.cell(found.cell)}, the setting with the best mean over the {n_arms} arms; since"
        " the family has every setting, that choice is paid for."
        if len(study.design.cells) > 1
        else ""
    )
    return (
        f"Two families. The {n_arms - 1} arms against {fmt.arm_name(study.baseline)}{over} are one; all"
        f" {found.n_pairs} pairs of arms{over} are the other, whose intervals are wider. In either, the {level}"
        f" intervals hold all at once.{chosen}"
    )


# --- the ranking


def ranking(study: StudyData, results: Results, found: AllPairs, name: str, table: Table | None) -> Figure:
    """Return the figure of the arms, the most accurate first, each against the baseline."""
    members = [_against_baseline(study, results, found, one.arm) for one in found.ranked]
    rows = [
        Ranked(one.arm, _label(one), None if member is None else _simultaneous(member))
        for one, member in zip(found.ranked, members, strict=True)
    ]
    known = [member for member in members if member is not None]
    return Figure(
        name=name,
        headline=_headline(study, found, known),
        subtitle=(
            f"Test accuracy of each arm minus {fmt.side(study.baseline)} in points at {fmt.cell(found.cell)}, the most"
            f" accurate first; {fmt.seeds(max((member.n_pairs for member in known), default=0))}."
        ),
        draw=partial(ranked_arms, rows),
        alt="; ".join(_in_words(one, member) for one, member in zip(found.ranked, members, strict=True)) + ".",
        caption=_about_intervals(study, known),
        table=table,
    )


def _against_baseline(study: StudyData, results: Results, found: AllPairs, arm: str) -> Contrast | None:
    if arm == study.baseline:
        return None
    return contrasts.by_cell(results.contrasts, arm)[study.cell(found.cell)]


def _label(one: RankedArm) -> str:
    return f"{fmt.side(one.arm)}, {fmt.percent(one.accuracy)}"


def _headline(study: StudyData, found: AllPairs, known: Sequence[Member]) -> str:
    first = found.ranked[0].arm
    if found.ranked[0].accuracy == found.ranked[-1].accuracy:
        return "All arms are equally accurate"
    if all(member.joint is None for member in known):
        return f"Most accurate {fmt.side(first)}; none can be tested yet"
    better = sum(member.verdict.startswith("better") for member in known)
    return f"Most accurate {fmt.side(first)}; {better} of {fmt.units(len(known), 'arms')} beat the baseline"


def _about_intervals(study: StudyData, known: Sequence[Member]) -> str:
    if all(member.joint is None for member in known):
        return "Mean differences, without simultaneous intervals."
    over = " and settings" if len(study.design.cells) > 1 else ""
    return f"Bars: {fmt.level(known[0].ci.level)} intervals that hold for all arms{over} together (sup-t)."


def _in_words(one: RankedArm, member: Member | None) -> str:
    of_arm = f"{fmt.side(one.arm)} {fmt.percent(one.accuracy)}"
    return of_arm if member is None else f"{of_arm}, {_estimate(member)} points: {member.verdict}"


def _estimate(member: Member, sign: int = 1) -> str:
    if math.isnan(member.mean_diff):
        return fmt.NO_NUMBER
    interval = _simultaneous(member)
    ends = sorted((sign * interval.low, sign * interval.high))
    return fmt.estimate(sign * member.mean_diff, *ends)


def _simultaneous(member: Member) -> Interval:
    """Return the interval that holds with those of all others; without ends where there is none."""
    return replace(member.ci, low=math.nan, high=math.nan) if member.joint is None else member.joint.ci


def ranking_table(study: StudyData, results: Results, found: AllPairs) -> Table:
    """Return the table behind the ranking."""
    columns = [
        Column("arm", fmt.side, ("arm",), is_text=True),
        Column("accuracy", fmt.percent, ("accuracy",)),
        Column("failed", lambda k, n: f"{k} of {n}", ("n_failed", "n_runs")),
        count_column("pairs", "n"),
        interval_column(f"minus {fmt.side(study.baseline)}, points [simultaneous]", "difference"),
        p_column("p, adjusted (sup-t)", "p_adjusted"),
        text_column("verdict", "verdict"),
    ]
    rows = [
        {
            **cell_values(study, found.cell),
            "arm": one.arm,
            "accuracy": one.accuracy,
            "n_failed": one.n_failed,
            "n_runs": one.n_runs,
            **_of_member(_against_baseline(study, results, found, one.arm)),
        }
        for one in found.ranked
    ]
    return Table("arms", f"The arms at {fmt.cell(found.cell)}, tested together", columns, rows)


def _of_member(member: Member | None) -> dict[str, Any]:
    test = None if member is None or member.joint is None else member.joint.test
    shown = None if member is None or math.isnan(member.mean_diff) else _simultaneous(member)
    return {
        "n": None if member is None else member.n_pairs,
        **interval_values("difference", shown),
        **pvalue_values("p_adjusted", test),
        "verdict": "baseline" if member is None else member.verdict,
    }


# --- all pairs


def pair_matrix(study: StudyData, found: AllPairs, name: str, table: Table | None) -> Figure:
    """Return the matrix of all pairs, in the order of the ranking."""
    arms = [one.arm for one in found.ranked]
    members = found.in_setting
    decided, tested = sum(map(_is_decided, members)), any(member.joint for member in members)
    or_sign = ", or a sign where numbers have no room" if len(arms) > MAX_HIGH else ""
    over = " and all settings" if len(study.design.cells) > 1 else ""
    return Figure(
        name=name,
        headline=(
            f"{decided} of {fmt.units(len(members), 'pairs')} of arms are told apart"
            if tested
            else "No pair of arms can be tested"
        ),
        subtitle=(
            f"Test accuracy of a row's arm minus a column's in points at {fmt.cell(found.cell)};"
            f" {fmt.seeds(max(member.n_pairs for member in members))}."
        ),
        draw=partial(matrix, [*map(fmt.side, arms)], partial(_entry, found, arms)),
        alt="; ".join(f"{fmt.side(m.arm)} minus {fmt.side(m.baseline)} {_estimate(m)}" for m in members) + ".",
        caption=(
            f"Bold{or_sign}: the interval excludes 0. The {fmt.level(members[0].ci.level)} intervals of all"
            f" {found.n_pairs} pairs{over} hold together (sup-t)."
            if tested
            else "Mean differences, without intervals."
        ),
        table=table,
    )


def _entry(found: AllPairs, arms: Sequence[str], row: int, column: int) -> Entry:
    member, sign = found.at(arms[row], arms[column])
    return Entry(sign * member.mean_diff, _is_decided(member))


def _is_decided(member: Member) -> bool:
    return member.verdict.startswith(("better", "worse"))


def _pairs_table(study: StudyData, found: AllPairs, members: Sequence[Member], name: str) -> Table:
    """Return a row a pair: arm minus the other one."""
    has_setting = len({member.cell for member in members}) > 1
    columns = [
        *([setting_column(study)] if has_setting else []),
        Column("arm", fmt.side, ("arm",), is_text=True),
        Column("minus", fmt.side, ("other",), is_text=True),
        count_column("n", "n"),
        interval_column("difference, points [simultaneous]", "difference"),
        p_column("p, adjusted (sup-t)", "p_adjusted"),
        *(
            []
            if has_setting
            else [Column("failed arm | other", counts_of, ("n_failed_arm", "n_failed_other", "n_runs"))]
        ),
        text_column("verdict", "verdict"),
    ]
    where = "in every setting" if has_setting else f"at {fmt.cell(found.cell)}"
    rows = [cell_values(study, member.cell) | _pair_row(member) for member in members]
    return Table(name, f"Every pair of arms {where}, tested together", columns, rows)


def _pair_row(member: Member) -> dict[str, Any]:
    return {
        "arm": member.arm,
        "other": member.baseline,
        "mean_arm": member.mean_arm,
        "mean_other": member.mean_baseline,
        **_of_member(member),
        "n_failed_arm": member.n_failed_arm,
        "n_failed_other": member.n_failed_baseline,
        "n_runs": member.n_runs,
        "inner_low": member.inner.low,
        "inner_high": member.inner.high,
    }
