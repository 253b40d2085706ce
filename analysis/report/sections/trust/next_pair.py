"""What does a typical seed gain, and will the next pair be worse?"""

from typing import Any

from analysis.findings.results import Findings
from analysis.findings.secondary.typical_pair import TypicalPair
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.columns import cell_columns, cell_values, count_column, interval_column, interval_values
from analysis.report.document import Block, Column, Paragraph, Table
from analysis.report.sentences import study_words


def blocks(study: StudyData, of_arm: Findings) -> list[Block]:
    if not of_arm.typical_pairs[0].next.n:
        return []
    return [_about(study, of_arm), _table(study, of_arm)]


def _about(study: StudyData, of_arm: Findings) -> Paragraph:
    overall, arm = of_arm.typical_pairs[0], fmt.side(of_arm.arm)
    following = overall.next
    chance = fmt.p_value(following.p_worse).replace("< ", "below ")
    predicted = (
        f"If differences are normal, the probability that the next pair is worse {arm} is {chance}"
        if following.reason is None
        else f"No probability that the next pair is worse follows from these differences ({following.reason})"
    )
    were, over = "was" if following.n == 1 else "were", study_words.over_all(study)
    limit = (
        "" if following.limit_worse == 1 else
        f"; that excludes only probabilities above {fmt.percent(following.limit_worse, 0)}, whatever the distribution"
    )  # fmt: skip
    return Paragraph(
        f"What does a typical seed gain? The interquartile mean (of the middle half of the seeds){over} is"
        f" {fmt.estimate(*fmt.as_triple(overall.interquartile_mean))} points. {predicted}. So far"
        f" {following.n_worse} of {fmt.units(following.n, 'pairs')} {were} worse{limit}. Failures count as they ended."
    )


def _table(study: StudyData, of_arm: Findings) -> Table:
    columns = [
        *cell_columns(study),
        count_column("n", "n"),
        interval_column("interquartile mean difference, points", "interquartile_mean"),
        Column("P(next pair is worse), normal differences", fmt.p_value, ("p_worse",)),
        Column("worse pairs", lambda k, n: f"{k} of {n}", ("n_worse", "n")),
        Column("P(worse), upper limit for any distribution", lambda limit: fmt.percent(limit, 0), ("limit_worse",)),
    ]
    rows = [cell_values(study, typical.cell) | _row(typical) for typical in of_arm.typical_pairs]
    caption = f"A typical pair and the next one, {fmt.side(of_arm.arm)} minus {fmt.side(of_arm.baseline)} (all pairs)"
    return Table(f"next-pair-{of_arm.arm}", caption, columns, rows, n_totals=1)


def _row(typical: TypicalPair) -> dict[str, Any]:
    following = typical.next
    return {
        "n": following.n,
        **interval_values("interquartile_mean", typical.interquartile_mean),
        "p_worse": following.p_worse,
        "n_worse": following.n_worse,
        "limit_worse": following.limit_worse,
    }
