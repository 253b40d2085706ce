"""How many seeds does it take, and which number stays valid when seeds are added?"""

from typing import Any

from analysis.findings.results import Findings
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.report.sentences import study_words
from analysis.stats.power import seeds_to_reach


def too_few(of_arm: Findings) -> list[Block]:
    """Return how many seeds a small p takes, where there are fewer."""
    n, enough = of_arm.plan.n, seeds_to_reach(of_arm.alpha)
    if n >= enough:
        return []
    have = {
        0: "No seed has a pair in every setting",
        1: "One seed shows a difference but cannot say how sure it is",
    }.get(n, f"This study has {fmt.seeds(n)}")
    return [Paragraph(f"{have}; the sign-flip test needs at least {enough} seeds for p < {of_arm.alpha:g}.")]


def blocks(study: StudyData, of_arm: Findings) -> list[Block]:
    plan = of_arm.plan
    about = (
        f"How many seeds does it take? The table plans for the mean difference{study_words.over_all(study)}, with the"
        f" spread of these {fmt.seeds(plan.n)} and a margin of {fmt.points(plan.margin).lstrip('+')} points."
    )
    columns = [
        Column("question", str, ("question",), is_text=True),
        Column("answer", lambda text, value: text, ("text", "value")),
    ]
    return [
        *([Paragraph(about)] if plan.n > 1 else []),
        Table(f"plan-{of_arm.arm}", "Seeds: how many there are and how many it takes", columns, _rows(of_arm)),
        *([Paragraph(_adding_seeds(study, of_arm))] if of_arm.evidence.n else []),
    ]


def _adding_seeds(study: StudyData, of_arm: Findings) -> str:
    """Return what the e-value tests, in which pairs, and what they say."""
    evidence, arm = of_arm.evidence, fmt.side(of_arm.arm)
    n_tied = evidence.n - evidence.n_better - evidence.n_worse
    pair = f"a seed's mean difference{over}" if (over := study_words.over_all(study)) else "a seed's difference"
    return (
        "If you add seeds after looking, rely on the e-value: unlike a p-value it stays valid after every seed. It"
        f" tests whether more than half of the pairs are better, or worse, {arm}. It does not say by how much on"
        f" average. A pair is {pair}; a failed run loses to one that learned, and two failed runs tie. So far"
        f" {evidence.n_better} of {fmt.units(evidence.n, 'pairs')} {'is' if evidence.n_better == 1 else 'are'} better"
        f" {arm}, {evidence.n_worse} worse and {n_tied} tied. The e-value assumes only that seeds are independent."
    )


def _rows(of_arm: Findings) -> list[dict[str, Any]]:
    plan, evidence = of_arm.plan, of_arm.evidence
    power = fmt.level(plan.power)
    rows: list[tuple[str, str, float | int | None]] = [
        (
            f"smallest p possible in the exact sign-flip test of {fmt.seeds(plan.n)}",
            fmt.p_value(plan.attainable_p),
            plan.attainable_p,
        ),
        (
            "power of the paired t test to detect a difference of the margin",
            fmt.percent(plan.power_at_margin, 0),
            plan.power_at_margin,
        ),
        (f"difference detected with {power} power", _in_points(plan.smallest_detectable), plan.smallest_detectable),
        (f"seeds needed to detect the margin with {power} power", fmt.count(plan.seeds_needed), plan.seeds_needed),
        (
            "the same, if the spread is at its upper 80 % limit",
            fmt.count(plan.seeds_needed_upper),
            plan.seeds_needed_upper,
        ),
    ]
    rows += [
        (f"half-width of the interval with {fmt.seeds(n)}", _in_points(half), half) for n, half in plan.half_widths
    ]
    if evidence.n:
        question = (
            f"e-value of {fmt.seeds(evidence.n)} that one arm is better in more than half of the pairs"
            f" (evidence from {evidence.threshold:g} on)"
        )
        rows.append((question, _e_value(evidence.sign[-1]), evidence.sign[-1]))
    return [dict(zip(("question", "text", "value"), row, strict=True)) for row in rows]


def _e_value(value: float) -> str:
    return f"{value:,.0f}" if 100 <= value < 1e9 else f"{value:.3g}"


def _in_points(fraction: float) -> str:
    text = fmt.points(fraction).lstrip("+")
    return text if text == fmt.NO_NUMBER else f"{text} points"
