"""Is the difference there in every pair? Every seed, in one figure: of each part of the answer a panel."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from analysis.findings.answer import Answer, Part
from analysis.findings.results import Findings, Results
from analysis.findings.tuning import Tuned
from analysis.records.scores import Scores
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.by_arm import under_names
from analysis.report.columns import cell_values, setting_column, text_column
from analysis.report.document import Block, Column, Figure, Placeholder, Section, Table
from analysis.report.figures.pairs import Panel, paired_differences
from analysis.report.sentences.answer import part_name


def section(study: StudyData, results: Results) -> Section:
    """Return the figure of all parts where there are several and tuning draws none; the table of every seed."""
    several = {arm: panels(results, of_arm) for arm, of_arm in results.of_arms.items()}
    tables = {arm: [_table(study, of_arm)] for arm, of_arm in results.of_arms.items() if of_arm.scores[0].seeds}
    figures: dict[str, list[Block]] = {
        arm: [figure(every, f"pairs-{arm}", tables[arm][0])]
        for arm, every in several.items()
        if len(every) > 1 and arm in tables and not results.tuned
    }
    nothing = [] if any(several.values()) else [_nothing(study)]
    details = under_names(study.baseline, {arm: tables[arm] for arm in tables if arm not in figures})
    return Section("seeds", "Seed by seed", under_names(study.baseline, figures) or nothing, details)


def _nothing(study: StudyData) -> Placeholder:
    return Placeholder(
        "No seed has a pair in every setting. Repeat the study's own command to complete it:", study.manifest["argv"]
    )


def panels(results: Results, of_arm: Findings) -> list[Panel]:
    """Return a panel for each part of the answer that has pairs and a difference, in the order of the parts."""
    answer = results.answers[of_arm.arm]
    tuned = next((tuned for tuned in results.tuned if tuned.arm == of_arm.arm), None)
    return [*_panels(answer, of_arm, tuned)]


def _panels(answer: Answer, of_arm: Findings, tuned: Tuned | None) -> Iterator[Panel]:
    for part in answer.parts:
        scores = _scores(part, of_arm, tuned)
        if scores is not None and scores.seeds and math.isfinite(part.difference.estimate):
            given_learning = part.key == "setting"
            yield Panel(part_name(answer, part), answer.baseline, answer.arm, scores, part.difference, given_learning)


def _scores(part: Part, of_arm: Findings, tuned: Tuned | None) -> Scores | None:
    """Return the pairs that a part is made of."""
    by_cell = {scores.cell: scores for scores in of_arm.scores}
    if part.source == "tuned" and tuned is not None:
        return tuned.pairs
    if part.source == "cross-fitted":
        return None if of_arm.best_cell is None else of_arm.best_cell.scores
    return by_cell.get(part.cells.get(of_arm.arm))


def figure(every: Sequence[Panel], name: str, table: Table | None) -> Figure:
    """Return the figure of these panels, headed by what the first of them shows."""
    first = every[0]
    sides = f"{fmt.side(first.baseline)} and {fmt.side(first.arm)}"
    where = f" ({first.title})" if len(every) == 1 else ""
    return Figure(
        name=name,
        headline=_headline(first),
        subtitle=(
            f"Test accuracy of each pair {sides} (%), joined by a line, and the differences in points{where};"
            f" {fmt.units(len(first.scores.seeds), first.scores.unit)}."
        ),
        draw=partial(paired_differences, every),
        alt=" ".join(map(describe, every)),
        caption=f"{marks(first)}{_hollow(every)}{_left_out(every)}",
        table=table,
    )


def _headline(panel: Panel) -> str:
    d = [d for d, counts in zip(panel.scores.differences, panel.counted, strict=True) if counts]
    ahead = f"Better {fmt.side(panel.arm)} in {sum(one > 0 for one in d)} of {fmt.units(len(d), panel.scores.unit)}"
    return f"{ahead}: {fmt.points_of(panel.difference)} points"


def marks(panel: Panel) -> str:
    """Return what the marks of a panel mean."""
    interval = f" and its {fmt.level(panel.difference.level)} interval" if math.isfinite(panel.difference.low) else ""
    marks = "Diamond and bar" if interval else "Diamond"
    return f"{marks}: mean difference{interval}. Zero is level with the mean {fmt.side(panel.baseline)}."


def _hollow(every: Sequence[Panel]) -> str:
    hollow = any(not panel.given_learning and not all(panel.scores.learned) for panel in every)
    return " Hollow: a run of the pair failed." if hollow else ""


def _left_out(every: Sequence[Panel]) -> str:
    """Return how many pairs with a failed run are not drawn where only pairs count that learn."""
    n = sum(int((~panel.counted).sum()) for panel in every)
    return f" Not drawn at the tutorial's setting: {fmt.units(n, 'pairs')} with a failed run." if n else ""


def describe(panel: Panel) -> str:
    """Return a panel as text, with the numbers of its first 20 pairs."""
    shown = [*zip(panel.scores.seeds, panel.scores.of_baseline, panel.scores.of_arm, strict=True)]
    one = fmt.units(1, panel.scores.unit).removeprefix("1 ")
    pairs = "; ".join(f"{one} {n}: {fmt.percent(a)} to {fmt.percent(b)}" for n, a, b in shown[:20])
    more = f"; and {len(shown) - 20} more" if len(shown) > 20 else ""
    mean = fmt.estimate(*fmt.as_triple(panel.difference))
    sides = f"{fmt.side(panel.baseline)} to {fmt.side(panel.arm)}"
    return f"{fmt.sentence(panel.title)}, {sides}: {pairs}{more}. Mean difference {mean} points."


def _table(study: StudyData, of_arm: Findings) -> Table:
    return Table(
        f"pairs-{of_arm.arm}",
        f"Every seed {fmt.side(of_arm.baseline)} and {fmt.side(of_arm.arm)}",
        [
            setting_column(study),
            text_column("seed", "seed"),
            Column(fmt.side(of_arm.baseline), fmt.percent, ("of_baseline",)),
            Column(fmt.side(of_arm.arm), fmt.percent, ("of_arm",)),
            Column("difference, points", fmt.points, ("difference",)),
        ],
        [cell_values(study, scores.cell) | row for scores in of_arm.scores for row in _rows(scores)],
    )


def _rows(scores: Scores) -> Sequence[dict[str, Any]]:
    return [
        {"seed": seed, "of_baseline": a, "of_arm": b, "difference": d}
        for seed, a, b, d in zip(scores.seeds, scores.of_baseline, scores.of_arm, scores.differences, strict=True)
    ]
