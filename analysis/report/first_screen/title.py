"""The finding in at most 15 words, which head the page."""

import math
from collections.abc import Callable, Mapping, Sequence

from analysis.findings.answer import Answer, Part
from analysis.report import number_format as fmt
from analysis.report.sentences.answer import size

MAX_WORDS = 15
"""Words of a title."""


def title(answers: Mapping[str, Answer], dataset: str, all_failed: bool = False) -> str:
    """Return the finding of a study: of its one arm in words, of several which are better; that there is nothing to
    compare where there is none, or where every run failed."""
    name = fmt.dataset(dataset)
    if not answers:
        return f"There is nothing to compare: one arm alone was trained on {name}"
    if all_failed:
        return f"Every run failed: there is nothing to compare on {name}"
    if len(answers) > 1:
        return _of_several(answers, name)
    (answer,) = answers.values()
    part = leading(answer)
    if part is None:
        none = answer.first.n_runs == 0
        return f"No pair of runs on {name} yet" if none else f"Too few runs learn to compare accuracy on {name}"
    return fmt.sentence(TITLES[part.verdict.split(",")[0]](answer, part, name))


def leading(answer: Answer) -> Part | None:
    """Return the first part that has a difference."""
    return next((part for part in answer.parts if math.isfinite(part.difference.estimate)), None)


def _of_several(answers: Mapping[str, Answer], dataset: str) -> str:
    """Return how many arms are compared and which are better than the baseline, as many by name as have room, those
    with the largest difference first."""
    parts = {arm: answer.first for arm, answer in answers.items() if answer.first.verdict.startswith("better")}
    better = sorted(parts, key=lambda arm: -parts[arm].difference.estimate)
    begun = f"{len(answers) + 1} arms compared on {dataset}:"
    baseline = fmt.side(next(iter(answers.values())).baseline)
    if all(answer.first.verdict in ("description", "withheld") for answer in answers.values()):
        few = fmt.units(max(answer.first.n for answer in answers.values()), next(iter(answers.values())).first.unit)
        missing = any(answer.first.verdict == "withheld" for answer in answers.values())
        return f"{begun} {'runs are missing for a verdict' if missing else f'{few} cannot decide'}"
    if not better:
        return f"{begun} none is shown to beat {baseline}"
    beat = f"beat{'s' if len(better) == 1 else ''} {baseline}"
    seen = " here" if any(parts[arm].qualified for arm in better) else ""  # "in the runs seen" leaves names no room
    titles = (f"{begun} {_first(better, n)} {beat}{seen}" for n in range(len(better), -1, -1))
    return next((said for said in titles if len(said.split()) <= MAX_WORDS), f"{begun} {len(better)} {beat}")


def _first(arms: Sequence[str], n: int) -> str:
    """Return the names of the first ``n`` arms and how many there are more."""
    more = len(arms) - n
    return fmt.listing([*map(fmt.side, arms[:n]), *([f"{more} more" if n else str(more)] if more else [])])


WHICH = {
    "tuned": "both tuned: ",
    "cross-fitted": "best settings: ",
    "cell": "tutorial's setting: ",
    "cells": "on average: ",
}
"""What is compared, by what the part is made of."""


def _changed(answer: Answer, part: Part, dataset: str) -> str:
    verb = "raised" if part.difference.estimate > 0 else "lowered"
    seen = " in the runs seen" if part.qualified else ""
    which = WHICH[part.source] if answer.n_cells > 1 or part.source == "tuned" else ""
    return f"{which}{fmt.arm_name(answer.arm)} {verb} {dataset} accuracy by {size(part)} points{seen}"


def _equivalent(answer: Answer, part: Part, dataset: str) -> str:
    margin = fmt.margin(answer.margin)
    return f"{fmt.arm_name(answer.arm)} changes test accuracy on {dataset} by less than {margin}"


def _mixed(answer: Answer, part: Part, dataset: str) -> str:
    better, worse = answer.cells["better"], answer.cells["worse"]
    return f"{fmt.arm_name(answer.arm)}: better in {better}, worse in {worse} of {answer.n_cells} settings on {dataset}"


def _undecided(answer: Answer, part: Part, dataset: str) -> str:
    by = f"{size(part, signed=True)} points"
    return f"undecided: {fmt.arm_name(answer.arm)} changed test accuracy on {dataset} by {by}"


def _described(answer: Answer, part: Part, dataset: str) -> str:
    few = f"{fmt.units(part.n, part.unit)} cannot decide"
    return f"{few}: {fmt.arm_name(answer.arm)} changed {dataset} accuracy by {size(part, signed=True)} points"


def _withheld(answer: Answer, part: Part, dataset: str) -> str:
    return f"runs are missing: there is no verdict on {fmt.arm_name(answer.arm)} on {dataset} yet"


TITLES: dict[str, Callable[[Answer, Part, str], str]] = {
    "better": _changed,
    "worse": _changed,
    "equivalent": _equivalent,
    "mixed": _mixed,
    "inconclusive": _undecided,
    "description": _described,
    "withheld": _withheld,
}
