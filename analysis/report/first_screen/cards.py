"""The parts of the answer as cards: a number to read from afar, and the lines that it must not be quoted without."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.findings.answer import Answer, Part
from analysis.records.tables import StudyData
from analysis.report import number_format as fmt
from analysis.report.sentences.answer import part_name, size


@dataclass(frozen=True)
class Line:
    """A line of a card; one of an arm carries the arm's key, by which the page marks it in the arm's colour."""

    text: str
    arm: str | None = None


@dataclass(frozen=True)
class Card:
    """One part of the answer."""

    key: str
    title: str
    value: str
    unit: str
    lines: Sequence[Line]


def cards(study: StudyData, answer: Answer) -> list[Card]:
    """Return the cards of one arm's answer, in the order of its parts; the failures stand before the mean, and alone
    where every run failed."""
    if study.all_failed:
        return [card for card in [_failures(study, (answer.baseline, answer.arm))] if card is not None]
    of_parts = {part.key: _of_part(answer, part) for part in answer.parts}
    failures = _failures(study, (answer.baseline, answer.arm))
    ordered = [of_parts.get("best"), of_parts.get("setting"), failures, of_parts.get("mean")]
    return [card for card in ordered if card is not None]


MAX_ARMS = 3
"""Arms with a card each; of more, the first have one and the others share one."""
MAX_LINES = 5
"""Arms that share a card by name."""


def cards_of_several(study: StudyData, answers: Sequence[Answer]) -> list[Card]:
    """Return a card for each arm's first part, the largest difference first, of many arms one for the others; then the
    failures of all arms, alone where every run failed."""
    arms = [answers[0].baseline, *(answer.arm for answer in answers)]
    failures = [card for card in [_failures(study, arms)] if card is not None]
    if study.all_failed:
        return failures
    ordered = sorted(answers, key=lambda answer: -np.nan_to_num(answer.first.difference.estimate, nan=-math.inf))
    n_alone = len(ordered) if len(ordered) <= MAX_ARMS else MAX_ARMS - 1
    alone = [_of_part(answer, answer.first, fmt.side(answer.arm)) for answer in ordered[:n_alone]]
    others = [_of_others(ordered[n_alone:])] if n_alone < len(ordered) else []
    return [*alone, *others, *failures]


def _of_others(answers: Sequence[Answer]) -> Card:
    lines = [
        Line(f"{fmt.side(one.arm)} {fmt.points_of(one.first.difference)}: {one.first.verdict}", one.arm)
        for one in answers[:MAX_LINES]
    ]
    more = len(answers) - len(lines)
    return Card(
        "others", "The other arms", f"{len(answers)}", "arms", [*lines, *([Line(f"{more} below")] if more else [])]
    )


def _of_part(answer: Answer, part: Part, whose: str = "") -> Card:
    known = not math.isnan(part.difference.estimate)
    name = part_name(answer, part)
    return Card(
        key=f"{part.key}-{answer.arm}" if whose else part.key,
        title=fmt.sentence(f"{whose}, {name}" if whose else name),
        value=size(part, signed=True) if known else fmt.NO_NUMBER,
        unit="points" if known else "",
        lines=[*_lines(answer, part)] if known else [Line(fmt.sentence(part.reason or part.verdict))],
    )


def _lines(answer: Answer, part: Part) -> Iterator[Line]:
    yield Line(f"{fmt.percent(part.mean_baseline)} {fmt.side(answer.baseline)}", answer.baseline)
    yield Line(f"{fmt.percent(part.mean_arm)} {fmt.side(answer.arm)}", answer.arm)
    ends = fmt.interval(part.difference.low, part.difference.high)
    if ends != fmt.NO_NUMBER:
        yield Line(f"{fmt.level(part.difference.level)} interval {ends}")
    failed = ", failed runs included" if _includes_failures(part) else ""
    yield Line(f"better in {part.n_better} of {fmt.units(part.n, part.unit)}{failed}")


def _includes_failures(part: Part) -> bool:
    """Whether runs that failed count in the difference, as they ended."""
    return part.key != "setting" and bool(part.n_failed_baseline or part.n_failed_arm)


def _failures(study: StudyData, arms: Sequence[str]) -> Card | None:
    """Return how many of all runs of the grid failed, of many arms by name those with failures; None where no run was
    trained."""
    outcomes = study.outcomes
    counts = {arm: (int(outcomes.failed[outcomes.arm == arm].sum()), int((outcomes.arm == arm).sum())) for arm in arms}
    if not any(n for _, n in counts.values()):
        return None
    told = {arm: count for arm, count in counts.items() if len(arms) <= MAX_ARMS or count[0]}
    lines = [Line(f"{k} of {n:,} {fmt.side(arm)}", arm) for arm, (k, n) in [*told.items()][:MAX_LINES]]
    threshold = fmt.percent(study.learning_threshold, 0)
    total = sum(k for k, _ in counts.values())
    return Card(
        key="failures",
        title="Runs that failed",
        value=f"{total:,}",
        unit=f"of {sum(n for _, n in counts.values()):,} runs",
        lines=[*lines, Line(f"diverged or ended below {threshold}")],
    )
