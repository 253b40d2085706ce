"""How many seeds does it take, and what may those look at who add seeds?"""

from typing import Any

from analysis.findings.results import Findings
from analysis.report import number_format as fmt
from analysis.report.document import Block, Column, Paragraph, Table


def blocks(of_arm: Findings) -> list[Block]:
    plan = of_arm.plan
    about = (
        f"How many seeds? Over all cells, at the present {fmt.seeds(plan.n)} and their spread, for a margin of"
        f" {fmt.points(plan.margin).lstrip('+')} points."
    )
    columns = [
        Column("question", str, ("question",), is_text=True),
        Column("answer", lambda text, value: text, ("text", "value")),
    ]
    return [
        Paragraph(about),
        Table(f"plan-{of_arm.arm}", "Seeds: what there are and what it takes", columns, _rows(of_arm)),
        *([Paragraph(_adding_seeds(of_arm))] if of_arm.evidence.n else []),
    ]


def _adding_seeds(of_arm: Findings) -> str:
    """What the e-value asks, of which pairs, and what they say."""
    evidence, arm = of_arm.evidence, fmt.side(of_arm.arm)
    n_tied = evidence.n - evidence.n_better - evidence.n_worse
    return (
        "If you add seeds after a look, rely on the e-value: unlike a p-value it stays valid after every seed. It asks"
        f" whether more than half of the pairs are better, or worse, {arm}; it says nothing of the size of the mean. A"
        " pair is a seed's mean difference over all cells, in which a failed run loses to a sound one and two failed"
        f" ones tie. So far {evidence.n_better} of {evidence.n} pairs are better {arm}, {evidence.n_worse} worse and"
        f" {n_tied} tied. The e-value assumes that seeds are independent, and nothing else."
    )


def _rows(of_arm: Findings) -> list[dict[str, Any]]:
    plan, evidence = of_arm.plan, of_arm.evidence
    power = fmt.level(plan.power)
    rows: list[tuple[str, str, float | int | None]] = [
        (
            f"smallest p that the exact sign-flip test of {fmt.seeds(plan.n)} can give",
            fmt.p_value(plan.attainable_p),
            plan.attainable_p,
        ),
        (
            "power of the paired t test to see a difference of the margin",
            fmt.percent(plan.power_at_margin, 0),
            plan.power_at_margin,
        ),
        (f"difference that is seen with {power} power", _in_points(plan.smallest_detectable), plan.smallest_detectable),
        (f"seeds needed to see the margin with {power} power", fmt.count(plan.seeds_needed), plan.seeds_needed),
        (
            "the same, at the upper 80 % limit of the spread",
            fmt.count(plan.seeds_needed_upper),
            plan.seeds_needed_upper,
        ),
    ]
    rows += [(f"half width of the interval at {fmt.seeds(n)}", _in_points(half), half) for n, half in plan.half_widths]
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
